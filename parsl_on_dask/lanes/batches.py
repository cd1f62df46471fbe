"""The lane to workers in other processes.

One thread of the lane does everything that is not submission: it takes the calls that are ready, makes
batches of them, gives the batches to Dask, reads what the workers report, and completes the calls. Many calls
that get ready while it works therefore travel together.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters import open_cluster
from parsl_on_dask.clusters.badnodes import REST
from parsl_on_dask.clusters.presence import enter, topic_of
from parsl_on_dask.common import interrupts
from parsl_on_dask.dask_internals.unpickling import survive_exits
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.direct import hold, resume
from parsl_on_dask.lanes.dispatch import Dispatcher
from parsl_on_dask.lanes.failures import each_its_own
from parsl_on_dask.lanes.faults import Faults
from parsl_on_dask.lanes.jobends import JobEnds
from parsl_on_dask.lanes.keeping import Keeping
from parsl_on_dask.lanes.links import Links
from parsl_on_dask.lanes.packing import Packer
from parsl_on_dask.lanes.preference import preference_of
from parsl_on_dask.lanes.reports import Reports
from parsl_on_dask.lanes.shift import Batch
from parsl_on_dask.lanes.sizes import Queues
from parsl_on_dask.lanes.stages import SUBMIT, Stage
from parsl_on_dask.lanes.values import RemoteValue, pickling
from parsl_on_dask.lanes.waiting import Waiting
from parsl_on_dask.lanes.waits import never_wait_here
from parsl_on_dask.remote.packing import loads

if TYPE_CHECKING:
    from parsl_on_dask.jobs.node_hours import NodeHours

logger = logging.getLogger("parsl.lanes.batches")

#: Seconds between looks at the cluster itself.
TICK = 1.0
#: Seconds in which Dask's client has told everybody that tasks were let go of.
SETTLED = 0.005
#: How many calls are made ready between looks at what else there is to do.
STEPS = 128
#: How many calls are made ready, that is pickled, before they can be sent; the others wait as they came.
READY = 4096


class BatchLane(Lane):
    """Sends calls to a Dask cluster in batches.

    Parameters
    ----------
    executor : HighThroughputExecutor or DaskExecutor
    """

    remote = True

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self.label = executor.label
        self.cluster = open_cluster(executor)
        self.client = self.cluster.client
        self.parsl_page = self.cluster.parsl_page
        if self.cluster.ours:  # else it has entered already
            enter(self.client, foreign=False)
        survive_exits()
        self.topic = topic_of(self.client, uuid.uuid4().hex)
        self.preference = preference_of(self)
        self.packer = Packer(self.label, self.client, self.executor.inline_limit)
        self.queues = Queues(executor, self.cluster.ours)
        self.inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.numbers = itertools.count(1)
        self.batches: dict[str, Batch] = {}
        self.shifts: dict[str, Batch] = {}
        self.links = Links(self.client, self.topic, lambda kind, item: self.inbox.put((kind, item)))
        self.live: dict[int, Call] = {}
        self.steps: deque[tuple[Callable[[Any], None], Any]] = deque()
        self.waiting = Waiting(self)
        self.ends = JobEnds(self)
        self.dispatcher = Dispatcher(self)
        self.keeping = Keeping(self)
        self.rested = threading.Event()
        self.faults = Faults(self.cluster.machine_of, self._blame)
        self.reports = Reports(self)
        self.closing = False
        self.ended = False
        self.asleep = False
        self.lost: BaseException | None = None
        self.client.subscribe_topic(self.topic, lambda event: self.links.heard(event[1]))
        self.cluster.idle = self.idle_blocks  # type: ignore[method-assign]
        self.cluster.busy = self.busy  # type: ignore[method-assign]
        self.cluster.on_change = lambda: self.inbox.put(("change", None))  # type: ignore[method-assign]
        self.cluster.on_notice = lambda *notice: self.inbox.put(("notice", notice))  # type: ignore[method-assign]
        self.thread = threading.Thread(target=self._loop, name=f"parsl-lane-{self.label}", daemon=True)
        self.thread.start()

    # -- from any thread ---------------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        if call.number:  # it went ahead
            stage = self.waiting.arrive(call)
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
        try:
            self.packer.pack(call)
        except Exception as e:
            self.finish(call, Outcome(error=e))
            return
        self.live[call.number] = call
        if call.stage is Stage.LAUNCHING:
            call.step(SUBMIT)
        if call.stage is not Stage.READY:  # cancelled meanwhile
            self.live.pop(call.number, None)
        elif self.closing:
            self.finish(call, Outcome(error=self.end_error()))
        elif threading.get_ident() == self.thread.ident:
            self.queues.add(call)
        else:
            self.inbox.put(("call", call))

    def knows(self, function: Callable[..., Any]) -> bool:
        return self.packer.knows(function)

    def later(self, name: str, step: Callable[[Any], None], item: Any) -> None:
        self.steps.append((step, item))
        if self.asleep:
            self.asleep = False
            self.inbox.put(("step", None))
        if self.ended:
            self._take_last_steps()

    def withdraw(self, call: Call) -> None:
        self.live.pop(call.number, None)
        self.waiting.drop(call)

    def outstanding(self) -> int:
        return len(self.live) + len(self.steps)

    def running(self) -> dict[str, int]:
        """Calls that workers are at: of each Dask task that has begun, the first that has not reported."""
        found: Counter[str] = Counter()
        for batch in list(self.batches.values()):
            try:
                if batch.started and batch.calls:
                    found[next(iter(batch.calls.values())).name] += 1
            except (RuntimeError, StopIteration):  # it changed meanwhile
                found[batch.name] += 1
        return found

    @property
    def goes_ahead(self) -> bool:  # type: ignore[override]
        """Whether calls can be sent before what they wait for is done."""
        return bool(self.executor.batching) and not self.closing

    def ahead_size(self) -> int:
        """Number of calls that were prepared ahead and not submitted yet."""
        return len(self.waiting.calls)

    def prepare(self, call: Call) -> None:
        """Pack a call that is to go ahead, with promises among its arguments.

        Raises
        ------
        SerializationError
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
        """Send a prepared call after its leaders. False when one of these has a follower already."""
        if not self.waiting.add(call, leaders):
            return False
        self.inbox.put(("follow", call))
        return True

    def drop(self, call: Call) -> None:
        self.waiting.drop(call)

    def workers(self) -> list[dict[str, Any]]:
        running = Counter(batch.worker for batch in list(self.batches.values()) if batch.started and batch.calls)
        return [
            {
                **worker,
                "tasks": running[worker["name"]],
                "draining": worker.get("draining", False) or self.ends.drains(worker["address"]),
            }
            for worker in self.cluster.workers()
        ]

    def accepts(self, value: Any) -> bool:
        return isinstance(value, RemoteValue) and value.client is self.client

    def status(self) -> dict[str, Any]:
        return self.cluster.status()

    def slots_per_block(self) -> int:
        return self.cluster.slots_per_block()

    def scale_out(self, blocks: int = 1) -> list[str]:
        return self.cluster.scale_out(blocks)

    def busy(self) -> Mapping[str | None, float]:
        """How many slots of each block run calls."""
        working = [b.worker for b in list(self.batches.values()) if b.started and b.calls]
        return Counter(map(self.cluster.block_of, working))

    def idle_blocks(self) -> set[str]:
        return set(self.cluster.status()) - self.busy().keys()

    def node_hours(self) -> NodeHours | None:
        return self.cluster.node_hours()

    def _blame(self, machine: str, why: str) -> None:
        """Calls fail on a machine: give it no more of them, if there are others, and its blocks back."""
        if not self.cluster.leave_out(machine, why):
            return
        workers = self.workers()
        there = [worker for worker in workers if self.cluster.machine_of(worker["name"]) == machine]
        others = {worker["block"] for worker in workers if worker not in there}
        if there and others:
            threading.Thread(target=self._drain, args=(there, others), name="parsl-drain", daemon=True).start()

    def _drain(self, workers: list[dict[str, Any]], others: set[str | None]) -> None:
        try:
            hold(self, workers)
            blocks = {worker["block"] for worker in workers} - others
            if self.scaled and blocks:
                self.cluster.scale_in(len(blocks), blocks)
            elif not self.rested.wait(REST):
                resume(self, workers)
        except Exception:  # the workers have gone
            logger.debug("Lane %s: workers could not be drained", self.label, exc_info=True)

    def ending_blocks(self) -> set[str]:
        return self.ends.leaving_blocks()

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        return self.cluster.scale_in(blocks, among)

    def close(self, wait: bool = False) -> None:
        """Leave the cluster. Calls that are not done fail with an error that says so."""
        if self.closing and not self.thread.is_alive():
            return
        if wait:
            idle = threading.Event()
            while self.outstanding() and self.lost is None and not interrupts.came():
                idle.wait(0.005)
        self.closing = True
        self.rested.set()
        self.inbox.put(("close", None))
        if threading.current_thread() is not self.thread:
            self.thread.join(10)
        # what came in between the thread's last look and its end
        self._fail_all(self.end_error())
        try:
            self.client.unsubscribe_topic(self.topic)
        except Exception:  # the scheduler is gone, and the subscription with it
            logger.debug("Lane %s: no scheduler to say goodbye to", self.label)
        self.links.close()
        self.packer.large.clear()
        self._let_go()
        with suppress(Exception):  # what hears of the end of those tasks shall not be told while the interpreter ends
            self.client.sync(asyncio.sleep, SETTLED, callback_timeout=1)
        self.cluster.close()

    # -- the lane's own thread ----------------------------------------------------------------------------

    def _loop(self) -> None:
        never_wait_here(f"the thread of executor {self.label!r}")
        pickling.hurry = True
        ticked = time.monotonic()
        while True:
            for kind, item in self._news():
                if kind == "close":
                    self._fail_all(self.end_error())
                    self.ended = True
                    self._take_last_steps()
                    return
                self._handle(kind, item)
            if time.monotonic() - ticked >= TICK:  # after the news: what has come in is not late
                ticked = time.monotonic()
                self._handle("tick", None)
            self._take_steps(STEPS)
            try:
                self.dispatcher.dispatch()
            except BaseException as e:  # nobody must wait for ever for calls that cannot be sent
                logger.exception("Lane %s cannot send calls", self.label)
                self.lost = ExecutorError(self.executor, f"its calls cannot be sent: {type(e).__name__}: {e}")
                self.lost.__cause__ = e
                self.closing = True
                self._fail_all(self.lost)

    def _news(self) -> list[tuple[str, Any]]:
        """What has come in; waits for something if there is nothing else to do."""
        news = []
        try:
            self.asleep = True
            if not self._has_steps():
                news.append(self.inbox.get(timeout=TICK))
            self.asleep = False
            # only what is there now: more may come as fast as it is taken
            for _ in range(self.inbox.qsize()):
                news.append(self.inbox.get_nowait())
        except queue.Empty:
            self.asleep = False
        return news

    def _has_steps(self) -> bool:
        """Whether there are steps to do now. While many calls wait to be sent, the rest can stay what they are."""
        return bool(self.steps) and self.queues.size < READY

    def _take_steps(self, most: int) -> None:
        for _ in range(most):
            if not self.steps or not (self._has_steps() or self.closing):
                return
            try:
                step, item = self.steps[0]
                step(item)
            except BaseException:  # pickling runs code of the user's, which may raise SystemExit
                logger.exception("Lane %s: a call could not be made ready", self.label)
            finally:
                self.steps.popleft()

    def _take_last_steps(self) -> None:
        """Do the steps that are left, when the lane's thread has ended. By several threads, if they come together."""
        while True:
            try:
                step, item = self.steps.popleft()
            except IndexError:
                return
            try:
                step(item)
            except BaseException:  # pickling runs code of the user's, which may raise SystemExit
                logger.exception("Lane %s: a call could not be refused", self.label)

    def _handle(self, kind: str, item: Any) -> None:
        try:
            self._handle_one(kind, item)
        except BaseException:  # what is unpickled here runs code of the user's; it must not end this thread
            logger.exception("Lane %s: handling of %s failed", self.label, kind)

    def _handle_one(self, kind: str, item: Any) -> None:
        if kind == "call":
            self.queues.add(item)
        elif kind == "follow":
            self.dispatcher.follow(item)
        elif kind == "event":
            self.reports.read(loads(item))
        elif kind == "ended":
            self.reports.ended(*item)
        elif kind == "kept":
            self.keeping.begin(item)
        elif kind == "adopted":
            self.keeping.adopted(*item)
        elif kind == "looked":
            self.ends.looked()
        elif kind == "notice":
            self.ends.told(*item)
        elif kind == "tick":
            self.reports.late()
            self.ends.tick()
            self.cluster.refresh()
            trouble = self.cluster.trouble()
            if trouble is not None and self.lost is None:
                self.lost = trouble
                self.closing = True
                self._fail_all(trouble)

    def _fail_all(self, error: BaseException) -> None:
        self.queues.clear()
        self._let_go()
        for call in list(self.live.values()):
            self.finish(call, Outcome(error=each_its_own(error)))
        for number in list(self.keeping.calls):
            self.keeping.fail(number, each_its_own(error))

    def end_error(self) -> BaseException:
        """The error of calls that come when it is over."""
        return self.closed_error() if self.lost is None else each_its_own(self.lost)

    def _let_go(self) -> None:
        """Forget all Dask tasks. Dask would keep those of a client that goes on, and log about them at its end."""
        for batch in list(self.batches.values()):
            with suppress(Exception):  # the client's loop was closed
                batch.future.release()
        self.batches.clear()
        self.shifts.clear()

    def again(self, call: Call) -> None:
        """Let a call wait again that was sent and not run."""
        if self.waiting.back(call) is not Stage.READY:  # it waits for its leaders, or is not wanted any more
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
        """Give a call its outcome, unless it has one."""
        if self.waiting.end(call, outcome) is Stage.DONE:
            self._deliver(call, outcome)

    def _deliver(self, call: Call, outcome: Outcome) -> None:
        if outcome.large is not None:
            self.keeping.take(call, outcome)
        else:
            self.end(call, outcome)

    def end(self, call: Call, outcome: Outcome) -> None:
        """Let go of a call and tell its owner what became of it."""
        self.live.pop(call.number, None)
        call.payload = call.packed = None
        call.refs = ()
        call.function, call.args, call.kwargs = None, (), {}
        try:
            call.done(call, outcome)
        except BaseException:
            logger.exception("Completing a call of app %s failed", call.name)
