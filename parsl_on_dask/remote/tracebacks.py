"""Takes this package's frames out of tracebacks, so that they go from one line of the user's to the next.

A call passes through this package, and through ``concurrent.futures``, Dask and cloudpickle below it, on its way to the
user's function. None of that tells the user where the fault is.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

_OURS = __name__.partition(".")[0]
#: What this package runs users' code through, or waits with.
_THROUGH = frozenset({"asyncio", "cloudpickle", "concurrent", "copy", "distributed", "pickle", "threading"})


def without_ours(error: BaseException) -> TracebackType | None:
    """Take our frames from the beginnings of the tracebacks of an exception and of its causes.

    Returns what is left for the exception itself; None when all of it was ours.

    Examples
    --------
    >>> error = ValueError("no data")
    >>> without_ours(error) is None
    True
    """
    for link in _chain(error):
        link.__traceback__ = behind_ours(link.__traceback__)
    return error.__traceback__


def behind_ours(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that comes after our frames at its beginning."""
    if trace is None or _module(trace) != _OURS:
        return trace
    while trace is not None and ((module := _module(trace)) == _OURS or module in _THROUGH):
        trace = trace.tb_next
    return trace


def _module(trace: TracebackType) -> str:
    """The package that a frame's code belongs to."""
    return str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception with all that it came of."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            yield link
            todo += (link.__cause__, link.__context__)
