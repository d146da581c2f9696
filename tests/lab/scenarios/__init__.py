"""All scenarios: importing this registers them."""
from . import history, keys, lab, mistakes, safety, start, strangers, trouble  # noqa: F401
