"""The lane that sends calls to workers in batches.

Many calls that get ready while the lane's thread works travel together.
"""

from __future__ import annotations

import logging
import pickle
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from parsl_on_dask.executors.lane_executor import LaneExecutor
from parsl_on_dask.lanes import stages
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.calls_ahead import CallsAhead
from parsl_on_dask.lanes.dispatch import Dispatcher
from parsl_on_dask.lanes.failures import each_its_own
from parsl_on_dask.lanes.jobends import JobEnds
from parsl_on_dask.lanes.large_results import LargeResults
from parsl_on_dask.lanes.links import Links
from parsl_on_dask.lanes.preference import preference_of
from parsl_on_dask.lanes.queues import Queues
from parsl_on_dask.lanes.remote_lane import RemoteLane
from parsl_on_dask.lanes.reports import Reports
from parsl_on_dask.lanes.shift import Shift
from parsl_on_dask.lanes.stages import Stage
from parsl_on_dask.lanes.values import pickling
from parsl_on_dask.remote.packing import dumps

logger = logging.getLogger("parsl.lanes.batches")

#: How many calls are made ready between looks at what else there is to do.
STEPS = 128
#: How many calls are made ready, that is pickled, before they can be sent; the others wait as they came.
READY = 4096


class BatchLane(RemoteLane):
    """Sends calls to a Dask cluster in batches."""

    def __init__(self, executor: LaneExecutor) -> None:
        super().__init__(executor)
        self.preference = preference_of(self)
        self.queues = self.new_queues()
        self.shifts: dict[str, Shift] = {}
        self.open_shifts: dict[str, Shift] = {}
        self.links = Links(self.client, self.topic, lambda kind, item: self.inbox.put((kind, item)))
        #: items whose step is the usual one, and tuples of step and item
        self.steps: deque[Any] = deque()
        self.usual: Callable[[Any], None] | None = None
        self.calls_ahead = CallsAhead(self.live)
        self.ends = JobEnds(self)
        self.dispatcher = Dispatcher(self)
        self.large_results = LargeResults(self)
        self.reports = Reports(self)
        self.ended = False
        self.begin()

    def new_queues(self) -> Queues:
        """What the calls wait in, empty."""
        return Queues(self.executor, self.cluster.started_here)

    def received(self, message: Any) -> None:
        self.links.received(message)

    # -- from any thread ---------------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        if call.number:  # it went ahead
            stage = self.calls_ahead.arrive(call)
            if stage is Stage.DONE:
                outcome, call.early = call.early, None
                self._deliver(call, outcome or Outcome())
                return
            if stage is Stage.SENT and self.closing:
                self.finish(call, Outcome(error=self.end_error()))
            if stage is not Stage.READY:
                return
            call.promises = False
        else:
            call.number = next(self.numbers)
        if not self.take(call):
            return
        if self.here():
            self.queues.add(call)
        else:
            self.inbox.put(("call", call))

    def later(self, name: str, step: Callable[[Any], None], item: Any) -> None:
        # of a million items, which wait here, nearly all have the same step
        if self.usual is None:
            with stages.lock:
                self.usual = self.usual or step
        self.steps.append(item if step is self.usual and type(item) is not tuple else (step, item))
        if self.asleep:
            self.asleep = False
            self.inbox.put(("step", None))
        if self.ended:
            self._take_last_steps()

    def withdraw(self, call: Call) -> None:
        super().withdraw(call)
        self.calls_ahead.drop(call)

    def end_call(self, call: Call) -> None:
        shift = next((s for s in self.shifts.values() if call.number in s.calls), None)
        if shift is None:
            return
        self.cluster.end_call(shift.worker, call.number)
        if shift.link is not None:
            self.links.send(shift.link, dumps((shift.id, None, [call.number], 0.0)))

    def outstanding(self) -> int:
        return super().outstanding() + len(self.steps)

    def working(self) -> list[tuple[str, str]]:
        """Of each Dask task that has begun, the first call that has not reported."""
        found = []
        for shift in list(self.shifts.values()):
            try:
                if shift.started and shift.calls:
                    found.append((shift.worker, next(iter(shift.calls.values())).name))
            except (RuntimeError, StopIteration):  # it changed meanwhile
                found.append((shift.worker, shift.name))
        return found

    @property
    def goes_ahead(self) -> bool:  # type: ignore[override]
        """Whether calls can be sent before what they wait for is done."""
        return not self.closing

    def ahead_size(self) -> int:
        return len(self.calls_ahead.calls)

    def prepare(self, call: Call) -> None:
        """Pack a call that is to go ahead, with promises among its arguments.

        Raises SerializationError.
        """
        call.number = next(self.numbers)
        call.promises = True
        before = getattr(pickling, "hurry", False)
        pickling.hurry = True
        try:
            self.packer.pack(call)
        finally:
            pickling.hurry = before

    def follow(self, call: Call, leaders: Sequence[Call]) -> bool:
        if not self.calls_ahead.add(call, leaders):
            return False
        self.inbox.put(("follow", call))
        return True

    def drop(self, call: Call) -> None:
        self.calls_ahead.drop(call)

    def workers(self) -> list[dict[str, Any]]:
        found = super().workers()
        for worker in found:
            worker["draining"] = worker.get("draining", False) or self.ends.drains(worker["address"])
        return found

    def end_shifts(self, addresses: Collection[str]) -> None:
        for shift in list(self.open_shifts.values()):
            if shift.link is not None and shift.link.address in addresses:
                self.links.send(shift.link, dumps((shift.id, {}, [], 0.0)))

    def hang_up(self) -> None:
        self.links.close()

    # -- the lane's own thread ----------------------------------------------------------------------------

    def dispatch(self) -> None:
        self.dispatcher.dispatch()

    def has_steps(self) -> bool:
        """Whether there are steps to do now. While many calls wait to be sent, the rest can stay what they are."""
        return bool(self.steps) and self.queues.size < READY

    def take_steps(self) -> None:
        for _ in range(STEPS):
            if not self.steps or not (self.has_steps() or self.closing):
                return
            try:
                self._take_step(self.steps[0])
            except BaseException:  # pickling runs code of the user's, which may raise SystemExit
                logger.exception("Lane %s: a call could not be made ready", self.label)
            finally:
                self.steps.popleft()

    def _take_step(self, entry: Any) -> None:
        step, item = entry if type(entry) is tuple else (self.usual, entry)
        assert step is not None
        step(item)

    def finish_steps(self) -> None:
        self.ended = True
        self._take_last_steps()

    def _take_last_steps(self) -> None:
        """Do the steps that are left, when the lane's thread has ended. By several threads, if they come together."""
        while True:
            try:
                entry = self.steps.popleft()
            except IndexError:
                return
            try:
                self._take_step(entry)
            except BaseException:  # pickling runs code of the user's, which may raise SystemExit
                logger.exception("Lane %s: a call could not be refused", self.label)

    def _handle_one(self, kind: str, item: Any) -> None:
        if kind == "call":
            self.queues.add(item)
        elif kind == "follow":
            self.dispatcher.follow(item)
        elif kind == "event":
            self.reports.read(pickle.loads(item))
        elif kind == "linked":
            self.dispatcher.linked(item)
        elif kind == "ended":
            self.reports.ended(*item)
        elif kind == "kept":
            self.large_results.begin(item)
        elif kind == "adopted":
            self.large_results.adopted(*item)
        elif kind == "looked":
            self.ends.looked()
        elif kind == "notice":
            self.ends.told(*item)
        else:
            if kind == "tick":
                self.reports.late()
                self.ends.tick()
            super()._handle_one(kind, item)

    def fail_all(self, error: BaseException) -> None:
        self.queues.clear()
        super().fail_all(error)
        for number in list(self.large_results.calls):
            self.large_results.fail(number, each_its_own(error))

    def forget_tasks(self) -> None:
        for shift in list(self.shifts.values()):
            with suppress(Exception):  # the client's loop was closed
                shift.future.release()
        self.shifts.clear()
        self.open_shifts.clear()

    def again(self, call: Call) -> None:
        """Let a call wait again that was sent and not run."""
        if self.is_unwanted(call):
            return
        if self.calls_ahead.back(call) is not Stage.READY:  # it waits for its leaders, or is not wanted any more
            return
        if call.promises:
            call.promises = False
            try:
                self.packer.pack(call)
            except Exception as e:
                self.finish(call, Outcome(error=e))
                return
        self.queues.add(call, first=True)

    def finish(self, call: Call, outcome: Outcome) -> None:
        if self.calls_ahead.end(call, outcome) is Stage.DONE:
            self._deliver(call, outcome)

    def _deliver(self, call: Call, outcome: Outcome) -> None:
        if outcome.large is not None:
            self.large_results.take(call, outcome)
        else:
            self.end(call, outcome)
