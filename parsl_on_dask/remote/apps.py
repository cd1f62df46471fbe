"""Apps that travel inside of other things: a class with decorated methods, the globals of a function."""

from __future__ import annotations

import importlib
from typing import Any


class SentApp:
    """An app where the package is not installed. ``func`` is its function."""

    __name__: str
    func: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"app {self.__name__!r} was called on a worker, where there is no kernel to run it: call it in a join_app "
            f"or in the script, or call its plain function {self.__name__}.func(...)"
        )

    def __get__(self, instance: object, owner: type | None = None) -> SentApp:
        return self


def rebuild(module: str, name: str) -> Any:
    """An app without its state, which pickle sets next; where its class is unknown, a stand-in."""
    try:
        kind: Any = importlib.import_module(module)
    except ImportError:
        kind = SentApp
    else:
        for part in name.split("."):
            kind = getattr(kind, part, SentApp)
    return kind.__new__(kind)
