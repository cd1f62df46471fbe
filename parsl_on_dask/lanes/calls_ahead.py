"""Calls that went ahead: prepared, and mostly sent, before what they wait for is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from parsl_on_dask.lanes import stages
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.stages import DROP, FINISH, GO, RETURN, SUBMIT, Stage

if TYPE_CHECKING:
    from parsl_on_dask.lanes.shift import Shift


class CallsAhead:
    """The calls of a lane that went ahead and have not been submitted.

    A submission comes from any thread, and what happens to a call that was sent is seen by the lane's thread. Which
    of them comes first is decided by the call's stage; what belongs to a stage is changed under the same lock.

    - `live`: the calls that were submitted, which get those that arrive.
    """

    def __init__(self, live: dict[int, Call]) -> None:
        self.live = live
        self.calls: dict[int, Call] = {}

    def add(self, call: Call, leaders: Sequence[Call]) -> bool:
        """Take a call that goes ahead behind its leaders. False when one of these has a follower already."""
        with stages.lock:
            if any(leader.follower is not None for leader in leaders):
                return False
            call.leaders = leaders
            for leader in leaders:
                leader.follower = call
            self.calls[call.number] = call
            return True

    def arrive(self, call: Call) -> Stage | None:
        """Take note that a call is submitted now. Returns its stage; None when it was cancelled."""
        with stages.lock:
            self._forget(call)
            stage = call.step(SUBMIT)
            if stage is Stage.SENT:
                self.live[call.number] = call
            return stage

    def go(self, call: Call, shift: Shift) -> bool:
        """Have a call sent with a shift. False when it was cancelled, or submitted meanwhile."""
        with stages.lock:
            if call.shift is not None or call.step(GO) is None:
                return False
            call.shift = shift
            return True

    def end(self, call: Call, outcome: Outcome) -> Stage | None:
        """Finish a call. That of one which has not been submitted is kept until it is."""
        if call.stage is Stage.SENT:  # by far the most; it was submitted
            return call.step(FINISH)
        with stages.lock:
            if call.stage is Stage.AHEAD_SENT:
                call.early = outcome
            return call.step(FINISH)

    def back(self, call: Call) -> Stage | None:
        """Take back a call that was sent and not run. None when it is not wanted any more."""
        with stages.lock:
            if call.stage is Stage.DROPPED:
                return None
            call.shift = None
            return call.step(RETURN)

    def drop(self, call: Call) -> None:
        """Forget a call that will not be submitted."""
        with stages.lock:
            call.step(DROP)
            self._forget(call)

    def _forget(self, call: Call) -> None:
        if self.calls.pop(call.number, None) is not None:
            # a chain of calls that hold each other would keep all of them
            for leader in call.leaders:
                if leader.follower is call:
                    leader.follower = None
            call.leaders = ()
