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
#: What is shorter has next to nothing between frames.
_SHORT = 1 << 16
#: Opcodes that pickle writes between frames, as what follows is long, and how many bytes say how long.
_LONG = {opcode[0]: size for opcode, size in ((b"B", 4), (b"X", 4), (b"\x8e", 8), (b"\x8d", 8), (b"\x96", 8))}
_FRAME = 0x95


def holds_classes(data: Any) -> bool:
    """Whether a pickle, in bytes or in a buffer, may have a class by value in it.

    Long texts and bytes in it are passed over: to look through them takes as long as to unpickle them.
    """
    end = len(data)
    if end < _SHORT and type(data) is bytes:
        return _MARK in data
    at = 2  # behind the name of the protocol
    while at < end:
        size = 8 if data[at] == _FRAME else _LONG.get(data[at])
        if size is None:
            return _marked(data, at) is not None
        begin = at + 1 + size
        after = begin + int.from_bytes(data[at + 1 : begin], "little")
        if data[at] == _FRAME and _marked(data, begin, after):
            return True
        at = after
    return False


def _class(name: str, make: Callable[..., type], *arguments: Any) -> type:
    known, module, path = making_of(name, arguments)
    if known is None and module == "__main__" and path is not None:
        known = _of_the_script(path)
    if known is None:
        known = make(*arguments)
        _made.add(known)
    return known


def found_in(module: str, path: str) -> Any:
    """What has a full name in a module that was imported; None when nothing has."""
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _of_the_script(path: str) -> type | None:
    """The class with a full name in the script, if this is the script's process."""
    found = found_in("__main__", path)
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
