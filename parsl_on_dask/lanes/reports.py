"""What comes back from workers, and what to make of those that say nothing any more."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes import parts
from parsl_on_dask.lanes.call import Call, Outcome, Pickled, PickledError
from parsl_on_dask.lanes.dispatch import Dispatcher
from parsl_on_dask.lanes.failures import as_exception, each_its_own, unpack_error
from parsl_on_dask.lanes.jobends import JobEnds
from parsl_on_dask.lanes.large_results import Large, LargeResults
from parsl_on_dask.lanes.links import Links
from parsl_on_dask.lanes.shift import Shift
from parsl_on_dask.lanes.worker_deaths import RESULT_LOST, worker_lost
from parsl_on_dask.remote.execution import ERROR, FORGOTTEN, HANDED_BACK, KEPT, STARTED, VALUE
from parsl_on_dask.remote.monitor import MESSAGE, SAMPLES
from parsl_on_dask.remote.packing import loads

logger = logging.getLogger("parsl.lanes.reports")

#: Kinds of reports for monitoring.
WATCHED = frozenset({SAMPLES, MESSAGE})
#: How often a call may be sent again because its worker died while running another one.
UNCHARGED = 8
#: Seconds to wait for the reports of a Dask task that has ended, by a :class:`Clock`.
LATE = 3.0
#: The most seconds by which that clock moves at a time.
STRIDE = 1.5
#: Seconds after which the scheduler has surely heard that a Dask task's result is not wanted any more.
RELEASE = 10.0


class Clock:
    """Counts the time in which this process could read reports.

    A process that was stopped for a while finds the reports of that time in its sockets when it goes on. By this clock
    hardly any time has passed.

    - `now`: the time in seconds.

    Examples
    --------
    >>> times = iter([0.0, 1.0, 61.0])
    >>> clock = Clock(lambda: next(times))
    >>> clock.tick(), clock.tick()
    (1.0, 2.5)
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen = now()
        #: Seconds that were counted.
        self.time = 0.0

    def tick(self) -> float:
        """Count what has passed since the last tick; returns the time."""
        now = self._now()
        self.time += min(now - self._seen, STRIDE)
        self._seen = now
        return self.time


#: What a dead worker has left: the number of the call that it ran, and its last reports.
Last: TypeAlias = "tuple[int, list[bytes]]"


class BatchLane(parts.Lane, Protocol):
    """A batch lane, as what reads its reports sees it."""

    dispatcher: Dispatcher
    ends: JobEnds
    large_results: LargeResults
    links: Links

    def again(self, call: Call) -> None: ...
    def take_note(self, call: Call, outcome: Outcome) -> None: ...


class Reports:
    """Reads the reports of a lane's workers. Used by the lane's thread only."""

    def __init__(self, lane: BatchLane) -> None:
        self.lane = lane
        self.clock = Clock()
        self.released: deque[tuple[float, str]] = deque()

    def read(self, message: tuple[Any, ...]) -> None:
        shift_id, worker, address, host, _, reports = message
        shift = self.lane.shifts.get(shift_id)
        if shift is None:  # Dask ran it again to recompute a value; all its calls are done
            return
        shift.host = host
        shift.since = time.monotonic()
        self._take(shift, worker, address, host, reports)
        if not shift.calls:
            if shift.over:
                self._done(shift)
            else:
                self.lane.dispatcher.rests(shift)

    def _done(self, shift: Shift) -> None:
        """Let go of a shift whose Dask task has ended and whose calls have all reported."""
        self.lane.shifts.pop(shift.id, None)
        if not shift.keeps:
            shift.future = None
            self.released.append((time.monotonic(), shift.id))

    def _take(self, shift: Shift, worker: str, address: str, host: str, reports: Iterable[tuple[Any, ...]]) -> None:
        for report in reports:
            try:
                self._take_one(shift, worker, address, host, report)
            except Exception as e:  # the other reports are about other calls
                logger.exception("A report of worker %s cannot be read", worker)
                self._give_up(report, e)

    def _give_up(self, report: tuple[Any, ...], error: BaseException) -> None:
        """Fail the call of a report that cannot be dealt with: nobody else would end it."""
        call = self.lane.live.get(report[1]) if report[0] in (VALUE, KEPT, ERROR) else None
        if call is not None:
            self.lane.finish(call, Outcome(error=error))
            self.lane.large_results.fail(call.number, error)

    def _take_one(self, shift: Shift, worker: str, address: str, host: str, report: tuple[Any, ...]) -> None:
        kind = report[0]
        if kind == STARTED:
            self._started(shift, worker, address, report[1:])
        elif kind == HANDED_BACK:
            for number in report[1]:
                self._not_begun(shift, number)
            shift.next = 0
            shift.stuck = bool(shift.calls)
        elif kind in WATCHED:
            watched(self.lane.watch, shift.calls.get(report[1]), worker, host, report)
        elif kind == FORGOTTEN:
            if shift.link is not None:
                shift.link.known.pop(report[2], None)
            shift.next = 0
            self._not_begun(shift, report[1])
        else:
            number = report[1]
            shift.stuck = False
            shift.next = 0
            call = shift.calls.pop(number, None)
            if call is None:
                return
            outcome = outcome_of_report(report, call.name, worker, host)
            self.lane.queues.learn(call, outcome.ended - outcome.began, kind == KEPT)
            if shift.link is not None:
                shift.link.knows(call.function_key)
            self.lane.take_note(call, outcome)
            if kind == KEPT:
                fed = number not in shift.initial
                shift.keeps = shift.keeps or not fed
                outcome.large = Large(shift, fed, address, report[2])
            self.lane.finish(call, outcome)

    def _not_begun(self, shift: Shift, number: int) -> None:
        """Let a call wait again that its worker gave back."""
        call = shift.calls.pop(number, None)
        if call is not None:
            self.lane.again(call)

    def _started(self, shift: Shift, worker: str, address: str, left: tuple[float, ...]) -> None:
        again = shift.started and shift.worker != worker
        shift.started = True
        if left or self.lane.ends.places:
            self.lane.ends.heard(address, worker, left)
        shift.worker = worker
        shift.link = self.lane.links.to(address)
        if again:  # its worker died, and this cluster's Dask runs lost tasks again: what was sent later was lost
            for number in set(shift.calls) - shift.initial:
                self._again(shift.calls.pop(number))

    def _again(self, call: Call, charged: int = 1) -> None:
        if not call.ahead:
            call.uncharged = max(1, call.uncharged + charged)
            call.solo = True
        self.lane.again(call)

    def ended(self, shift: Shift, future: Any) -> None:
        shift.over = True
        shift.ended = future.status
        self.lane.large_results.shift_ended(shift)
        self.lane.open_shifts.pop(shift.id, None)
        self.lane.dispatcher.ended(shift)
        if not shift.calls:
            self._done(shift)
            return
        status = future.status
        if status == "finished" or (status != "error" and self.lane.client.status != "running"):
            # the last reports, or calls that came too late for it, are on the direct way; or the scheduler is gone,
            # and the lane sees that at its next look
            shift.ended_at = self.clock.time
            return
        error = future.exception() if status == "error" else None
        killed: Any = error if is_loss(error) else None
        last = None
        if killed is not None:
            shift.worker, host = whereabouts(killed)
            shift.host = shift.host or host
            if not shift.started:
                last = self.lane.cluster.last_of(shift.worker)  # of blocks it can be read once
                if last is None:
                    # if it had begun, that it had is still on the direct way, which may be slower than the scheduler's
                    shift.ended_at = self.clock.time
                    return
        self.lane.shifts.pop(shift.id, None)
        if killed is not None or error is None:
            # where there is no error: it had ended, and its worker died before Dask or we were done with it; or all is
            # lost, which is seen soon
            self._lost(shift, shift.worker, shift.host, last)
        else:
            self._unreported(shift, error)

    def late(self) -> None:
        """Find the calls of ended Dask tasks whose reports do not come: their worker died, or they came too late.

        To be called when what has come in is read.
        """
        counted, now = self.clock.tick(), time.monotonic()
        # until the scheduler has heard of it, Dask runs a task again whose worker dies
        while self.released and now - self.released[0][0] > RELEASE:
            self.lane.cluster.done_with(self.released.popleft()[1])
        if self.lane.client.status != "running":
            return
        for shift in [b for b in self.lane.shifts.values() if b.over and counted - b.ended_at > LATE]:
            del self.lane.shifts[shift.id]
            self._lost(shift, shift.worker, shift.host)

    def _lost(self, shift: Shift, worker: str, host: str, last: Last | None = None) -> None:
        """See to the calls of a shift whose worker is lost."""
        try:
            self._settle(shift, worker, host, last)
        except Exception as e:  # nobody else would end its calls
            logger.exception("What became of the calls of a lost worker cannot be found out")
            self._fail(shift, unclear(self.lane.executor, e))

    def _settle(self, shift: Shift, worker: str, host: str, last: Last | None) -> None:
        """Charge the call that was running with a lost worker; send the others again."""
        if last is None:
            last = self.lane.cluster.last_of(worker)
        running = None
        if last is not None:
            running, records = last
            # calls that had ended, and whose reports died with the worker
            unsent = [report for number, report in map(loads, records) if number == shift.id]
            self._take(shift, worker, "", host, [report for report in unsent if report[0] != KEPT])
            for report in unsent:
                call = shift.calls.pop(report[1], None)
                if call is not None:  # it ran, and its value was on the worker
                    self.lane.finish(call, worker_lost(call, self.lane.cluster, worker, host, RESULT_LOST))
        cut_off = self.lane.ends.cut_off(shift)
        for number, call in list(shift.calls.items()):
            guilty = running == number if running is not None else shift.started and shift.alone
            why = ""
            if cut_off and (guilty or running is None):
                why = self.lane.ends.again(call, shift, running == number)
                guilty = bool(why)
            if guilty or call.uncharged >= UNCHARGED:
                outcome = worker_lost(call, self.lane.cluster, worker, host, why)
                self.lane.take_note(call, outcome)
                self.lane.finish(call, outcome)
            elif cut_off:
                self._again(call, charged=0)
            else:
                self._again(call)
        shift.calls.clear()

    def _unreported(self, shift: Shift, error: BaseException) -> None:
        first = next(iter(shift.calls.values()))
        self._fail(shift, not_run(self.lane.executor, first, error))

    def _fail(self, shift: Shift, error: BaseException) -> None:
        for call in list(shift.calls.values()):
            self.lane.finish(call, Outcome(error=each_its_own(error)))
        shift.calls.clear()


#: Whether this process hands outcomes on to the one that made the calls, and does not look at them.
hands_on = False


def outcome_of_report(report: tuple[Any, ...], name: str, worker: str, host: str) -> Outcome:
    """What a report about a call that ran tells: its value, unless that has stayed on its worker, or its error.

    - `report`: ``VALUE``, ``KEPT`` or ``ERROR``, see :mod:`parsl_on_dask.remote.runner`.
    - `name`: of the app.
    """
    kind, _, data, began, ended = report
    outcome = Outcome(worker=worker, host=host, began=began, ended=ended)
    try:
        if kind == VALUE:
            outcome.value = Pickled(data) if hands_on else loads(data)
        elif kind == ERROR:
            outcome.error = PickledError(data) if hands_on else unpack_error(loads(data))
    except BaseException as e:  # also SystemExit: of an imported module that reads the command line
        text = f"the result of app {name!r} cannot be rebuilt in the submitting process: {type(e).__name__}: {e}"
        outcome.error = as_exception("DeserializationError", (text,))
        outcome.error.__cause__ = e
    return outcome


def watched(watch: Any, call: Call | None, worker: str, host: str, report: tuple[Any, ...]) -> None:
    """Hand to monitoring what was sampled while a call ran, or what it told itself."""
    if watch is None:
        return
    if report[0] == MESSAGE:
        watch.message(loads(report[2]))
    elif call is not None:
        watch.seen(call, worker, host, *report[2:])


def not_run(executor: Any, call: Call, error: BaseException) -> ExecutorError:
    """The error of a call whose Dask task failed before the call was begun."""
    text = f"Dask could not run a task of app {call.name!r}: {type(error).__name__}: {error}"
    failure = ExecutorError(executor, text)
    failure.__cause__ = error
    return failure


def unclear(executor: Any, error: Exception) -> ExecutorError:
    """The error of calls of which nobody can say any more what became of them."""
    text = f"its worker is gone, and what became of the call cannot be found out: {type(error).__name__}: {error}"
    failure = ExecutorError(executor, text)
    failure.__cause__ = error
    return failure


def is_loss(error: BaseException | None) -> bool:
    """Whether a Dask task failed with its worker."""
    return type(error).__name__ == "KilledWorker"


def whereabouts(killed: Any) -> tuple[str, str]:
    """Name and host of the worker that died, by Dask's error."""
    from urllib.parse import urlsplit

    worker = killed.last_worker
    return str(worker.name), urlsplit(worker.address).hostname or str(worker.address)
