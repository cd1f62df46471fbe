"""The simple lane: one Dask task for each call, and nothing else.

It is what a lane has to do, in its shortest form (``docs/simple-lane.md``). Executors with ``batching=False`` use it.
"""

from __future__ import annotations

import heapq
import logging
import math
import pickle
import time
import uuid
from collections import deque
from contextlib import suppress
from typing import Any

from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors.lane_executor import LaneExecutor
from parsl_on_dask.lanes.bundles import bundle, give_to_dask, key_of
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.remote_lane import RemoteLane
from parsl_on_dask.lanes.reports import (
    RELEASE,
    UNCHARGED,
    WATCHED,
    is_loss,
    not_run,
    outcome_of_report,
    unclear,
    watched,
    whereabouts,
)
from parsl_on_dask.lanes.stages import CLAIM, RETURN
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.lanes.worker_deaths import RESULT_LOST, worker_lost
from parsl_on_dask.remote.execution import ERROR, HANDED_BACK, KEPT, STARTED, VALUE

logger = logging.getLogger("parsl.lanes.simple")


class Sent:
    """A call that is with Dask.

    - `id`: of its Dask task.
    - `begun`: whether its worker has said that it begins.
    - `outcome`: what its worker has reported.
    - `size`: bytes of its result, if that has stayed on the worker.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.id = uuid.uuid4().hex
        self.future: Any = None
        self.begun = False
        self.worker = self.host = ""
        self.outcome: Outcome | None = None
        self.size: int | None = None


class SimpleLane(RemoteLane):
    """Sends each call to Dask as a task of its own."""

    def __init__(self, executor: LaneExecutor) -> None:
        super().__init__(executor)
        #: a heap of priority, number and call
        self.ready: list[tuple[float, int, Call]] = []
        self.sent: dict[str, Sent] = {}
        #: what the next tick sees to: nothing is known of how these ended
        self.unclear: list[Sent] = []
        #: Dask tasks that are over, and since when
        self.over: deque[tuple[float, str]] = deque()
        self.begin()

    def submit(self, call: Call) -> None:
        call.number = next(self.numbers)
        if self.take(call):
            self.inbox.put(("call", call))

    def received(self, message: Any) -> None:
        self.inbox.put(("event", message))

    def working(self) -> list[tuple[str, str]]:
        return [(sent.worker, sent.call.name) for sent in list(self.sent.values()) if sent.begun and not sent.outcome]

    # -- on the lane's thread ------------------------------------------------------------------------------------

    def _handle_one(self, kind: str, item: Any) -> None:
        if kind == "call":
            self.wait(item)
        elif kind == "event":
            self.read(*pickle.loads(item))
        elif kind == "ended":
            self.ended(*item)
        else:
            super()._handle_one(kind, item)
            if kind == "tick":
                self.look()

    def wait(self, call: Call) -> None:
        """Let a call wait for its turn: the lowest priority first, as in Parsl, and those without one last."""
        heapq.heappush(self.ready, (call.spec.get("priority", math.inf), call.number, call))

    def dispatch(self) -> None:
        """Send as many calls as keep all workers busy; the others can still be cancelled."""
        if not self.ready:
            return
        most = self.executor.in_flight or 2 * self.cluster.slots() + 2
        while self.ready and len(self.sent) < most:
            call = heapq.heappop(self.ready)[2]
            if call.step(CLAIM) is not None:  # else it was cancelled meanwhile
                self.send(call)

    def send(self, call: Call) -> None:
        """Make a call a Dask task."""
        sent = Sent(call)
        keys = [key_of(call.name, sent.id)]
        try:
            [sent.future] = give_to_dask(self, [bundle(self, sent.id, [call])], [call.refs], keys, call.spec)
        except Exception as e:
            error = ExecutorError(self.executor, f"Dask did not take a task of app {call.name!r}: {e!r}")
            self.finish(call, Outcome(error=error))
            return
        self.sent[sent.id] = sent
        sent.future.add_done_callback(lambda future: self.inbox.put(("ended", (sent, future))))

    def read(self, number: str, worker: str, address: str, host: str, pid: int, reports: list[tuple[Any, ...]]) -> None:
        """Take what a worker tells of a Dask task. It comes before the end of that, on the same connection."""
        sent = self.sent.get(number)
        if sent is None:  # Dask makes a value anew that was lost; its call is done
            return
        sent.worker, sent.host = worker, host
        for report in reports:
            if report[0] in (STARTED, HANDED_BACK):
                sent.begun = report[0] == STARTED
            elif report[0] in WATCHED:
                watched(self.watch, sent.call, worker, host, report)
            elif report[0] in (VALUE, KEPT, ERROR):
                sent.outcome = outcome_of_report(report, sent.call.name, worker, host)
                sent.size = report[2] if report[0] == KEPT else None

    def ended(self, sent: Sent, future: Any) -> None:
        """A Dask task is over: give its call the outcome, or find out what became of it."""
        if self.sent.pop(sent.id, None) is None:
            return
        sent.future = None
        call, outcome = sent.call, sent.outcome
        error = future.exception() if future.status == "error" else None
        if outcome is None and is_loss(error):
            sent.worker, sent.host = whereabouts(error)
            self.worker_died(sent)
        elif outcome is None and error is not None:
            self.finish(call, Outcome(error=not_run(self.executor, call, error)))
        elif outcome is None:  # given back, as the job of its worker ends; or the scheduler cannot be reached
            self.unclear.append(sent)
        elif sent.size is None:
            self.complete(sent, outcome)
        elif future.status == "finished":
            outcome.value = RemoteValue(self.label, self.client, future, call.number, sent.size)
            self.complete(sent, outcome)
        else:
            self.complete(sent, worker_lost(call, self.cluster, sent.worker, sent.host, RESULT_LOST))

    def end_call(self, call: Call) -> None:
        for sent in self.sent.values():
            if sent.call is call:
                self.cluster.end_call(sent.worker, call.number)

    def worker_died(self, sent: Sent) -> None:
        """See to a call whose worker is lost."""
        try:
            self._settle(sent)
        except Exception as e:  # nobody else would end it
            logger.exception("What became of a call of a lost worker cannot be found out")
            self.finish(sent.call, Outcome(error=unclear(self.executor, e)))

    def _settle(self, sent: Sent) -> None:
        """The call that the worker ran has failed; one that it had not begun runs elsewhere."""
        call, last, running = sent.call, self.cluster.last_of(sent.worker), sent.begun
        if last is not None:  # the journal knows better, also of reports that the worker could not send any more
            running = last[0] == call.number
            for number, report in map(pickle.loads, last[1]):
                if number == sent.id:
                    lost = worker_lost(call, self.cluster, sent.worker, sent.host, RESULT_LOST)
                    told = outcome_of_report(report, call.name, sent.worker, sent.host)
                    self.complete(sent, lost if report[0] == KEPT else told)
                    return
        if running or call.uncharged >= UNCHARGED:
            self.complete(sent, worker_lost(call, self.cluster, sent.worker, sent.host))
        else:
            call.uncharged += 1
            self.again(call)

    def again(self, call: Call) -> None:
        """Let a call wait again that was sent and not run."""
        if self.is_unwanted(call):
            return
        if call.step(RETURN) is not None:
            self.wait(call)

    def complete(self, sent: Sent, outcome: Outcome) -> None:
        """Give a call that ran its outcome."""
        if type(outcome.value) is not RemoteValue:
            self.over.append((time.monotonic(), sent.id))
        self.take_note(sent.call, outcome)
        self.finish(sent.call, outcome)

    def look(self) -> None:
        """See to what was unclear at the last tick, and let the cluster forget what is over."""
        while self.over and time.monotonic() - self.over[0][0] > RELEASE:  # until then Dask may run it again
            self.cluster.done_with(self.over.popleft()[1])
        if self.client.status == "running":
            unclear, self.unclear = self.unclear, []
            for sent in unclear:
                if sent.begun:
                    self.worker_died(sent)
                else:
                    self.again(sent.call)

    def forget_tasks(self) -> None:
        for sent in list(self.sent.values()):
            with suppress(Exception):  # the client's loop was closed
                sent.future.release()
        self.ready.clear()
        self.sent.clear()
        self.unclear.clear()
