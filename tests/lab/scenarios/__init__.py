"""All scenarios: importing this registers them."""
from . import lab, mistakes, safety, start, trouble  # noqa: F401
