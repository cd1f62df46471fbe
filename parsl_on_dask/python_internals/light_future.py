"""A future that costs little while nobody waits for it.

A ``concurrent.futures.Future`` makes a condition, a lock and two lists when it is made: a kilobyte and two
microseconds, and most futures of a run are never waited for one by one. Here they are made when somebody asks.

This goes by the private attributes of the standard library's class, which ``wait`` and ``as_completed`` use, too.
Subclasses may use those that :class:`LightFuture` has.
"""

from __future__ import annotations

import _thread
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from parsl_on_dask.python_internals.futures import CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, LOGGER, PENDING

T = TypeVar("T")

_DONE = frozenset({CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED})
_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Waited(_thread.RLock):  # type: ignore[misc]
    """What ``Future`` needs of a ``threading.Condition``, and of a list of those that wait for several futures.

    ``concurrent.futures.wait`` takes the lock of every future that it is given, adds one that waits to every list, and
    waits on none of the conditions. So this is one small object; a real condition is made when a thread waits.
    """

    __slots__ = ("_more", "_one", "_real")

    def __init__(self) -> None:
        self._one: Any = None
        self._more: tuple[Any, ...] = ()
        self._real: threading.Condition | None = None

    def append(self, waiter: Any) -> None:
        """Add one that waits; the lock is held."""
        if self._one is None:
            self._one = waiter
        else:
            self._more = (*self._more, waiter)

    def remove(self, waiter: Any) -> None:
        """Take one away; the lock is held."""
        if self._one is waiter:
            self._one = None
        else:
            self._more = tuple([other for other in self._more if other is not waiter])

    def __iter__(self) -> Iterator[Any]:
        if self._one is not None:
            yield self._one
        yield from self._more

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until notified; the lock is held."""
        if self._real is None:
            self._real = threading.Condition(self)
        return self._real.wait(timeout)

    def notify_all(self) -> None:
        """Wake the threads that wait; the lock is held."""
        if self._real is not None:
            self._real.notify_all()


class _Nobody(tuple[Any, ...]):
    """Those that wait for a future that is finished, or that nobody has looked at yet."""

    __slots__ = ()

    def append(self, waiter: Any) -> None:
        pass

    def remove(self, waiter: Any) -> None:
        pass


_NOBODY = _Nobody()


class _Over:
    """The condition of futures that are finished: nothing changes any more."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *exc: Any) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        return True

    def notify_all(self) -> None:
        pass


_OVER = _Over()


class LightFuture(Future[T]):
    """A ``concurrent.futures.Future`` whose condition is made when it is first needed.

    Examples
    --------
    >>> f = LightFuture()
    >>> f.set_result(3)
    >>> f.done(), f.result()
    (True, 3)
    """

    # what the standard library's __init__ sets, until it differs
    _state: str = PENDING
    _result: Any = None
    _exception: BaseException | None = None
    _waiters: Any = _NOBODY
    _done_callbacks: Any = ()

    def __init__(self) -> None:
        pass

    @property
    def _condition(self) -> Any:  # type: ignore[override]
        waiters = self._waiters
        if waiters is not _NOBODY:
            return waiters
        with _lock:
            if self._waiters is _NOBODY:
                if self._state == FINISHED:
                    return _OVER
                self._waiters = _Waited()
            return self._waiters

    def _about_to_wait(self, timeout: float | None) -> None:
        """Called where a thread is about to wait for the end; what it raises is raised there."""

    def done(self) -> bool:
        """Whether it has a result or an exception, or was cancelled."""
        return self._state in _DONE

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._state in (CANCELLED, CANCELLED_AND_NOTIFIED)

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result and return it, as ``concurrent.futures.Future.result`` does."""
        if self._state == FINISHED and self._exception is None:
            return self._result  # type: ignore[no-any-return]
        if self._state not in _DONE:
            self._about_to_wait(timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end and return the exception, None if there is none."""
        if self._state == FINISHED:
            return self._exception
        if self._state not in _DONE:
            self._about_to_wait(timeout)
        return super().exception(timeout)

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Have a function called with this future when it is done; at once if it is."""
        with _lock:
            if self._waiters is _NOBODY and self._call_later(fn):
                return
        with self._condition:
            if self._call_later(fn):
                return
        try:
            fn(self)
        except Exception:
            LOGGER.exception("exception calling callback for %r", self)

    def _call_later(self, fn: Callable[[Future[T]], object]) -> bool:
        if self._state in _DONE:
            return False
        if not self._done_callbacks:
            self._done_callbacks = []
        self._done_callbacks.append(fn)
        return True

    def set_result(self, result: T) -> None:
        """Finish with a result."""
        if self._finish(result, None):
            if self._done_callbacks:
                self._invoke_callbacks()  # type: ignore[attr-defined]
        else:
            super().set_result(result)

    def set_exception(self, exception: BaseException | None) -> None:
        """Finish with an exception."""
        if self._finish(None, exception):
            if self._done_callbacks:
                self._invoke_callbacks()  # type: ignore[attr-defined]
        else:
            super().set_exception(exception)

    def _finish(self, result: Any, exception: BaseException | None) -> bool:
        """Finish, if nobody has made the condition: then nobody has to be woken."""
        with _lock:
            if self._waiters is not _NOBODY or self._state in _DONE:
                return False
            self._result = result
            self._exception = exception
            self._state = FINISHED
            return True

    def end_cancelled(self) -> None:
        """Take the end of what was cancelled, whatever :meth:`cancel` of a class below does."""
        if LightFuture.cancel(self):
            self.set_running_or_notify_cancel()

    def forget_callbacks(self) -> None:
        """Drop the callbacks of a finished future, and with them whatever they hold."""
        if self._done_callbacks:
            self._done_callbacks = []


def lay_out(future: LightFuture[None]) -> None:
    """Finish the first future of a class, so that all others share the names of their attributes.

    Python lets the instances of a class share the names of a few attributes, those that come first. If they were those
    of a future that somebody waits for, all others would have dicts of their own, which take three times the memory.
    """
    future.set_result(None)
    future._waiters = _NOBODY
