"""Workers whose batch jobs end: which calls still go there, how they leave, and what becomes of calls that are cut off.

A worker tells with its first reports when its job ends (:mod:`parsl_on_dask.remote.jobend`). As long as every worker
has time for every call, nothing here costs anything. From then on that one has not (:attr:`JobEnds.near`), calls are
given to those workers that have the time. Shortly before the end a worker takes no more calls at all; its values move
to others and, when nothing runs on it any more, it goes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from parsl_on_dask.clusters.bootstrap import KEY_MARK
from parsl_on_dask.common.by_value import Launch, by_value
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.lanes import parts
from parsl_on_dask.lanes.queues import SPARE
from parsl_on_dask.remote.jobend import EXTENDED, JobEnd

if TYPE_CHECKING:
    from parsl_on_dask.lanes.call import Call
    from parsl_on_dask.lanes.queues import Key
    from parsl_on_dask.lanes.shift import Shift

logger = logging.getLogger("parsl.lanes.jobends")

#: Seconds before a worker has too little time for a call at which its calls are looked after one by one.
AHEAD = 3.0
#: Seconds for which an answer about where calls may go holds.
FRESH = 0.1
#: Seconds after which a worker goes that has not enough time for any of the calls that wait.
USELESS = 5.0
#: A call that was cut off after this share of the longest job is taken for one that never ends in time.
WHOLE = 0.8


@cache
def _pause() -> Launch:
    async def parsl_pause(dask_worker: Any = None) -> int:
        """Give back what a worker that is leaving has not begun; returns how much runs there, -1 if it goes on."""
        import time

        state = dask_worker.state
        if state.running:
            return -1
        for task in [*state.ready.sorted(), *state.constrained.sorted(), *state.waiting]:
            message = {"op": "reschedule", "key": task.key, "stimulus_id": f"parsl-leaving-{time.time()}"}
            dask_worker.batched_send(message)
        return len(state.executing) + len(state.long_running)

    return by_value(parsl_pause)


class Where(NamedTuple):
    """Where the calls of a queue may go.

    - `addresses`: of workers, those with the most time left first; none when the calls have to wait.
    - `more_may_come`: whether no worker has enough time, and the calls are to be tried all the same.
    """

    addresses: list[str]
    more_may_come: bool


class BatchLane(parts.Lane, Protocol):
    """A batch lane, as what looks after the ends of its jobs sees it."""

    scaled: bool


class EndingWorker:
    """A worker in a job that ends.

    - `leaving`: whether it takes no more calls.
    - `paused`: whether Dask gives it no more tasks.
    - `told`: whether its batch system has said that the end is near.
    """

    __slots__ = ("address", "end", "going", "leaving", "name", "paused", "told", "useless")

    def __init__(self, address: str, name: str, end: JobEnd) -> None:
        self.address = address
        self.name = name
        self.end = end
        self.leaving = False
        self.paused = False
        self.going = False
        self.told = False
        self.useless = 0.0


class JobEnds:
    """What a lane knows about the ends of its workers' jobs. Used by the lane's thread.

    - `near`: whether some worker may have too little time for some call.
    """

    def __init__(self, lane: BatchLane) -> None:
        self.lane = lane
        self.any_soon = False
        self.places: dict[str, EndingWorker] = {}
        #: name and slots of each worker, by address; kept up to date while :attr:`near`
        self.present: dict[str, tuple[str, int]] = {}
        self.cut: dict[int, tuple[int, float]] = {}
        self.length = 0.0
        self.grows = False
        self._looking = False
        self._answers: dict[float, Where | None] = {}
        self._answered = 0.0
        self._warned: set[str] = set()

    # -- what workers tell -----------------------------------------------------------------------------------

    def heard(self, address: str, name: str, left: tuple[float, ...]) -> None:
        """A worker began a shift, in a job that ends in so many seconds (stop, last, end), or in none."""
        place = self.places.get(address)
        if place is not None and place.told:
            return  # it knows less than its batch system
        if not left:
            self.places.pop(address, None)
            return
        now = time.monotonic()
        end = JobEnd(*[now + seconds for seconds in left])
        if place is None:
            place = self.places[address] = EndingWorker(address, name, end)
            self.length = max(self.length, end.last - now)
        place.end = end
        if not self.any_soon:
            self.tick()

    def told(self, workers: Collection[tuple[str, str]], seconds: float) -> None:
        """The jobs of workers (addresses, names) are about to be ended, in so many seconds."""
        now = time.monotonic()
        for address, name in workers:
            place = self.places.setdefault(address, EndingWorker(address, name, JobEnd(now, now, now + seconds)))
            place.end = JobEnd(now, now, now + seconds)
            place.told = place.leaving = True
        self.tick()

    def tick(self) -> None:
        """See to the workers whose jobs end soon; called every second."""
        if not self.places:
            self.any_soon = False
            return
        now = time.monotonic()
        most = max(self.lane.queues.longest_need(), max([ran for _, ran in self.cut.values()], default=0.0) * SPARE)
        ends = [place.end for place in self.places.values()]
        self.any_soon = any(end.stop < now + AHEAD or end.last < now + most + AHEAD for end in ends)
        if not self.any_soon:
            return
        self._answers.clear()
        self.cut = {number: cut for number, cut in self.cut.items() if number in self.lane.live}
        states = [status.state for status in self.lane.cluster.status().values()]
        self.grows = self.lane.scaled or JobState.PENDING in states
        for place in self.places.values():
            if not place.leaving and (now > place.end.stop or self._is_useless(place, now)):
                logger.info("Worker %s takes no more calls: its job ends in %.0f s", place.name, place.end.end - now)
                place.leaving = True
        if not self._looking:
            self._looking = True
            loop: Any = self.lane.client.loop
            loop.add_callback(self._look)

    def _is_useless(self, place: EndingWorker, now: float) -> bool:
        """Whether a block had better end, for another one to begin, as it has no time for any call that waits."""
        needs = [self.need(key) for key in self.lane.queues.waiting]
        busy = any(b.link is not None and b.link.address == place.address for b in self.lane.shifts.values())
        cluster = self.lane.cluster
        useless = self.lane.scaled and cluster.started_here and cluster.renews and needs and not busy
        if not useless or any(self.fits(place.address, need, now) or need > self.length for need in needs):
            place.useless = 0.0
            return False
        place.useless = place.useless or now
        return now - place.useless > USELESS

    # -- where calls go --------------------------------------------------------------------------------------

    def need(self, key: Key) -> float:
        """Seconds that the next call of a queue may need."""
        need = self.lane.queues.need_of(key[0])
        return max(need, self._cut_need(self.lane.queues.waiting[key][0])) if self.cut else need

    def need_of(self, call: Call) -> float:
        """Seconds that a call may need."""
        return max(self.lane.queues.need_of(call.function_key), self._cut_need(call))

    def _cut_need(self, call: Call) -> float:
        cut = self.cut.get(call.number)
        return cut[1] * SPARE if cut is not None else 0.0

    def fits(self, address: str, need: float, now: float) -> bool:
        """Whether a call that needs so many seconds can begin on a worker now."""
        place = self.places.get(address)
        return place is None or (not place.leaving and now < place.end.stop and now + need <= place.end.last)

    def where(self, key: Key) -> Where | None:
        """Where the next calls of a queue may go; None for anywhere. To be asked while :attr:`near`."""
        return self.where_for(self.need(key))

    def where_for(self, need: float) -> Where | None:
        """Where a call may go that needs so many seconds; None for anywhere. To be asked while :attr:`near`."""
        now = time.monotonic()
        if now - self._answered > FRESH:
            self._answered = now
            self._answers.clear()
        if need not in self._answers:
            self._answers[need] = self._find(need, now)
        return self._answers[need]

    def _find(self, need: float, now: float) -> Where | None:
        fitting = [address for address in self.present if self.fits(address, need, now)]
        if fitting and len(fitting) == len(self.present):
            return None
        more_may_come = False
        if not fitting and (need > self.length or not self.grows):
            more_may_come = True
            fitting = [address for address in self.present if self.fits(address, 0.0, now)]
        fitting.sort(key=lambda a: self.places[a].end.last if a in self.places else float("inf"), reverse=True)
        return Where(fitting, more_may_come)

    def free(self, where: Where) -> str:
        """The worker with the most time left that has nothing to do; "" when there is none."""
        busy: Counter[str] = Counter()
        for shift in self.lane.shifts.values():
            if shift.started and shift.calls and shift.link is not None:
                busy[shift.link.address] += 1
            elif not shift.started and shift.place:
                busy[shift.place] += 1
        for address in where.addresses:
            if busy[address] < self.present[address][1]:
                return address
        return ""

    def without_leaving(self, slots: int) -> tuple[int, int, int]:
        """How many of the slots take calls, and how many open shifts and others are in the other ones."""
        going = {address for address, place in self.places.items() if place.leaving}
        there = [b for b in self.lane.shifts.values() if b.link is not None and not b.over and b.link.address in going]
        shifts = sum([shift.id in self.lane.open_shifts for shift in there])
        lost = sum([self.present[address][1] for address in going if address in self.present])
        return max(1, slots - lost), shifts, len(there) - shifts

    def drains(self, address: str) -> bool:
        """Whether a worker takes no more calls."""
        place = self.places.get(address)
        return place is not None and (place.leaving or time.monotonic() > place.end.stop)

    def leaving_blocks(self) -> set[str]:
        """The blocks all of whose workers take no more calls."""
        going: dict[str, bool] = {}
        for address, (name, _) in list(self.present.items()):
            block = self.lane.cluster.block_of(name)
            place = self.places.get(address)
            if block is not None:
                going[block] = going.get(block, True) and place is not None and place.leaving
        return {block for block, all_go in going.items() if all_go}

    # -- leaving ---------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """See which workers there are, and have those go whose time has come. In the client's event loop."""
        client: Any = self.lane.client
        try:
            workers = (await client.scheduler.identity(n_workers=-1))["workers"]
            self.present = {a: (str(info["name"]), int(info["nthreads"])) for a, info in workers.items()}
        except Exception:
            logger.debug("no list of workers from the scheduler", exc_info=True)
        finally:
            self._looking = False
            self.lane.inbox.put(("looked", None))

    def looked(self) -> None:
        """Take note of the workers that there are."""
        self._answers.clear()
        now = time.monotonic()
        used = {shift.link.address for shift in self.lane.shifts.values() if shift.link is not None}
        for place in list(self.places.values()):
            if place.address not in self.present:
                # what was lost with it may still have to be told from what failed
                if place.address not in used:
                    del self.places[place.address]
            elif now > place.end.end + EXTENDED and not place.paused:
                logger.info("Worker %s goes on after the end of its job that it knew of", place.name)
                del self.places[place.address]
            elif place.leaving and not place.going:
                place.going = True
                loop: Any = self.lane.client.loop
                loop.add_callback(self._leave if self.lane.cluster.started_here else self._copy, place)

    async def _leave(self, place: EndingWorker) -> None:
        """Have a worker's values move off, and, when nothing runs on it any more, have it go."""
        client: Any = self.lane.client
        here = [place.address]
        try:
            if not place.paused:
                # no other worker may be there to take its values; then it stays as it is
                place.paused = bool(
                    await client.scheduler.retire_workers(workers=here, close_workers=False, remove=False)
                )
            if place.paused:
                answers = await client.run(_pause(), workers=here, on_error="return")
                if answers.get(place.address) == 0:
                    await client.scheduler.retire_workers(workers=here, close_workers=True, remove=True)
                    logger.info("Worker %s has left before the end of its job", place.name)
        except asyncio.CancelledError:
            raise
        except Exception:  # it has gone in the meantime, or the scheduler has
            logger.debug("worker %s", place.name, exc_info=True)
        finally:
            place.going = False

    async def _copy(self, place: EndingWorker) -> None:
        """Have other workers of a cluster that is not ours take our values, too; the worker itself is left alone."""
        scheduler: Any = self.lane.client.scheduler
        others = [a for a in self.present if a not in self.places or not self.places[a].leaving]
        try:
            held = (await scheduler.has_what(workers=[place.address])).get(place.address, ())
            keys = [key for key in held if KEY_MARK in str(key)]
            if keys and others:
                await scheduler.replicate(keys=keys, n=1, workers=others, delete=False)
        except asyncio.CancelledError:
            raise
        except Exception:  # as above
            logger.debug("values of worker %s", place.name, exc_info=True)
        finally:
            place.going = False

    # -- calls that were cut off ---------------------------------------------------------------------------------

    def cut_off(self, shift: Shift) -> bool:
        """Whether a shift that was just lost was lost because its worker's job ended."""
        place = self.places.get(shift.link.address) if shift.link is not None else None
        # by the worker's reckoning, which may be off by the time that it took to start
        return place is not None and time.monotonic() >= 2 * place.end.last - place.end.end

    def again(self, call: Call, shift: Shift, running: bool) -> str:
        """Take note of a call that was cut off. "" when it is to run again, else why not."""
        ran = time.monotonic() - shift.since if running or len(shift.calls) == 1 else 0.0
        times, before = self.cut.get(call.number, (0, 0.0))
        self.lane.queues.at_least(call.function_key, ran)
        self._warn(call, ran)
        most: int = self.lane.executor.job_end_reruns
        if times >= most:
            self.cut.pop(call.number, None)
            return (
                f"its job ended, as it has {times} times before under this call: job_end_reruns={most}"
                if times
                else "its job ended, and job_end_reruns=0"
            )
        self.cut[call.number] = (times + 1, max(before, ran))
        logger.info(
            "A call of app %s was cut off by the end of the job of worker %s; it runs again elsewhere (%s of %s)",
            call.name,
            shift.worker,
            times + 1,
            most,
        )
        return ""

    def _warn(self, call: Call, ran: float) -> None:
        need = max(ran / WHOLE, self.lane.queues.need_of(call.function_key))
        if need < self.length or call.function_key in self._warned:
            return
        self._warned.add(call.function_key)
        logger.warning(
            "Calls of app %s seem to need more time than the jobs of executor %s have (%.0f s, as far as seen): they "
            "are cut off and run again. Give the provider a longer walltime, or split the calls",
            call.name,
            self.lane.label,
            self.length,
        )
