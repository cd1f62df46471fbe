"""What is done when somebody imports a package, which may be never."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_lock = threading.Lock()
_wanted: dict[str, list[Callable[[], None]]] = {}


def when_imported(name: str, function: Callable[[], None]) -> None:
    """Call a function when a package was imported: now, if it is there.

    - `name`: a top-level package that is installed.
    - `function`: called once however often it is given, by the thread that imports the package, which has to wait for
      it.

    Examples
    --------
    >>> when_imported("string", lambda: print("there"))
    there
    """
    with _lock:
        there = name in sys.modules and name not in _wanted
        if not there:
            functions = _wanted.setdefault(name, [])
            if function not in functions:
                functions.append(function)
            if _Watcher not in sys.meta_path:
                sys.meta_path.insert(0, _Watcher)
    if there:
        importlib.import_module(name)  # another thread may be at it
        function()


class _Watcher:
    """Finds nothing by itself; adds the functions to what others have found."""

    @classmethod
    def find_spec(cls, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname not in _wanted:
            return None
        for finder in sys.meta_path:
            find = None if finder is cls else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                _tell_of(spec.loader, fullname)
                return spec
        return None


def _tell_of(loader: Any, name: str) -> None:
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        run(module)
        del loader.exec_module
        _imported(name)

    loader.exec_module = exec_module


def _imported(name: str) -> None:
    with _lock:
        functions = _wanted.pop(name, [])
        if not _wanted and _Watcher in sys.meta_path:
            sys.meta_path.remove(_Watcher)
    for function in functions:
        function()
