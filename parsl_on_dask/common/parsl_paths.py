"""Gives classes the names of the modules in which Parsl has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def known_at(module: str, names: Mapping[str, Any]) -> None:
    """Have tracebacks and pickles name a module of Parsl's for the public classes that another one defines.

    - `module`: below this package; it has these classes, too.
    - `names`: the namespace of the module that defines them.
    """
    here = names["__name__"]
    for value in list(names.values()):
        if isinstance(value, type) and value.__module__ == here and not value.__name__.startswith("_"):
            value.__module__ = f"parsl_on_dask.{module}"
