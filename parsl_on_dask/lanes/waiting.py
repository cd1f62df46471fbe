"""Calls that went ahead: prepared, and mostly sent, before what they wait for is done."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from parsl_on_dask.lanes.call import Call, Outcome

if TYPE_CHECKING:
    from parsl_on_dask.lanes.batches import BatchLane
    from parsl_on_dask.lanes.shift import Batch


class Waiting:
    """The calls of a lane that went ahead and have not been submitted.

    A submission comes from any thread, and what happens to a call that was sent is seen by the lane's thread. Which
    of them comes first is decided here, under one lock.
    """

    def __init__(self, lane: BatchLane) -> None:
        self.lane = lane
        self.lock = threading.Lock()
        self.calls: dict[int, Call] = {}

    def add(self, call: Call) -> None:
        """Take a prepared call."""
        call.ahead = True
        for leader in call.leaders:
            leader.follower = call
        self.calls[call.number] = call

    def arrive(self, call: Call) -> bool:
        """Take note that a call is submitted now. True when it has been sent already, or is done."""
        with self.lock:
            if not call.ahead:
                return False
            call.ahead = False
            self.calls.pop(call.number, None)
            _unlink(call)
            self.lane.live[call.number] = call
            outcome, call.early = call.early, None
            sent = call.batch is not None
        if outcome is not None:
            self.lane.finish(call, outcome)
            return True
        if sent and self.lane.closing:
            self.lane.finish(call, Outcome(error=self.lane.lost or self.lane.closed_error()))
        return sent

    def go(self, call: Call, batch: Batch) -> bool:
        """Have a call sent with a shift. False when it was cancelled, or submitted meanwhile."""
        with self.lock:
            if not call.ahead or call.batch is not None or not call.claim():
                return False
            call.batch = batch
            return True

    def early(self, call: Call, outcome: Outcome) -> bool:
        """Keep the outcome of a call until it is submitted. False when it was."""
        with self.lock:
            if not call.ahead:
                return False
            call.early = outcome
            return True

    def back(self, call: Call) -> bool:
        """Take back a call that was sent and not run. False when it was submitted meanwhile."""
        with self.lock:
            if not call.ahead:
                return False
            call.claimed = [True]
            return True

    def drop(self, call: Call) -> None:
        """Forget a call that will not be submitted."""
        with self.lock:
            if self.calls.pop(call.number, None) is not None:
                call.ahead = False
                _unlink(call)


def _unlink(call: Call) -> None:
    # a chain of calls that hold each other would keep all of them
    for leader in call.leaders:
        if leader.follower is call:
            leader.follower = None
    call.leaders = ()
