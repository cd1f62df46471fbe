"""Running users' done-callbacks where they hold nobody up.

What moves tasks on is a loop of the kernel's, on the thread of a lane. A callback that waits there for another task
would wait for ever, and one that takes long would hold up all others. So callbacks run on threads of their own: one
after the other, and beside one that takes long, the next.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from parsl_on_dask.python_internals.futures import CallingFuture

T = TypeVar("T")
logger = logging.getLogger("concurrent.futures")

#: Seconds that a callback may take before the next one runs beside it.
PATIENCE = 0.01
#: Seconds that a thread without work stays.
LINGER = 1.0

_all: weakref.WeakSet[Callbacks] = weakref.WeakSet()


class Callbacks:
    """Calls functions one after the other; a function that takes long does not hold up the next ones.

    Threads start when there is something to do, and end when there has been nothing to do for a second.
    """

    def __init__(self) -> None:
        self._renew()
        _all.add(self)

    def _renew(self) -> None:
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        #: when each thread that runs something began with that
        self._running: dict[int, float] = {}
        self._idle = 0
        self._changed = threading.Condition()

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """Have a function called soon. What it raises is logged."""
        with self._changed:
            self._waiting.append((function, args))
            if self._idle:
                self._changed.notify()
                return
            if self._start() or self._running:
                return
        self._call_here()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything has been called, except what the calling thread is at. False when time is up first.

        - `timeout`: seconds; None waits for ever.
        """
        me = threading.get_ident()
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and self._running.keys() <= {me}, timeout)

    @property
    def busy(self) -> bool:
        """Whether there is something to call, or being called by another thread than this one."""
        with self._changed:
            return bool(self._waiting or self._running.keys() - {threading.get_ident()})

    def _call_here(self) -> None:
        """Call everything: there are no threads any more."""
        while True:
            with self._changed:
                if not self._waiting:
                    return
                function, args = self._waiting.popleft()
            _call(function, args)

    def _start(self) -> bool:
        self._idle += 1
        try:
            threading.Thread(target=self._work, name="parsl-callbacks", daemon=True).start()
        except RuntimeError:  # the system has no more threads, or the interpreter ends
            self._idle -= 1
            return False
        return True

    def _patience(self) -> float:
        """Seconds until the next function may run, by what the others are at."""
        if not self._running:
            return 0.0
        return max(0.0, max(self._running.values()) + PATIENCE - time.monotonic())

    def _work(self) -> None:
        me = threading.get_ident()
        while True:
            with self._changed:
                until = time.monotonic() + LINGER
                while not self._waiting or self._patience():
                    left = self._patience() if self._waiting else until - time.monotonic()
                    if left <= 0 and not self._waiting:
                        self._idle -= 1
                        return
                    self._changed.wait(left)
                function, args = self._waiting.popleft()
                self._idle -= 1
                self._running[me] = time.monotonic()
                if self._waiting and not self._idle:
                    self._start()  # for the case that this one waits for something
            _call(function, args)
            del function, args
            with self._changed:
                del self._running[me]
                self._idle += 1
                self._changed.notify_all()


def _call(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        function(*args)
    except BaseException as e:  # of whatever kind: it is nobody else's matter
        _log(function, args, e)


def _call_each(future: Any, callbacks: list[Callable[..., Any]]) -> None:
    """Call the callbacks of one future, in their order."""
    for callback in callbacks:
        _call(callback, (future,))


def _log(function: Callable[..., Any], args: tuple[Any, ...], error: BaseException) -> None:
    try:
        logger.error("exception calling callback for %r", args[0] if args else function, exc_info=error)
    except BaseException:  # a repr of the user's that raises
        logger.error("exception calling a callback: %s", type(error).__name__)


def _after_fork() -> None:
    # the threads have stayed in the parent, and what they were to call is the parent's
    for callbacks in list(_all):
        callbacks._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

#: For futures that belong to no kernel.
COMMON = Callbacks()


class _Inline:
    """A callback of this package's own: short, and never waits."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function

    def __call__(self, future: Any) -> None:
        self.function(future)


class PoliteFuture(CallingFuture[T]):
    """Mixed into a future: callbacks that users add run on threads of their own."""

    def when_done(self, function: Callable[[Any], object]) -> None:
        """Have a function of this package's called, by the thread that ends the future. It must not wait."""
        self.add_done_callback(_Inline(function))

    def _until_done(self) -> Generator[Any, None, None]:
        """Wait in an asyncio loop, as ``await`` does. Unlike asyncio's way, this never cancels the future itself."""
        import asyncio

        loop = asyncio.get_running_loop()
        woken = loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        def done(_: Any) -> None:
            with suppress(RuntimeError):  # the loop was closed in the meantime
                loop.call_soon_threadsafe(wake)

        self.when_done(done)
        yield from woken

    def _callbacks(self) -> Callbacks:
        return COMMON

    def _call_back(self, callbacks: Any) -> None:
        theirs = []
        for callback in callbacks:
            if type(callback) is _Inline:
                try:
                    callback.function(self)
                except BaseException as e:
                    _log(callback.function, (self,), e)
            else:
                theirs.append(callback)
        if theirs:
            self._callbacks().run(_call_each, self, theirs)


def when_done(future: Future[Any], function: Callable[[Any], object]) -> None:
    """Have a function of this package's called when any kind of future is done. It must not wait."""
    if isinstance(future, PoliteFuture):
        future.when_done(function)
    else:
        future.add_done_callback(function)
