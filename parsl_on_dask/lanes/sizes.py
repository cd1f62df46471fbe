"""Which ready calls travel next, and how many of them together.

Calls of one app wait in one queue; the queues take turns. The first calls of an app travel alone, until their
run times are known; after that a batch holds about :data:`TARGET` seconds of work, and never so many calls that
other workers would be left without any.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import Any

from parsl_on_dask.lanes.call import Call

#: Seconds of work that a batch should hold: long against the cost of a Dask task, short against anything that waits for it.
TARGET = 0.1
#: Weight of the newest run time in the running mean.
NEWEST = 0.2


class _Times:
    """Running mean of an app's run times, in seconds."""

    __slots__ = ("mean", "seen")

    def __init__(self) -> None:
        self.mean = 0.0
        self.seen = 0


class Queues:
    """The calls that wait for Dask.

    Parameters
    ----------
    executor
        Its ``batching``, ``max_batch`` and ``in_flight`` are honoured.
    """

    def __init__(self, executor: Any) -> None:
        self.batching = bool(executor.batching)
        self.max_batch = int(executor.max_batch)
        self.in_flight = executor.in_flight
        self.waiting: OrderedDict[tuple[Any, ...], deque[Call]] = OrderedDict()
        self.times: dict[str, _Times] = {}
        self.size = 0

    def add(self, call: Call, first: bool = False) -> None:
        """Let a call wait; ``first`` for one that was sent before."""
        spec = tuple(sorted((k, repr(v)) for k, v in call.spec.items())) if call.spec else ()
        key = (call.function_key, spec)
        calls = self.waiting.get(key)
        if calls is None:
            calls = self.waiting[key] = deque()
        if first:
            calls.appendleft(call)
        else:
            calls.append(call)
        self.size += 1

    def learn(self, call: Call, seconds: float, kept: bool) -> None:
        """Take note of how long a call ran. Calls with large results count as long: they should not share a batch."""
        times = self.times.get(call.function_key)
        if times is None:
            times = self.times[call.function_key] = _Times()
        seconds = TARGET if kept else max(seconds, 1e-6)
        times.mean = seconds if not times.seen else (1 - NEWEST) * times.mean + NEWEST * seconds
        times.seen += 1

    def next_batch(self, slots: int, in_flight: int) -> list[Call] | None:
        """The calls to send next, or None when enough are on their way."""
        if not self.size or in_flight >= (self.in_flight or 2 * slots + 2):
            return None
        key, calls = next(iter(self.waiting.items()))
        first = calls.popleft()
        batch = [first]
        count = 1
        times = self.times.get(first.function_key)
        if times is not None and not self._alone(first):
            fair = math.ceil((len(calls) + 1) / (2 * slots))
            count = max(1, min(self.max_batch, fair, int(TARGET / times.mean)))
        while len(batch) < count and calls and not self._alone(calls[0]):
            batch.append(calls.popleft())
        self.size -= len(batch)
        if calls:
            self.waiting.move_to_end(key)
        else:
            del self.waiting[key]
        return batch

    def _alone(self, call: Call) -> bool:
        return not self.batching or call.solo or bool(call.refs)

    def clear(self) -> None:
        self.waiting.clear()
        self.size = 0
