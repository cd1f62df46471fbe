"""Calls on their way out: which of them go where, and the Dask tasks that they become."""

from __future__ import annotations

import math
import uuid
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes import parts
from parsl_on_dask.lanes.bundles import as_data, bundle, give_to_dask, key_of
from parsl_on_dask.lanes.call import Call, Outcome, step_all
from parsl_on_dask.lanes.calls_ahead import CallsAhead
from parsl_on_dask.lanes.failures import each_its_own
from parsl_on_dask.lanes.jobends import JobEnds, Where
from parsl_on_dask.lanes.links import Link, Links
from parsl_on_dask.lanes.preference import Preference
from parsl_on_dask.lanes.queues import LONG, TARGET
from parsl_on_dask.lanes.shift import Shift
from parsl_on_dask.lanes.stages import CLAIM
from parsl_on_dask.remote.packing import dumps
from parsl_on_dask.remote.runner import PATIENCE

#: How many Dask tasks go to the scheduler in one message.
TOGETHER = 64
#: Seconds of work per slot from which on an existing cluster is shown that more workers would be of use.
BACKLOG = 2.0
#: Seconds that client and scheduler are busy with a new shift, with a message to one that waits for more, and with a
#: call in it. More of them make an end sooner as long as each takes more work off the others than it costs.
OPENING, TELLING, CALLING = 2e-3, 2e-4, 5e-5
#: How many calls of which nothing is known are sent between looks at what has come in: their times, with any luck.
PROBES = 8
#: How many shifts that have calls already are looked at for one that may be given more.
SAMPLE = 64


class BatchLane(parts.Lane, Protocol):
    """A batch lane, as what sends its calls sees it."""

    calls_ahead: CallsAhead
    ends: JobEnds
    links: Links
    preference: Preference | None
    steps: deque[tuple[Callable[[Any], None], Any]]


class Dispatcher:
    """Sends the waiting calls of a lane. Used by the lane's thread only."""

    def __init__(self, lane: BatchLane) -> None:
        self.lane = lane
        #: shifts that wait for calls, by id; some of them have been given some meanwhile, or have ended
        self.idle: dict[str, Shift] = {}
        #: shifts that run a long call and have been given the next one, by id; some of them have begun that, or ended
        self.next: dict[str, Shift] = {}

    def rests(self, shift: Shift) -> None:
        """Take note that a shift waits for calls, so that it need not be looked for among many."""
        self.idle[shift.id] = shift

    def ended(self, shift: Shift) -> None:
        """Forget a shift."""
        self.idle.pop(shift.id, None)
        self.next.pop(shift.id, None)

    def linked(self, link: Link) -> None:
        """Take note that calls can be sent to a worker."""
        for shift in self.lane.open_shifts.values():
            if shift.link is link:
                self.rests(shift)

    def dispatch(self) -> None:
        """Send what can be sent: to shifts that run, and as new Dask tasks."""
        if self.lane.queues.size:
            self._send_all()
        if self.next and (self.idle or len(self.lane.shifts) < self.lane.cluster.slots()):
            self._take_back()

    def _send_all(self) -> None:
        slots = self.lane.cluster.slots()
        ends = self.lane.ends
        shifts = others = 0  # that do not count, as they are where nothing new goes
        if ends.any_soon:
            slots, shifts, others = ends.without_leaving(slots)
        probes = PROBES
        placed = True
        where = None
        while placed:
            placed = refused = False
            for key, alone in self.lane.queues.heads():
                if ends.any_soon:
                    where = ends.where(key)
                    if where is not None and not where.addresses:
                        continue
                if alone:
                    room = self._limit(key, slots) - (len(self.lane.shifts) - len(self.lane.open_shifts) - others)
                    if room > 0 and len(self.lane.shifts) >= slots:
                        self._make_way()
                    if where is not None:
                        placed = self._send_to_one(key, where) or placed
                    elif room > 0 and any(name == "grant" for name, _ in key[1]):
                        self._send([self.lane.queues.take(key, self.lane.queues.max_batch)], False)
                    elif room > 0:
                        # those with the same wishes go to the scheduler in one message
                        self._send([[call] for call in self.lane.queues.take(key, min(room, TOGETHER))], False)
                        placed = True
                    continue
                count = min(self.lane.queues.portion(key, self._spread(key, slots)), self._allowed())
                if not count:
                    continue
                if not self.lane.queues.mean(key):
                    if not probes:
                        self.lane.inbox.put(("step", None))  # to come back, when the news are read
                        return
                    probes -= 1
                refers = bool(key[2])
                # somebody else's scheduler is shown each call of an app of which nothing is known
                known = self.lane.cluster.started_here or bool(self.lane.queues.mean(key))
                shift = None if refers else self._room(key, count, where)
                if shift is not None:
                    self._feed(shift, self.lane.queues.take(key, count))
                    placed = True
                elif refers or not known:
                    if len(self.lane.shifts) - len(self.lane.open_shifts) - others < 2 * slots + 2:
                        self._send([self.lane.queues.take(key, count)], False, where)
                        placed = True
                elif self._may_open(key, slots, shifts):
                    self._send([self.lane.queues.take(key, count)], True, where)
                    placed = True
                elif where is None and len(self.lane.open_shifts) >= slots:
                    # the next slot is for who was refused first, and nobody may wait there already
                    if refused or (shift := self._busy(key)) is None:
                        refused = True
                    else:
                        self._feed_next(shift, self.lane.queues.take(key, 1))
                        placed = True

    def _busy(self, key: Any) -> Shift | None:
        """A shift that runs a call of known length, and has no other: a long call may wait behind that."""
        if self.lane.preference is not None or self.lane.queues.mean(key) <= LONG:
            return None
        for shift in self._some():
            if shift.open and len(shift.calls) == 1 and self._patience(shift):
                return shift
        return None

    def _patience(self, shift: Shift) -> float:
        """Seconds that the call which a shift runs may take before the next one had better run elsewhere."""
        mean = self.lane.queues.mean_of(next(iter(shift.calls.values())).function_key)
        return 2 * mean + PATIENCE if mean else 0.0

    def _feed_next(self, shift: Shift, calls: list[Call]) -> None:
        """Have a call wait behind a long one, while no slot is idle: its worker then need not wait for it."""
        patience = self._patience(shift)
        calls = step_all(calls, CLAIM)
        if calls:
            calls[0].shift = shift
            self._feed_claimed(shift, calls, patience)
            shift.next = calls[0].number
            self.next[shift.id] = shift

    def _take_back(self) -> None:
        """Have calls that wait behind long ones given back, as many as slots are idle."""
        idle = self.lane.cluster.slots() - sum([bool(shift.calls) for shift in self.lane.shifts.values()])
        for shift in list(self.next.values()):
            if idle <= 0:
                return
            del self.next[shift.id]
            if shift.next and shift.link is not None and not shift.over:
                idle -= 1
                self.lane.links.send(shift.link, dumps((shift.id, {}, None, 0.0)))

    def _allowed(self) -> int:
        """How many more calls may be with Dask."""
        most: int | None = self.lane.executor.in_flight
        if most is None:
            return self.lane.queues.max_batch
        return max(0, most - sum([len(shift.calls) for shift in self.lane.shifts.values()]))

    def _may_open(self, key: Any, slots: int, others: int) -> bool:
        """Whether there may be one more shift.

        More than run at a time may be where others may add workers, as demand shows. Short calls get as many as their
        work is worth, beside those that are busy with something else.
        """
        work, there = self._work(key), len(self.lane.open_shifts) - others
        if there >= (slots if self.lane.cluster.started_here or work < BACKLOG * slots else 2 * slots):
            return False
        worth = _worth(work, OPENING)
        if there < worth or not self.lane.queues.mean(key):
            return True
        some = self._some()
        return there < worth + there * sum(map(self._is_taken, some)) / len(some)

    def _is_taken(self, shift: Shift) -> bool:
        """Whether a shift is busy with a call that may be long."""
        if shift.stuck or shift.next:
            return True
        if not (shift.started and shift.calls):
            return False
        return not 0 < self.lane.queues.mean_of(next(iter(shift.calls.values())).function_key) <= LONG

    def _spread(self, key: Any, slots: int) -> int:
        """Among how many shifts the calls of a queue are divided: those that wait for more cost less than new ones."""
        work = self._work(key)
        return min(slots, max(_worth(work, OPENING), min(len(self.lane.open_shifts), _worth(work, TELLING))))

    def _work(self, key: Any) -> float:
        """Seconds of work that wait."""
        waiting = len(self.lane.queues.waiting[key]) + len(self.lane.steps)
        return waiting * (self.lane.queues.mean(key) + CALLING)

    def _limit(self, key: Any, slots: int) -> int:
        """How many Dask tasks with one call each may be under way: enough to keep the workers busy meanwhile."""
        mean = self.lane.queues.mean(key)
        quick = int(TARGET / mean) if 0 < mean < LONG else 0
        return int(self.lane.executor.in_flight or 2 * slots + 2 + min(TOGETHER, quick))

    def _send_to_one(self, key: Any, where: Where) -> bool:
        """Send a call to the worker that should have it, if one has nothing to do."""
        address = self.lane.ends.free(where) if self._allowed() else ""
        if address:
            self._send([self.lane.queues.take(key, 1)], False, Where([address], where.more_may_come))
        return bool(address)

    def _room(self, key: Any, count: int, where: Where | None) -> Shift | None:
        """The open shift that should take the next calls of a queue."""
        known = self.lane.queues.mean(key)
        if where is None and self.lane.preference is not None:
            where = self.lane.preference.where()  # a worker that waits for more is not given it for that alone
        if where is None and (shift := self._idle()) is not None:
            return shift
        best = None
        for shift in self._some() if where is None else self.lane.open_shifts.values():
            if not shift.open or (where is not None and shift.link.address not in where.addresses):  # type: ignore[union-attr]
                continue
            waiting = len(shift.calls)
            if waiting and (not known or known > LONG or waiting >= 2 * count or waiting * known > 2 * TARGET):
                continue
            if best is None or waiting < len(best.calls):
                best = shift
        return best

    def _idle(self) -> Shift | None:
        """A shift that waits for calls, if that is known."""
        while self.idle:
            shift = self.idle.pop(next(iter(self.idle)))
            if shift.open and not shift.calls:
                return shift
        return None

    def _some(self) -> list[Shift]:
        """All open shifts, of very many the next ones."""
        shifts = self.lane.open_shifts
        some = list(islice(shifts.values(), SAMPLE))
        if len(shifts) > SAMPLE:
            for shift in some:  # to the end of the line
                shifts[shift.id] = shifts.pop(shift.id)
        return some

    def follow(self, call: Call) -> None:
        """Send a call to the shift that has what it waits for; those not sent yet take it along when they go."""
        leaders = call.leaders
        if not leaders:
            return
        shift = leaders[0].shift
        if shift is None or not shift.open or any(leader.shift is not shift for leader in leaders):
            return
        if len(shift.calls) < self._most(call) and self.lane.calls_ahead.go(call, shift):
            self._feed_claimed(shift, self._with_followers(shift, [call]))

    def _most(self, call: Call) -> int:
        """How many calls there may be in a shift for one like this to go there ahead."""
        known = self.lane.queues.mean_of(call.function_key)
        if not known:
            return 16
        return 0 if known > LONG else min(self.lane.queues.max_batch, int(2 * TARGET / known))

    def _with_followers(self, shift: Shift, calls: list[Call]) -> list[Call]:
        """The calls, and behind them those that wait for nothing else."""
        for call in calls:  # which grows meanwhile
            call.shift = shift
            following = call.follower
            if following is None or following.shift is not None or len(calls) >= self._most(following):
                continue
            leaders = following.leaders
            if (
                leaders
                and all(leader.shift is shift for leader in leaders)
                and self.lane.calls_ahead.go(following, shift)
            ):
                calls.append(following)
        return calls

    def _make_way(self) -> None:
        """End the shifts that wait for more: Dask has other use for their slots."""
        for shift in self.lane.open_shifts.values():
            if shift.open and not shift.calls and shift.link is not None:
                shift.stuck = True
                self.lane.links.send(shift.link, dumps((shift.id, {}, [], 0.0)))

    def _feed(self, shift: Shift, calls: list[Call]) -> None:
        calls = step_all(calls, CLAIM)
        if calls:
            self._feed_claimed(shift, self._with_followers(shift, calls))

    def _feed_claimed(self, shift: Shift, calls: list[Call], patience: float = PATIENCE) -> None:
        link = shift.link
        assert link is not None
        functions = {}
        for call in calls:
            shift.calls[call.number] = call
            if call.function_key not in link.known:
                functions[call.function_key] = (call.name, call.packed)
        self.lane.links.send(link, dumps((shift.id, functions, [as_data(c) for c in calls], patience)))

    def _send(self, groups: list[list[Call]], feed: bool, where: Where | None = None) -> None:
        """Make a Dask task of each group of calls. All of them have the same resource specification."""
        groups = [claimed for calls in groups if (claimed := step_all(calls, CLAIM))]
        if not groups:
            return
        if self.lane.preference is not None and where is None and not groups[0][0].spec:
            for group in groups:
                preference = self.lane.preference
                self._send_claimed([group], feed, None if preference is None else preference.where())
        else:
            self._send_claimed(groups, feed, where)

    def _send_claimed(self, groups: list[list[Call]], feed: bool, where: Where | None) -> None:
        shifts = [Shift(uuid.uuid4().hex, calls[0].name, feed) for calls in groups]
        for shift, calls in zip(shifts, groups, strict=True):
            shift.begin_with(self._with_followers(shift, calls) if feed else calls)
        more_may_come = where is not None and where.more_may_come
        bundles = [self.bundle(*parts, more_may_come) for parts in zip(shifts, groups, strict=True)]
        # the calls of a group refer to the same values, if to any
        refs = [calls[0].refs for calls in groups]
        keys = [key_of(b.name if len(b.calls) == 1 else f"{b.name} x{len(b.calls)}", b.id) for b in shifts]
        first = groups[0][0]
        workers = None if where is None else where.addresses
        if workers is not None and len(workers) == 1 and not (first.spec.get("workers") or first.spec.get("prefer")):
            shifts[0].place = workers[0]
        try:
            futures = give_to_dask(self.lane, bundles, refs, keys, first.spec, workers)
        except Exception as e:
            error = ExecutorError(self.lane.executor, f"Dask did not take a task of app {first.name!r}: {e!r}")
            for call in [call for calls in groups for call in calls]:
                self.lane.finish(call, Outcome(error=each_its_own(error)))
            return
        for shift, future in zip(shifts, futures, strict=True):
            shift.future = future
            self.lane.shifts[shift.id] = shift
            if feed:
                self.lane.open_shifts[shift.id] = shift
            future.add_done_callback(lambda f, b=shift: self.lane.inbox.put(("ended", (b, f))))

    def bundle(
        self, shift: Shift, calls: list[Call], more_may_come: bool, adopt: tuple[int, str] | None = None
    ) -> bytes:
        """What a Dask task is given; ``adopt`` as in :func:`~parsl_on_dask.lanes.bundles.bundle`."""
        need = 0.0 if more_may_come else self.lane.ends.need_of(calls[0])
        return bundle(self.lane, shift.id, calls, feed=shift.feed, need=need, adopt=adopt)


def _worth(work: float, cost: float) -> int:
    """Among how many some work is divided so that it ends soonest, if each costs something before it begins.

    Examples
    --------
    >>> _worth(0.0001, 0.002), _worth(0.2, 0.002), _worth(20, 0.002)
    (1, 10, 100)
    """
    return max(1, math.ceil(math.sqrt(work / cost)))
