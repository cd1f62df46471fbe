"""Watching calls while they run, on the worker.

Each call has a sample of what its process uses at its begin and at its end; these go with its report. A thread looks
from time to time at the calls that take longer: it tells the client that they run, and takes samples of the process
and its children at the interval asked for. A sampler that takes too much of the time samples less often.

Samples go to the client as reports of the call's shift::

    (SAMPLES, call, began, samples)     began: seconds since the epoch if it still runs, 0.0 at its end;
                                        samples: packed, one behind the other
    (MESSAGE, call, message)            what the call itself has to say, pickled
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from .packing import dumps
from .usage import PACKED, Meter, Sample

if TYPE_CHECKING:
    from .execution import CallData

SAMPLES, MESSAGE = 6, 7

#: Seconds between two looks at the calls.
LOOK = 0.2
#: Looks without any call after which the thread waits to be woken.
QUIET = 10
#: The most that samples may take of the time of a core.
SHARE = 0.01


_here = threading.local()


class Shift(Protocol):
    """A shift whose calls are watched."""

    lock: threading.Lock
    reports: list[tuple[Any, ...]]

    def execute(self, call: CallData) -> tuple[Any, ...]:
        """Run a call, and return its report."""

    def flush(self) -> None: ...
    def has_run(self, report: tuple[Any, ...]) -> bool: ...


class Watched:
    """A call that runs."""

    __slots__ = ("announced", "began", "due", "first", "number", "shift")

    def __init__(self, shift: Shift, number: int, first: Sample | None) -> None:
        self.shift = shift
        self.number = number
        self.first = first
        self.began = time.time()
        self.announced = False
        self.due = 0.0


class Monitor:
    """Watches the calls of one worker process.

    `interval`: seconds between two samples of a call; 0 for none at all.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.meter = Meter() if interval > 0 else None
        self.calls: dict[int, Watched] = {}
        self.cost = 0.0
        self.asleep = False
        self.ended = False
        self.wake = threading.Event()
        threading.Thread(target=self._run, name="parsl-monitor", daemon=True).start()

    def run(self, shift: Shift, call: CallData) -> tuple[Any, ...]:
        """Have a shift run a call, and watch it."""
        watched = Watched(shift, call[0], None if self.meter is None else self.meter.first())
        self.calls[id(watched)] = _here.watched = watched
        if self.asleep:
            self.wake.set()
        try:
            report = shift.execute(call)
        finally:
            del self.calls[id(watched)]
            _here.watched = None
        if self.meter is not None and (watched.announced or shift.has_run(report)):
            samples = [self.meter.full() if watched.announced else self.meter.quick()]
            with shift.lock:
                if not watched.announced and watched.first is not None:
                    samples.insert(0, watched.first)
                # it leaves with the report that comes next
                shift.reports.append((SAMPLES, call[0], 0.0, packed(samples)))
        return report

    def _run(self) -> None:
        quiet = 0
        while not self.ended:
            time.sleep(min(LOOK, max(self.interval / 2, 0.02)) if self.interval else LOOK)
            if self.calls:
                quiet = 0
                try:
                    self._look()
                except Exception:  # of a process that has just ended; there will be another look
                    continue
                continue
            quiet += 1
            if quiet > QUIET:
                self.asleep = True
                if not self.calls and not self.ended:
                    self.wake.wait()
                self.asleep = False
                self.wake.clear()
                quiet = 0

    def _look(self) -> None:
        now = time.time()
        taken: Sample | None = None
        for watched in list(self.calls.values()):
            if now - watched.began < LOOK / 2 or (watched.announced and not 0 < watched.due <= now):
                continue
            samples = []
            if self.meter is not None:
                if taken is None:
                    taken = self._sample()
                samples.append(taken)
                # from sample to sample, not from look to look
                watched.due = max(watched.due + self.interval, now + self.interval / 2, now + self.cost / SHARE)
            with watched.shift.lock:
                if id(watched) not in self.calls:
                    continue  # it has ended meanwhile, and says the rest itself
                if not watched.announced:
                    watched.announced = True
                    if watched.first is not None:
                        samples.insert(0, watched.first)
                watched.shift.reports.append((SAMPLES, watched.number, watched.began, packed(samples)))
            watched.shift.flush()

    def _sample(self) -> Sample:
        assert self.meter is not None
        began = time.thread_time()
        sample = self.meter.full()
        self.cost = time.thread_time() - began
        return sample


def is_here() -> bool:
    """Whether this thread runs a call that is watched."""
    return getattr(_here, "watched", None) is not None


def send_message(message: Any) -> None:
    """Send a message of the call that runs in this thread, to be recorded.

    Raises RuntimeError when there is none, or monitoring is off.
    """
    watched: Watched | None = getattr(_here, "watched", None)
    if watched is None:
        raise RuntimeError("no call of a worker with monitoring runs in this thread: send from inside of an app")
    data = dumps(message)
    with watched.shift.lock:
        watched.shift.reports.append((MESSAGE, watched.number, data))


def packed(samples: list[Sample]) -> bytes:
    """Samples as they travel."""
    return b"".join([PACKED.pack(*sample) for sample in samples])


_monitors: dict[float, Monitor] = {}
_lock = threading.Lock()


def monitor_of(interval: float | None) -> Monitor | None:
    """This process's monitor for an interval; None for None."""
    if interval is None:
        return None
    with _lock:
        found = _monitors.get(interval)
        if found is None:
            found = _monitors[interval] = Monitor(interval)
        return found


def end_all() -> None:
    """End the threads of this process's monitors; a later call gets new ones."""
    with _lock:
        monitors = list(_monitors.values())
        _monitors.clear()
    for monitor in monitors:
        monitor.ended = True
        monitor.wake.set()
