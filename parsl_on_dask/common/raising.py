"""Futures that raise as if the user's own line had failed."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

from parsl_on_dask.remote.tracebacks import behind_ours, without_ours

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Raising(Future[T]):
    """A future that remembers the traceback which its exception came with.

    Each time that the same exception is raised, Python puts the lines which it passed in front of its traceback.
    """

    _trace: TracebackType | None = None

    def set_exception(self, exception: BaseException | None) -> None:
        """Finish with an exception."""
        if exception is not None:
            self._trace = without_ours(exception)
        super().set_exception(exception)


def as_it_came(future: Future[Any]) -> BaseException | None:
    """The exception of a finished future, with the traceback that it had before anybody raised it."""
    error = future.exception()
    if error is not None and isinstance(future, Raising):
        error.__traceback__ = future._trace
    return error


def raises_plainly(method: F) -> F:
    """Have a method raise without a trace of its own, nor of what is below it; also of a :class:`Raising`.

    Python 3.10 shows one frame all the same, that of this wrapper.
    """

    @functools.wraps(method)
    def plainly(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except BaseException as e:
            hide_this_frame(e, below(self, e))
            raise

    return plainly  # type: ignore[return-value]


def below(future: Any, error: BaseException) -> TracebackType | Any | None:
    """What the traceback of an error that a future raises goes on with, for :func:`hide_this_frame`."""
    return getattr(future, "_trace", None) if error is getattr(future, "_exception", None) else ...


def hide_this_frame(error: BaseException, below: TracebackType | Any | None = ...) -> None:
    """Call this in an ``except`` clause that ends with a bare ``raise``: the function is left out of the traceback.

    Since Python 3.11 what is raised again takes the traceback that the exception has by then; before, that of the
    moment when it was caught, whose later part can be replaced.

    - `error`: what was caught.
    - `below`: what its traceback shall go on with; by default, what comes after our frames.
    """
    here = error.__traceback__
    rest = behind_ours(here) if below is ... else below
    if sys.version_info >= (3, 11):
        error.__traceback__ = rest
    elif here is not None and here is not rest:  # else another thread, which raises it too, has put it there just now
        here.tb_next = rest


class PlainFuture(Raising[T]):
    """A future of the standard library's kind that raises plainly."""

    result = raises_plainly(Future.result)
