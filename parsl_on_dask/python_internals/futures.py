"""Private attributes of ``concurrent.futures.Future``, which has no public way to look at a future without waiting.

``Future.result()`` takes a lock, may wait, and raises what the future failed with. What moves tasks on must not wait,
and asks millions of futures.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures._base import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, LOGGER, PENDING
from typing import Any, TypeVar

__all__ = [
    "CANCELLED",
    "CANCELLED_AND_NOTIFIED",
    "FINISHED",
    "LOGGER",
    "PENDING",
    "CallingFuture",
    "callbacks_of",
    "error_of",
    "forget_callbacks",
    "remove_callbacks",
    "value_of",
]

T = TypeVar("T")


def value_of(future: Future[Any]) -> Any:
    """What a future was finished with; None while it is not done, and when it failed."""
    return future._result


def error_of(future: Future[Any]) -> BaseException | None:
    """What a future failed with; None while it is not done, and when it was cancelled or has a value."""
    return future._exception


def callbacks_of(future: Future[Any]) -> Any:
    """The done-callbacks that were added to a future and are not forgotten."""
    return future._done_callbacks  # type: ignore[attr-defined]


def forget_callbacks(future: Future[Any]) -> None:
    """Drop the callbacks of a finished future: they would keep whoever waited."""
    callbacks_of(future).clear()


def remove_callbacks(future: Future[Any], unwanted: Callable[[Any], bool]) -> int:
    """Remove some done-callbacks, as asyncio's futures can. Returns how many there were."""
    with future._condition:
        known = callbacks_of(future)
        kept = [callback for callback in known if not unwanted(callback)]
        removed = len(known) - len(kept)
        if removed:
            known[:] = kept
    return removed


class CallingFuture(Future[T]):
    """A future that decides itself how its done-callbacks are called.

    Its methods have an underscore: other public names of an AppFuture are those of its result.
    """

    def _call_back(self, callbacks: Any) -> None:
        """Call the callbacks of this future, which has just ended. In the thread that ended it."""
        raise NotImplementedError

    def _invoke_callbacks(self) -> None:
        self._call_back(callbacks_of(self))
