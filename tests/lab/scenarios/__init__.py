"""All scenarios: importing this registers them."""
from . import lab, safety, start, trouble  # noqa: F401
