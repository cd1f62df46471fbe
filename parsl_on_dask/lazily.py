"""Names that a module offers and that are imported when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

_PACKAGE = __name__.rpartition(".")[0]


def lazily(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a module ``__getattr__`` that imports public names from where they are.

    Parameters
    ----------
    module : str
        The module that offers the names, as ``__name__`` gives it.
    names : mapping of str to str
        Name to the module that has it, relative to this package.

    Returns
    -------
    callable
        To be assigned to ``__getattr__`` in that module.
    """

    def __getattr__(name: str) -> Any:
        try:
            place = names[name]
        except KeyError:
            raise AttributeError(f"module {module!r} has no attribute {name!r}") from None
        value = getattr(importlib.import_module(f"{_PACKAGE}.{place}"), name)
        setattr(sys.modules[module], name, value)
        return value

    return __getattr__
