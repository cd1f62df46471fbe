"""Which of some names does this environment's Parsl have? Asked and answered in JSON."""

from __future__ import annotations

import importlib
import json
import sys
import warnings

import parsl


def imported(name: str) -> bool:
    """Whether ``from parsl.x import y`` or ``import parsl.x.y`` finds it."""
    try:
        importlib.import_module(name)
    except Exception:
        module, _, last = name.rpartition(".")
        try:
            return bool(module) and hasattr(importlib.import_module(module), last)
        except Exception:
            return False
    return True


def reached(name: str) -> bool:
    """Whether ``import parsl`` is enough for ``parsl.x.y``."""
    value: object = parsl
    for part in name.split(".")[1:]:
        try:
            value = getattr(value, part)
        except Exception:
            return False
    return True


asked = json.load(sys.stdin)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    # Attributes first: imports add submodules as attributes.
    attributes = [name for name in asked["attributes"] if reached(name)]
    imports = [name for name in asked["imports"] if imported(name)]
json.dump({"attributes": attributes, "imports": imports}, sys.stdout)
