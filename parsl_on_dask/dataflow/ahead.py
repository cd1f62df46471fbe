"""Sending calls after those that they wait for, before these are done.

A call whose dependencies are all on one lane can wait on the worker as well as here: it is pickled with promises in
the places of the values, and the worker puts these in when it has made them itself. So the links of a chain follow
each other without a way back and forth. For the kernel nothing changes: such a task is pending until its
dependencies are done, and is launched then. If its call is there already, or has even run, that was to the good; if
not, it is sent as any other.
"""

from __future__ import annotations

from typing import Any

from parsl_on_dask.dataflow.arguments import unwrap
from parsl_on_dask.dataflow.dependency_resolvers import (
    DEEP_DEPENDENCY_RESOLVER,
    DEFAULT_DEPENDENCY_RESOLVER,
    SHALLOW_DEPENDENCY_RESOLVER,
)
from parsl_on_dask.dataflow.futures import AppFuture, record_of
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.dataflow.parts import Flow
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.lanes import stages
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.peeking import promises
from parsl_on_dask.lanes.stages import PREPARE, Stage
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.python_internals.futures import error_of, value_of

#: Resolvers that are known not to wait for a future.
_OURS = (DEFAULT_DEPENDENCY_RESOLVER, SHALLOW_DEPENDENCY_RESOLVER, DEEP_DEPENDENCY_RESOLVER)
#: How many calls of a lane may be sent ahead at a time.
WINDOW = 1024
#: A call that waits for more than this many others is not sent ahead: hardly ever are all of them with one worker, and
#: each of them that is launched would have the call looked at again.
LEADERS = 32


class Ahead:
    """Offers waiting tasks to the lanes.

    - `held`: ids of the tasks that wait here, as their calls could not be sent ahead: those worth another offer.
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.held: set[int] = set()

    def hold(self, record: TaskRecord) -> None:
        """Offer a new task that waits; it is offered again if that comes too early."""
        lane = self.lane_for(record)
        if lane is None:
            return
        self.held.add(record.id)
        if self.offer(record, lane) or record.current_try is not Stage.WAITING:  # launched meanwhile
            self.held.discard(record.id)

    def lane_for(self, record: TaskRecord) -> Lane | None:
        """The lane that a task's call may be sent ahead on at some time, or None."""
        kernel = self.flow.kernel
        lane: Lane | None = getattr(kernel.executors.get(record.executor), "lane", None)
        if lane is None or not lane.goes_ahead:
            return None
        if record.memoize or record.resource_specification or record.join or len(record.depends) > LEADERS:
            return None
        if "options" in record:
            return None
        if not any(kernel.dependency_resolver is resolver for resolver in _OURS):
            return None
        # another memoizer may know the outcome of any call
        return lane if type(kernel.memoizer).check_memo is BasicMemoizer.check_memo else None

    def offer(self, record: TaskRecord, lane: Lane) -> bool:
        """Send a waiting task's call ahead, if all that it waits for is on its lane. Whether that was done."""
        if lane.ahead_size() >= WINDOW or not all(_is_on_lane(future, lane) for future in record.depends):
            return False
        try:
            with promises() as leaders:
                args, kwargs, failures = unwrap(self.flow.kernel, record, lane)
            # of many that follow one call, the first goes with it; the others are for other workers
            if failures or not leaders or any(leader.follower is not None for leader in leaders):
                return False
            call = Call(record.func_name, record.func, args, kwargs, {}, self.flow.lane_done, record)
            lane.prepare(call)
        except Exception:  # what is wrong with it is said when it is launched
            return False
        with stages.lock:  # nobody sees the call before it is the task's
            if not record.take(call, Stage.WAITING):
                return False
            record.lane = lane
            call.step(PREPARE)
        return lane.follow(call, leaders)

    def resume(self, record: TaskRecord) -> None:
        """Offer what follows a task that has been launched, and what follows that."""
        lane = record.lane
        if not self.held or lane is None or not lane.goes_ahead or lane.ahead_size() > WINDOW // 2:
            return
        leader: TaskRecord | None = record
        for _ in range(WINDOW):
            followers = leader.followers if leader is not None else None
            if not followers:
                return
            leader = followers[0]
            if leader.current_try is Stage.WAITING:
                its_lane = self.lane_for(leader)
                if its_lane is None or not self.offer(leader, its_lane):
                    return
                self.held.discard(leader.id)


def _is_on_lane(future: Any, lane: Lane) -> bool:
    if type(future) is not AppFuture:
        return False
    if future.done():
        return error_of(future) is None and not future.cancelled() and type(value_of(future)) is not RemoteValue
    record = record_of(future)
    return isinstance(record.current_try, Call) and record.lane is lane
