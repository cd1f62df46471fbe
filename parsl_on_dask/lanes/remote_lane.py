"""What the lanes to workers in other processes share: a cluster, and one thread that has all the work.

Everything that is not submission happens on that thread: sending calls, reading what workers report, and completing
calls. Whatever concerns the lane is put into its inbox, by whichever thread learns of it.
"""

from __future__ import annotations

import abc
import asyncio
import itertools
import logging
import queue
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters import open_cluster
from parsl_on_dask.clusters.badnodes import REST
from parsl_on_dask.clusters.client_plugins import enter, topic_of
from parsl_on_dask.dask_internals.unpickling import survive_exits
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors.lane_executor import LaneExecutor
from parsl_on_dask.lanes.base import ClientLane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.dask_noise import is_ours
from parsl_on_dask.lanes.failures import as_exception, each_its_own
from parsl_on_dask.lanes.faults import Faults
from parsl_on_dask.lanes.forbidden_waits import never_wait_here
from parsl_on_dask.lanes.packing import Packer
from parsl_on_dask.lanes.stages import FINISH, SUBMIT, Stage
from parsl_on_dask.lanes.values import pickling
from parsl_on_dask.lanes.worker_control import hold, resume

if TYPE_CHECKING:
    from parsl_on_dask.jobs.node_hours import NodeHours

logger = logging.getLogger("parsl.lanes.remote_lane")

#: Seconds between looks at the cluster itself.
TICK = 1.0
#: Seconds in which Dask's client has told everybody that tasks were let go of.
SETTLED = 0.005


class RemoteLane(ClientLane):
    """A lane to the workers of a Dask cluster."""

    executor: LaneExecutor

    def __init__(self, executor: LaneExecutor) -> None:
        super().__init__(executor)
        self.cluster = open_cluster(executor)
        self.client = self.cluster.client
        is_ours(getattr(self.client, "scheduler_comm", None))  # which the client has let go of when its end is told of
        self.parsl_page = self.cluster.parsl_page
        if self.cluster.started_here:  # else it has entered already
            enter(self.client, foreign=False)
        survive_exits()
        self.topic = topic_of(self.client, uuid.uuid4().hex)
        self.packer = Packer(self.label, self.client, executor.inline_limit)
        self.inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        # on workers that are shared a number has to mean one call of all lanes
        self.numbers = itertools.count(1 if self.cluster.started_here else random.getrandbits(40) << 20)
        self.unwanted: dict[int, Call] = {}
        self.rested = threading.Event()
        self.faults = Faults(self.cluster.machine_of, self._blame)
        self.asleep = False
        self.thread = threading.Thread(target=self._loop, name=f"parsl-lane-{self.label}", daemon=True)

    def begin(self) -> None:
        """Listen to the cluster and start the thread. The last step of construction."""
        self.client.subscribe_topic(self.topic, lambda event: self.received(event[1]))
        self.cluster.idle = self.idle_blocks  # type: ignore[method-assign]
        self.cluster.busy = self.busy  # type: ignore[method-assign]
        self.cluster.on_change = lambda: self.inbox.put(("change", None))  # type: ignore[method-assign]
        self.cluster.on_notice = lambda *notice: self.inbox.put(("notice", notice))  # type: ignore[method-assign]
        self.thread.start()

    # -- what kinds of lanes differ in ------------------------------------------------------------------------

    @abc.abstractmethod
    def received(self, message: Any) -> None:
        """Take what a worker told through the scheduler. In the client's event loop."""

    @abc.abstractmethod
    def dispatch(self) -> None:
        """Send what can be sent. On the lane's thread."""

    @abc.abstractmethod
    def working(self) -> list[tuple[str, str]]:
        """The calls that workers are at, as far as is known: name of the worker, name of the app."""

    @abc.abstractmethod
    def forget_tasks(self) -> None:
        """Forget all Dask tasks. Dask would keep those of a client that goes on, and log about them at its end."""

    def end_shifts(self, addresses: Collection[str]) -> None:
        """Have Dask tasks that wait for more calls on these workers end."""

    def hang_up(self) -> None:
        """End connections of this lane's own."""

    def take_steps(self) -> None:
        """Do what :meth:`later` was given. On the lane's thread."""

    def has_steps(self) -> bool:
        """Whether there are steps to do now."""
        return False

    def finish_steps(self) -> None:
        """Do the steps that are left, when the lane's thread has ended."""

    # -- from any thread -----------------------------------------------------------------------------------------

    def here(self) -> bool:
        """Whether this is the lane's thread."""
        return threading.get_ident() == self.thread.ident

    def take(self, call: Call) -> bool:
        """Pack a call that is submitted. False when it ends here: it was cancelled, or it cannot be sent."""
        try:
            if call.function is not None:  # else another process has packed it
                self.packer.pack(call)
        except Exception as e:
            self.finish(call, Outcome(error=e))
            return False
        self.live[call.number] = call
        if call.stage is Stage.LAUNCHING:
            call.step(SUBMIT)
        if call.stage is not Stage.READY:  # cancelled meanwhile
            self.live.pop(call.number, None)
            return False
        if self.closing:
            self.finish(call, Outcome(error=self.end_error()))
            return False
        return True

    def cannot_end(self) -> str:
        return self.cluster.cannot_end()

    def kill(self, call: Call) -> bool:
        if call.number not in self.live:
            return False
        if why := self.cannot_end():
            logger.warning("Executor %s: a call of app %s goes on, since %s", self.label, call.name, why)
            return False
        call.unwanted = True
        self.unwanted[call.number] = call
        self.inbox.put(("tick", None))
        return True

    def end_call(self, call: Call) -> None:
        """Have the worker of a call ended, if it runs it. On the lane's thread."""

    def is_unwanted(self, call: Call) -> bool:
        """Whether a call that came back without having been run is to be ended; it is, then."""
        if call.unwanted:
            self.finish(call, Outcome(error=as_exception("AppKilled", (call.name,))))
        return call.unwanted

    def running(self) -> dict[str, int]:
        return Counter(app for _, app in self.working())

    def workers(self) -> list[dict[str, Any]]:
        running = Counter(worker for worker, _ in self.working())
        return [{**worker, "tasks": running[worker["name"]]} for worker in self.cluster.workers()]

    def status(self) -> dict[str, Any]:
        return self.cluster.status()

    def slots_per_block(self) -> int:
        return self.cluster.slots_per_block()

    def scale_out(self, blocks: int = 1) -> list[str]:
        return self.cluster.scale_out(blocks)

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        return self.cluster.scale_in(blocks, among)

    def busy(self) -> Mapping[str | None, float]:
        """How many slots of each block run calls."""
        return Counter(self.cluster.block_of(worker) for worker, _ in self.working())

    def idle_blocks(self) -> set[str]:
        return set(self.cluster.status()) - self.busy().keys()

    def node_hours(self) -> NodeHours | None:
        return self.cluster.node_hours()

    def take_note(self, call: Call, outcome: Outcome) -> None:
        """Count what became of a call on its worker, for a machine on which calls fail to be noticed."""
        if outcome.error is not None:
            self.faults.failed(outcome.worker, call.function_key, type(outcome.error).__name__)
        elif self.faults.suspected:
            self.faults.worked(outcome.worker, call.function_key)

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

    def close(self, wait: bool = False) -> None:
        """Leave the cluster. Calls that are not done fail with an error that says so."""
        if self.left:
            return
        if wait:
            self.finish_all()
        self.closing = True
        self.rested.set()
        self.inbox.put(("close", None))
        if not self.here():
            self.thread.join(10)
        # what came in between the thread's last look and its end
        self.fail_all(self.end_error())
        try:
            self.client.unsubscribe_topic(self.topic)
        except Exception:  # the scheduler is gone, and the subscription with it
            logger.debug("Lane %s: no scheduler to say goodbye to", self.label)
        self.hang_up()
        self.packer.large.clear()
        self.forget_tasks()
        with suppress(Exception):  # what hears of the end of those tasks shall not be told while the interpreter ends
            self.client.sync(asyncio.sleep, SETTLED, callback_timeout=1)
        self.left = True
        self.cluster.close()

    # -- the lane's own thread -----------------------------------------------------------------------------------

    def _loop(self) -> None:
        never_wait_here(f"the thread of executor {self.label!r}")
        pickling.hurry = True
        ticked = time.monotonic()
        on = True
        while on:
            news = self._news()
            if time.monotonic() - ticked >= TICK:  # after the news: what has come in is not late
                ticked = time.monotonic()
                news.append(("tick", None))
            on = self.turn(news)

    def turn(self, news: list[tuple[str, Any]]) -> bool:
        """Take what has come in, and send what can be sent. False when that was the end."""
        try:
            for kind, item in news:
                if kind == "close":
                    self.fail_all(self.end_error())
                    self.finish_steps()
                    return False
                self.handle(kind, item)
            self.take_steps()
            self.dispatch()
        except BaseException as e:  # nobody must wait for ever for calls that cannot be sent
            logger.exception("Lane %s cannot send calls", self.label)
            self.give_up(ExecutorError(self.executor, f"its calls cannot be sent: {type(e).__name__}: {e}"), e)
        return True

    def _news(self) -> list[tuple[str, Any]]:
        """What has come in; waits for something if there is nothing else to do."""
        news = []
        try:
            self.asleep = True
            if not self.has_steps():
                news.append(self.inbox.get(timeout=TICK))
            self.asleep = False
            # only what is there now: more may come as fast as it is taken
            for _ in range(self.inbox.qsize()):
                news.append(self.inbox.get_nowait())
        except queue.Empty:
            self.asleep = False
        return news

    def handle(self, kind: str, item: Any) -> None:
        """Deal with one thing that has come in."""
        try:
            self._handle_one(kind, item)
        except BaseException as e:  # what is unpickled here runs code of the user's; it must not end this thread
            logger.exception("Lane %s: handling of %s failed", self.label, kind)
            if isinstance(item, Call):  # nobody else would end it
                self.finish(item, Outcome(error=e))

    def _handle_one(self, kind: str, item: Any) -> None:
        if kind == "tick":
            for number, call in list(self.unwanted.items()):
                if number in self.live:  # again, as its worker may not have been known before
                    self.end_call(call)
                else:
                    del self.unwanted[number]
            self.cluster.refresh()
            trouble = self.cluster.trouble()
            if trouble is not None and self.lost is None:
                self.give_up(trouble)

    def give_up(self, error: BaseException, cause: BaseException | None = None) -> None:
        """Take no more calls, and fail those that there are."""
        if cause is not None:
            error.__cause__ = cause
        self.lost = error
        self.closing = True
        self.fail_all(error)

    def fail_all(self, error: BaseException) -> None:
        """Fail all calls that are not done."""
        try:
            self.forget_tasks()
        except Exception:  # the calls must end all the same
            logger.exception("Lane %s: its Dask tasks could not be let go of", self.label)
        for call in list(self.live.values()):
            try:
                self.finish(call, Outcome(error=each_its_own(error)))
            except Exception:  # the others must end all the same
                logger.exception("Lane %s: call %s could not be ended", self.label, call.number)

    def finish(self, call: Call, outcome: Outcome) -> None:
        """Give a call its outcome, unless it has one."""
        if call.step(FINISH) is Stage.DONE:
            self.end(call, outcome)

    def end(self, call: Call, outcome: Outcome) -> None:
        """Let go of a call and tell its owner what became of it."""
        self.live.pop(call.number, None)
        call.end(outcome)
