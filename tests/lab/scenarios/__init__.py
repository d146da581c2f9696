"""All scenarios: importing this registers them."""
from . import (history, keys, lab, mistakes, safety, start, static, strangers,  # noqa: F401
               trouble)
