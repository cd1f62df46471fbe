"""Threads on which nothing may wait for a future.

A lane's thread, and the loop of a Dask client, move everything on. One that waits there for a future waits for itself.
"""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import Future
from typing import Any, TypeVar

from parsl_on_dask.python_internals.light_future import LightFuture

T = TypeVar("T")

_names: weakref.WeakKeyDictionary[threading.Thread, str] = weakref.WeakKeyDictionary()


class WouldWaitForItself(RuntimeError):
    """A future that is not done was waited for on a thread that has to finish it."""


def never_wait_here(what: str) -> None:
    """Have waiting for a future be an error on the calling thread from now on."""
    _names[threading.current_thread()] = what


def may_wait_here() -> bool:
    """Whether the calling thread may wait for futures."""
    return threading.current_thread() not in _names


def check_may_wait(future: Future[Any], timeout: float | None = None) -> None:
    """Refuse to wait for a future on a thread that moves futures on.

    Raises WouldWaitForItself when the calling thread is one of those, and the future not done.
    """
    if _names and timeout != 0:
        what = _names.get(threading.current_thread())
        if what is not None:
            raise WouldWaitForItself(f"{future!r} was waited for on {what}, which is needed to finish it")


class CheckedFuture(LightFuture[T]):
    """A light future that refuses to be waited for on a thread that moves futures on."""

    def _about_to_wait(self, timeout: float | None) -> None:
        check_may_wait(self, timeout)
