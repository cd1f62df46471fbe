"""Which ready calls travel next, and how many of them together.

Calls of one app wait in one queue; the queues take turns. The first calls of an app travel one at a time, until
their run times are known; after that as many travel together as make about :data:`TARGET` seconds of work, and never
so many that other workers would be left without any.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any

from parsl_on_dask.executors.lane_executor import LaneExecutor
from parsl_on_dask.lanes.call import Call

#: Seconds of work to have with a worker: long against the way there, short against anything that waits for it.
TARGET = 0.1
#: Behind a call that runs longer than this, in seconds, no other one waits.
LONG = 0.05
#: A call that runs longer than this is worth a Dask task of its own, in seconds, also where a shift costs nothing more.
#: The dashboard then shows it by name.
ALONE = 1.0
#: Weight of the newest run time in the running mean.
NEWEST = 0.2
#: How fast a run time that was long is forgotten when the later ones are shorter: this share of the difference a call.
FORGET = 0.02
#: A call may need this many times the longest run time.
SPARE = 1.1
#: Of how many functions the run times are remembered.
TIMES_KEPT = 4096
#: How many queues are looked at in one go.
LOOKED_AT = 64

Key = tuple[Any, ...]


class _Times:
    """Running mean of an app's run times, in seconds, and the longest of the last ones."""

    __slots__ = ("longest", "mean")

    def __init__(self) -> None:
        self.mean = 0.0
        self.longest = 0.0


class Queues:
    """The calls that wait for Dask.

    - `executor`: its ``max_batch`` is honoured.
    - `shifts`: whether calls of up to :data:`ALONE` take turns in shifts. Somebody else's scheduler is shown each long
      call, so that it can ask for workers.
    """

    def __init__(self, executor: LaneExecutor, shifts: bool = False) -> None:
        self.alone = ALONE if shifts else LONG
        self.max_batch = int(executor.max_batch)
        self.waiting: OrderedDict[Key, deque[Call]] = OrderedDict()
        self.times: dict[str, _Times] = {}
        self.size = 0

    def add(self, call: Call, first: bool = False) -> None:
        """Let a call wait; ``first`` for one that was sent before."""
        spec = tuple(sorted((k, repr(v)) for k, v in call.spec.items())) if call.spec else ()
        # calls on the same values go together, to where these are
        urgency = call.spec.get("priority", math.inf) if call.spec else math.inf
        key = (call.function_key, spec, tuple([id(ref) for ref in call.refs]), call.solo, urgency, call.waited)
        calls = self.waiting.get(key)
        if calls is None:
            calls = self.waiting[key] = deque()
        if first:
            calls.appendleft(call)
        else:
            calls.append(call)
        if call.waited:
            self.waiting.move_to_end(key, last=False)
        self.size += 1

    def heads(self) -> Iterator[tuple[Key, bool]]:
        """The queues in turn: key, and whether its calls have to travel alone."""
        keys = list(self.waiting)
        if len(keys) > 1:
            first = min([key[4] for key in keys])
            if first < math.inf:  # the lowest goes first, and calls that say nothing go last
                keys = [key for key in keys if key[4] == first]
            if any([key[5] for key in keys]):  # what was begun is finished before anything else is begun
                keys.sort(key=lambda key: not key[5])
        for key in keys[:LOOKED_AT]:
            yield key, key[3] or bool(key[1]) or self.mean(key) > self.alone

    def mean(self, key: Key) -> float:
        """Mean run time of a queue's calls in seconds; 0 when nothing is known."""
        return self.mean_of(key[0])

    def mean_of(self, function_key: str) -> float:
        """Mean run time of a function's calls in seconds; 0 when nothing is known."""
        times = self.times.get(function_key)
        return times.mean if times is not None else 0.0

    def need_of(self, function_key: str) -> float:
        """Seconds that a call of a function may need; 0 when nothing is known."""
        times = self.times.get(function_key)
        return times.longest * SPARE if times is not None else 0.0

    def longest_need(self) -> float:
        """The most seconds that a call of any function may need."""
        return max([times.longest for times in self.times.values()], default=0.0) * SPARE

    def at_least(self, function_key: str, seconds: float) -> None:
        """Take note of a call that was not done after so many seconds."""
        times = self._times_of(function_key)
        times.longest = max(times.longest, seconds)

    def portion(self, key: Key, workers: int) -> int:
        """How many of a queue's calls one worker should have, of ``workers`` that could take some."""
        return self.together(key[0], len(self.waiting[key]), workers)

    def together(self, function_key: str, waiting: int, workers: int) -> int:
        """The same for calls of a function of which so many wait."""
        mean = self.mean_of(function_key)
        if not mean:
            return 1
        return max(1, min(self.max_batch, math.ceil(waiting / (2 * workers)), int(TARGET / mean)))

    def take(self, key: Key, count: int) -> list[Call]:
        """Remove the first calls of a queue, and let the others go first next time."""
        calls = self.waiting[key]
        taken = [calls.popleft() for _ in range(min(count, len(calls)))]
        self.size -= len(taken)
        if calls:
            self.waiting.move_to_end(key)
        else:
            del self.waiting[key]
        return taken

    def _times_of(self, function_key: str) -> _Times:
        times = self.times.get(function_key)
        if times is None:
            while len(self.times) >= TIMES_KEPT:  # of functions that are made anew for each call, say
                del self.times[next(iter(self.times))]
            times = self.times[function_key] = _Times()
        return times

    def learn(self, call: Call, seconds: float, kept: bool) -> None:
        """Take note of how long a call ran. Calls with large results count as long: a Dask task each."""
        times = self._times_of(call.function_key)
        if seconds > times.longest:
            times.longest = seconds
        elif times.longest > LONG:
            times.longest -= FORGET * (times.longest - seconds)
        seconds = 2 * ALONE if kept else max(seconds, 1e-6)
        times.mean = seconds if not times.mean else (1 - NEWEST) * times.mean + NEWEST * seconds

    def clear(self) -> None:
        self.waiting.clear()
        self.size = 0
