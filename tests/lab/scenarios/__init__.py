"""All scenarios: importing this registers them."""
from . import history, lab, mistakes, safety, start, trouble  # noqa: F401
