"""All scenarios: importing this registers them."""
from . import history, keys, lab, mistakes, safety, start, trouble  # noqa: F401
