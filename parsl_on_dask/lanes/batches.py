"""The lane to workers in other processes.

One thread of the lane does everything that is not submission: it takes the calls that are ready, makes
batches of them, gives the batches to Dask, reads what the workers report, and completes the calls. Many calls
that get ready while it works therefore travel together.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
import uuid
from collections.abc import Collection
from typing import Any

from parsl_on_dask.clusters import open_cluster
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.dispatch import Dispatcher
from parsl_on_dask.lanes.links import Links
from parsl_on_dask.lanes.packing import Packer
from parsl_on_dask.lanes.reports import Reports
from parsl_on_dask.lanes.shift import Batch
from parsl_on_dask.lanes.sizes import Queues
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.packing import loads

logger = logging.getLogger("parsl.lanes.batches")

#: Seconds between looks at the cluster itself.
TICK = 1.0


class BatchLane(Lane):
    """Sends calls to a Dask cluster in batches.

    Parameters
    ----------
    executor : HighThroughputExecutor or DaskExecutor
    """

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self.label = executor.label
        self.cluster = open_cluster(executor)
        self.client = self.cluster.client
        self.topic = f"parsl-{uuid.uuid4().hex}"
        self.packer = Packer(self.client)
        self.queues = Queues(executor)
        self.inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.numbers = itertools.count(1)
        self.batches: dict[str, Batch] = {}
        self.shifts: dict[str, Batch] = {}
        self.links = Links(self.client, self.topic, lambda kind, item: self.inbox.put((kind, item)))
        self.live: dict[int, Call] = {}
        self.dispatcher = Dispatcher(self)
        self.reports = Reports(self)
        self.closing = False
        self.lost: BaseException | None = None
        self.client.subscribe_topic(self.topic, lambda event: self.inbox.put(("event", event[1])))
        self.thread = threading.Thread(target=self._loop, name=f"parsl-lane-{self.label}", daemon=True)
        self.thread.start()

    # -- from any thread ---------------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        call.number = next(self.numbers)
        try:
            self.packer.pack(call)
        except Exception as e:
            call.done(call, Outcome(error=e))
            return
        self.live[call.number] = call
        if self.closing:
            self.finish(call, Outcome(error=self.lost or closed_error(self.executor)))
            return
        self.inbox.put(("call", call))

    def cancel(self, call: Call) -> bool:
        if not call.claim():
            return False
        self.live.pop(call.number, None)
        return True

    def outstanding(self) -> int:
        return len(self.live)

    def workers(self) -> list[dict[str, Any]]:
        return self.cluster.workers()

    def accepts(self, value: Any) -> bool:
        return isinstance(value, RemoteValue) and value.client is self.client

    def status(self) -> dict[str, Any]:
        return self.cluster.status()

    def slots_per_block(self) -> int:
        return self.cluster.slots_per_block()

    def scale_out(self, blocks: int = 1) -> list[str]:
        return self.cluster.scale_out(blocks)

    def idle_blocks(self) -> set[str]:
        busy = {self.cluster.block_of(b.worker) for b in list(self.batches.values()) if b.started and b.calls}
        return set(self.cluster.status()) - busy

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        return self.cluster.scale_in(blocks, among)

    def close(self, wait: bool = False) -> None:
        """Leave the cluster. Calls that are not done fail with an error that says so."""
        if self.closing and not self.thread.is_alive():
            return
        if wait:
            idle = threading.Event()
            while self.live and self.lost is None:
                idle.wait(0.005)
        self.closing = True
        self.inbox.put(("close", None))
        if threading.current_thread() is not self.thread:
            self.thread.join(10)
        # what came in between the thread's last look and its end
        self._fail_all(self.lost or closed_error(self.executor))
        try:
            self.client.unsubscribe_topic(self.topic)
        except Exception:  # the scheduler is gone, and the subscription with it
            logger.debug("Lane %s: no scheduler to say goodbye to", self.label)
        self.links.close()
        self.batches.clear()
        self.shifts.clear()
        self.cluster.close()

    # -- the lane's own thread ----------------------------------------------------------------------------

    def _loop(self) -> None:
        ticked = time.monotonic()
        while True:
            kind, item = "tick", None
            if time.monotonic() - ticked < TICK:
                try:
                    kind, item = self.inbox.get(timeout=TICK)
                except queue.Empty:
                    pass
            if kind == "tick":
                ticked = time.monotonic()
            while True:
                if kind == "close":
                    self._fail_all(self.lost or closed_error(self.executor))
                    return
                try:
                    self._handle(kind, item)
                except Exception:
                    logger.exception("Lane %s: handling of %s failed", self.label, kind)
                try:
                    kind, item = self.inbox.get_nowait()
                except queue.Empty:
                    break
            try:
                self.dispatcher.dispatch()
            except Exception as e:  # nobody must wait for ever for calls that cannot be sent
                logger.exception("Lane %s cannot send calls", self.label)
                self.lost = ExecutorError(self.executor, f"its calls cannot be sent: {type(e).__name__}: {e}")
                self.lost.__cause__ = e
                self.closing = True
                self._fail_all(self.lost)

    def _handle(self, kind: str, item: Any) -> None:
        if kind == "call":
            self.queues.add(item)
        elif kind == "event":
            self.reports.read(loads(item))
        elif kind == "ended":
            self.reports.ended(*item)
        elif kind == "tick":
            self.reports.late()
            self.cluster.refresh()
            trouble = self.cluster.trouble()
            if trouble is not None and self.lost is None:
                self.lost = trouble
                self.closing = True
                self._fail_all(trouble)

    def _fail_all(self, error: BaseException) -> None:
        self.queues.clear()
        self.batches.clear()
        self.shifts.clear()
        for call in list(self.live.values()):
            call.claim()
            self.finish(call, Outcome(error=error))

    def finish(self, call: Call, outcome: Outcome) -> None:
        """Give a call its outcome, unless it has one."""
        if self.live.pop(call.number, None) is None:
            return
        call.payload = None
        call.refs = ()
        try:
            call.done(call, outcome)
        except Exception:
            logger.exception("Completing a call of app %s failed", call.name)


def closed_error(executor: Any) -> BaseException:
    """The error of calls that an executor was shut down under."""
    return ExecutorError(
        executor,
        "it was shut down before this task was done. Call parsl.wait_for_current_tasks() or the futures' result() "
        "before cleanup(), or load with exit_mode='wait'",
    )
