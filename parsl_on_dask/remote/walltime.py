"""A time limit on a Python function, whichever thread runs it.

When the time is up, another thread asks the interpreter to raise an exception in the thread of the
function. The function sees it at its next step in Python. Whatever way the function ends, the request is
settled before the wrapper returns, so that it cannot hit what the thread does next.

A call that blocks in C takes no such step. In a worker the journal says until when it may run, which is
:data:`GRACE` later; whoever keeps the worker ends its process then. In a thread of the script's nobody can end it, so
only its future does.
"""

from __future__ import annotations

import ctypes
import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, cast

from . import journal
from .errors import Failure
from .wrapping import Wrapper

#: Seconds for which a function may tidy up after its walltime, before its process is ended.
GRACE = 1.0

Tell = Callable[[BaseException], None]
#: Each gives what is to be told when a function of the calling thread goes on after that; None if it does not know it.
overdue: list[Callable[[], Tell | None]] = []


class WalltimeOver(Failure):
    """What is raised in a function whose walltime is over."""

    def __init__(self, *args: Any) -> None:
        super().__init__("AppTimeout", *args)

    def __str__(self) -> str:
        return over_text(*self.args[1:])

    def __reduce__(self) -> tuple[Any, ...]:
        return Failure, self.args


def over_text(name: str = "?", seconds: Any = "?") -> str:
    """The sentence about a walltime that is over.

    >>> over_text("simulate", 3)
    'App simulate exceeded walltime: 3 seconds'
    """
    return f"App {name} exceeded walltime: {seconds} seconds"


_catchable: dict[type[BaseException], type[WalltimeOver]] = {}


def over_class() -> type[WalltimeOver]:
    """The class to raise: one that ``except AppTimeout`` catches, where the function can name AppTimeout."""
    # A function that names AppTimeout has had its module imported; elsewhere the module may not exist.
    named = getattr(sys.modules.get("parsl_on_dask.app.errors"), "AppTimeout", None)
    if named is None:
        return WalltimeOver
    if named not in _catchable:
        _catchable[named] = cast("type[WalltimeOver]", type("AppTimeout", (WalltimeOver, named), {}))
    return _catchable[named]


def checked_seconds(name: str, walltime: Any) -> float:
    """A walltime as a number of seconds. Infinity is no limit; with 0 or less it is over before the call begins.

    Raises TypeError when it is no number, or NaN.

    >>> checked_seconds("simulate", 3)
    3.0
    """
    if not isinstance(walltime, (str, bytes)):
        try:
            seconds = float(walltime)
        except (TypeError, ValueError, OverflowError):
            seconds = math.nan
        if not math.isnan(seconds):
            return seconds
    raise TypeError(f"walltime of app {name} must be a number of seconds, got {walltime!r}: write walltime=60")


class timeout(Wrapper):
    """Limit how long a function runs.

    - `seconds`: with 0 or less the function is not called at all.

    Raises
    ------
    Failure
        On a call, ``Failure("AppTimeout", name, seconds)``; in a process that has loaded
        ``parsl_on_dask.app.errors`` it is an ``AppTimeout`` too. A function may catch it to tidy up;
        the value that it then returns counts.
    TypeError
        When `seconds` is no number.

    Notes
    -----
    A call that blocks outside of Python (``time.sleep``, a linear algebra routine) is not interrupted before it
    returns. A worker that runs one is ended a second after the walltime, and replaced.

    Examples
    --------
    >>> timeout(len, 5)([1, 2, 3])
    3
    """

    def __init__(self, f: Callable[..., Any], seconds: float) -> None:
        super().__init__(f)
        self.__qualname__ = getattr(f, "__qualname__", self.__name__)
        self.seconds = seconds
        self._limit = checked_seconds(self.__name__, seconds)

    def __repr__(self) -> str:
        return f"timeout({self.__wrapped__!r}, {self.seconds!r})"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        watch = _Watch(self._limit, (self.__name__, self.seconds))
        if self._limit <= 0:
            raise watch.kind(self.__name__, self.seconds)
        try:
            try:
                watch.start()
                return self.__wrapped__(*args, **kwargs)
            finally:
                watch.settle()
        except BaseException as e:
            watch.settle()  # the exception may have arrived inside the first settle()
            if watch.fired and type(e) is watch.kind:
                over = watch.kind(self.__name__, self.seconds)
                raise over.with_traceback(e.__traceback__) from e.__cause__
            raise


class _Watch:
    """One call's timer. No locks: an exception may arrive between any two steps of this thread."""

    def __init__(self, seconds: float, told: tuple[Any, ...]) -> None:
        self.kind = over_class()
        self._told = told
        self._tell: list[Tell] = []
        self.fired = False
        self._seconds = min(seconds, threading.TIMEOUT_MAX)
        self._ident = threading.get_ident()
        self._right_to_fire = [True]
        self._requested = False
        self._settled = False
        self._before: tuple[float, float] | None = None
        self._begun, self._stopped = threading.Lock(), threading.Lock()
        self._begun.acquire()
        self._stopped.acquire()

    def start(self) -> None:
        if journal.kept is not None and journal.kept.thread == self._ident:
            deadline, outer = time.monotonic() + self._seconds + GRACE, journal.kept.limit
            if not outer[0] or deadline < outer[0]:
                self._before = outer
                journal.kept.limit_time(deadline, self._seconds)
        self._tell = [tell for find in overdue if (tell := find()) is not None]
        threading.Thread(target=self._run, name="parsl-walltime", daemon=True).start()
        # not before: what threading does to start a thread must not be interrupted
        self._begun.release()

    def _run(self) -> None:
        if self._stopped.acquire(timeout=self._seconds):
            return
        self._begun.acquire()
        try:
            self._right_to_fire.pop()
        except IndexError:
            return
        self.fired = True
        _request(self._ident, self.kind)
        self._requested = True
        if self._tell and not self._stopped.acquire(timeout=GRACE):
            for tell in self._tell:
                tell(self.kind(*self._told))

    def settle(self) -> None:
        """Make sure that nothing arrives any more. May be called again when it was itself interrupted."""
        try:
            self._right_to_fire.pop()
        except IndexError:
            if self.fired and not self._settled:
                self._await_arrival()
                self._settled = True
        if self._before is not None and journal.kept is not None:
            journal.kept.limit_time(*self._before)
        for lock in (self._stopped, self._begun):
            if lock.locked():
                try:
                    lock.release()
                except RuntimeError:  # the timer thread took and left it in between
                    pass

    def _await_arrival(self) -> None:
        try:
            while not self._requested:
                time.sleep(0)
            for _ in range(50):  # a pending request is honoured at the first jump back
                pass
            # It arrived earlier, or was overlooked because that of another thread arrived. A request cannot be
            # taken back (the interpreter goes on looking for it, without end when it is traced), but it can be
            # repeated, and the one that surely arrives be swallowed.
            _request(self._ident, self.kind)
            for _ in range(50):
                pass
        except self.kind:
            pass


def _request(ident: int, kind: type[BaseException]) -> None:
    """Ask the interpreter to raise an exception in a thread."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(kind))
