"""Classes that the script defines itself, in values that come back to it.

Such a class travels by value. By itself, cloudpickle writes what the class was on the worker over the script's own
class, whose attributes may have changed meanwhile, and in a later run, which finds the value in a checkpoint, it makes
another class of that name, so that ``isinstance``, ``==`` and ``is`` say no.
"""

from __future__ import annotations

import pickle
import re
import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from .internals import CLASS_MAKERS, FILLS, MAKES, MAKES_CLASS, MAKES_ENUM, making_of

#: Classes that were made here of what was received: these alone are filled in.
_made: weakref.WeakSet[type] = weakref.WeakSet()


_MARK = MAKES.encode()
_marked = re.compile(_MARK).search


def holds_classes(data: Any) -> bool:
    """Whether a pickle, in bytes or in a buffer, may have a class by value in it."""
    return _MARK in data if type(data) is bytes else _marked(data) is not None


def _class(name: str, make: Callable[..., type], *arguments: Any) -> type:
    known, module, path = making_of(name, arguments)
    if known is None and module == "__main__" and path is not None:
        known = _of_the_script(path)
    if known is None:
        known = make(*arguments)
        _made.add(known)
    return known


def _of_the_script(path: str) -> type | None:
    """The class with a full name in the script, if this is the script's process."""
    found: Any = sys.modules.get("__main__")
    for part in path.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type) and (found.__module__, found.__qualname__) == ("__main__", path):
        return found
    return None


def _fill(fill: Callable[[type, Any], Any], cls: type, state: Any) -> Any:
    return fill(cls, state) if cls in _made else cls


class Unpickler(pickle.Unpickler):
    """pickle's, for which a class that the script defines is the script's."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        if module in CLASS_MAKERS:
            if name in (MAKES_CLASS, MAKES_ENUM):
                return partial(_class, name, found)
            if name == FILLS:
                return partial(_fill, found)
        return found
