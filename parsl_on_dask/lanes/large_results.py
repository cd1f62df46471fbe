"""Large results: a call that has one is done when Dask has the value, and can make it again."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple, Protocol

from parsl_on_dask.clusters.bootstrap import launch
from parsl_on_dask.lanes import parts, stages
from parsl_on_dask.lanes.bundles import key_of
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.dispatch import Dispatcher
from parsl_on_dask.lanes.packing import Packer
from parsl_on_dask.lanes.shift import Shift
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.lanes.worker_deaths import RESULT_LOST, worker_lost

#: Dask runs the highest first: a value that is there already goes before everything else.
URGENT = 1e12


class Large(NamedTuple):
    """Where a large result is.

    - `shift`: the shift in which its call ran.
    - `fed`: whether the call was sent to that shift while it ran. Such a call is no part of the Dask task, which
      therefore can neither hold the value nor make it again.
    - `address`: of the worker.
    - `size`: in bytes.
    """

    shift: Shift
    fed: bool
    address: str
    size: int


class BatchLane(parts.Lane, Protocol):
    """A batch lane, as its large results see it."""

    closing: bool
    dispatcher: Dispatcher
    packer: Packer

    def here(self) -> bool: ...
    def end(self, call: Call, outcome: Outcome) -> None: ...
    def end_error(self) -> BaseException: ...


class LargeResults:
    """The calls of a lane that have run, and whose large results Dask does not have yet.

    The value of a call that was part of a Dask task is that task's result. For the value of any other call Dask gets a
    task of its own: on the worker that has the value it takes that, on another one, if the worker has died, it runs the
    call again. Dask may give it to another one also because that is idle, which then gives it back.
    """

    def __init__(self, lane: BatchLane) -> None:
        self.lane = lane
        self.calls: dict[int, tuple[Call, Outcome]] = {}

    def take(self, call: Call, outcome: Outcome) -> None:
        """Take a call that has run. From any thread."""
        with stages.lock:
            self.calls[call.number] = call, outcome
        if not self.lane.here():
            self.lane.inbox.put(("kept", call.number))
            if self.lane.closing:
                self.fail(call.number, self.lane.end_error())
        else:
            self.begin(call.number)

    def begin(self, number: int) -> None:
        """See what Dask has of it. On the lane's thread."""
        if number not in self.calls:
            return
        call, outcome = self.calls[number]
        large: Large = outcome.large
        if large.fed:
            self._adopt(call, large)
        elif large.shift.ended:
            self._settle(number, large.shift.future, large.shift.ended)
        else:
            large.shift.held.append(number)

    def shift_ended(self, shift: Shift) -> None:
        """Settle what was part of a Dask task that has ended."""
        held, shift.held = shift.held, []
        for number in held:
            self._settle(number, shift.future, shift.ended)

    def adopted(self, number: int, future: Any) -> None:
        """Settle a value that got a Dask task of its own, when this has ended."""
        self._settle(number, future, future.status)

    def fail(self, number: int, error: BaseException) -> None:
        """Give up on a value."""
        entry = self._forget(number)
        if entry is not None:
            call, outcome = entry
            self.lane.end(call, Outcome(error=error, worker=outcome.worker, host=outcome.host))

    def _forget(self, number: int) -> tuple[Call, Outcome] | None:
        with stages.lock:
            return self.calls.pop(number, None)

    def _settle(self, number: int, future: Any, status: str) -> None:
        if status != "finished":
            entry = self.calls.get(number)
            if entry is not None:
                call, outcome = entry
                lost = worker_lost(call, self.lane.cluster, outcome.worker, outcome.host, RESULT_LOST)
                assert lost.error is not None
                self.fail(number, lost.error)
            return
        entry = self._forget(number)
        if entry is not None:
            call, outcome = entry
            outcome.value = RemoteValue(self.lane.label, self.lane.client, future, number, outcome.large.size)
            self.lane.end(call, outcome)

    def _adopt(self, call: Call, large: Large) -> None:
        number = call.number
        try:
            if call.promises:  # elsewhere nobody keeps these
                call.promises = False
                self.lane.packer.pack(call)
            shift = Shift(uuid.uuid4().hex, call.name, False)
            future = self.lane.client.submit(
                launch(),
                self.lane.dispatcher.bundle(shift, [call], False, adopt=(number, large.address)),
                [ref.future for ref in call.refs],
                key=key_of(call.name, shift.id),
                workers=[large.address],
                allow_other_workers=True,
                priority=URGENT,
                pure=False,
            )
        except Exception as e:
            self.fail(number, e)
            return
        future.add_done_callback(lambda f: self.lane.inbox.put(("adopted", (number, f))))
