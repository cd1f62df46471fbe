"""Wraps functions: files are moved before and after, and outputs are looked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any


class Wrapper:
    """A function with something before and after it. For the cache and in errors it counts as the function."""

    __name__: str
    __wrapped__: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__name__ = getattr(function, "__name__", None) or type(function).__name__
        self.__module__ = getattr(function, "__module__", None) or type(function).__module__
        self.__doc__ = getattr(function, "__doc__", None)
        self.__wrapped__ = function

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__wrapped__!r})"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)


class TransferWrapper(Wrapper):
    """Moves the files among the arguments of a function that its staging provider has marked.

    `way` ('in', 'out'): which of its files it moves. What brings files is inside of what takes them away, and other
    things between.
    """

    def __init__(self, function: Callable[..., Any], way: str) -> None:
        super().__init__(function)
        self.way = way

    @classmethod
    def wraps(cls, function: Any, way: str) -> bool:
        """Whether a function has one of this class and way around it already, which looks for all files itself."""
        while function is not None:
            if isinstance(function, cls) and function.way == way:
                return True
            function = getattr(function, "__wrapped__", None)
        return False


def marked(args: Sequence[Any], kwargs: Mapping[str, Any], mark: str) -> Iterator[tuple[str, Any, Any]]:
    """The files among a call's arguments that a staging provider has marked.

    - `args`, `kwargs`: of the call.
    - `mark`: name of an attribute of the files.

    Yields
    ------
    tuple
        Which argument it is (``"outputs"`` for all of those), the file, and its mark.

    Examples
    --------
    >>> from types import SimpleNamespace as File
    >>> [(where, note) for where, _, note in marked([1], {"inputs": [File(seen="a"), 2]}, "seen")]
    [('inputs', 'a')]
    """
    for value in args:
        note = _note(value, mark)
        if note is not None:
            yield "", value, note
    for key, value in kwargs.items():
        for each in value if key in ("inputs", "outputs") and isinstance(value, (list, tuple)) else (value,):
            note = _note(each, mark)
            if note is not None:
                yield key, each, note


def _note(value: Any, mark: str) -> Any:
    try:
        return vars(value).get(mark)
    except TypeError:
        return None
