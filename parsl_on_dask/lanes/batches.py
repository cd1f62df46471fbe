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
import uuid
from collections import deque
from typing import Any

from parsl_on_dask.clusters import open_cluster
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.bootstrap import launch
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.failures import as_exception, unpack_error
from parsl_on_dask.lanes.packing import Packer
from parsl_on_dask.lanes.sizes import Queues
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.packing import dumps, loads
from parsl_on_dask.remote.runner import ERROR, HANDED_BACK, KEPT, STARTED, VALUE

logger = logging.getLogger("parsl.lanes.batches")

#: How often a call may be sent again because its worker died while running another one.
UNCHARGED = 8


class Batch:
    """Calls that are with Dask as one task."""

    __slots__ = ("calls", "future", "id", "keeps", "single", "started", "worker")

    def __init__(self, number: str, calls: dict[int, Call]) -> None:
        self.id = number
        self.calls = calls
        self.single = len(calls) == 1
        self.future: Any = None
        self.started = False
        self.keeps = False
        self.worker = ""


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
        self.live: dict[int, Call] = {}
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
            self._finish(call, Outcome(error=self.lost or closed_error(self.executor)))
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

    def scale_out(self, blocks: int = 1) -> list[str]:
        return self.cluster.scale_out(blocks)

    def scale_in(self, blocks: int) -> list[str]:
        return self.cluster.scale_in(blocks)

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
        self.batches.clear()
        self.cluster.close()

    # -- the lane's own thread ----------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            try:
                kind, item = self.inbox.get(timeout=1.0)
            except queue.Empty:
                kind, item = "tick", None
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
            self._dispatch()

    def _handle(self, kind: str, item: Any) -> None:
        if kind == "call":
            self.queues.add(item)
        elif kind == "event":
            self._read(item)
        elif kind == "ended":
            self._ended(*item)
        elif kind == "tick":
            trouble = self.cluster.trouble()
            if trouble is not None and self.lost is None:
                self.lost = trouble
                self.closing = True
                self._fail_all(trouble)

    def _dispatch(self) -> None:
        slots = self.cluster.slots() if self.queues.size else 1
        while (calls := self.queues.next_batch(slots, len(self.batches))) is not None:
            claimed = [c for c in calls if c.uncharged or c.claim()]
            if claimed:
                self._send(claimed)

    def _send(self, calls: list[Call]) -> None:
        batch = Batch(uuid.uuid4().hex, {c.number: c for c in calls})
        functions = {c.function_key: self.packer.functions[c.function_key] for c in calls}
        refs: list[RemoteValue] = [ref for c in calls for ref in c.refs]
        data = dumps(
            {
                "topic": self.topic,
                "batch": batch.id,
                "inline": self.executor.inline_limit,
                "functions": functions,
                "items": [ref.item for ref in refs],
                "calls": [(c.number, c.function_key, c.payload, bool(c.refs)) for c in calls],
            }
        )
        spec = calls[0].spec
        name = calls[0].name if len(calls) == 1 else f"{calls[0].name} x{len(calls)}"
        self.batches[batch.id] = batch
        try:
            batch.future = self.client.submit(
                launch(),
                data,
                [ref.future for ref in refs],
                key=f"{name}-{batch.id}",
                pure=False,
                priority=int(spec.get("priority", 0) or 0),
                resources=resources_of(spec),
                workers=spec.get("workers"),
            )
        except Exception as e:
            del self.batches[batch.id]
            error = ExecutorError(self.executor, f"Dask did not take a task of app {calls[0].name!r}: {e!r}")
            for call in calls:
                self._finish(call, Outcome(error=error))
            return
        batch.future.add_done_callback(lambda future: self.inbox.put(("ended", (batch, future))))

    def _read(self, message: dict[str, Any]) -> None:
        batch = self.batches.get(message["batch"])
        if batch is None:  # Dask ran it again to recompute a value; all its calls are done
            return
        batch.worker = message["worker"]
        for report in message["reports"]:
            kind = report[0]
            if kind == STARTED:
                batch.started = True
            elif kind == HANDED_BACK:
                for number in report[1]:
                    call = batch.calls.pop(number, None)
                    if call is not None:
                        call.uncharged = max(1, call.uncharged)
                        self.queues.add(call, first=True)
            else:
                _, number, data, began, ended = report
                call = batch.calls.pop(number, None)
                if call is None:
                    continue
                self.queues.learn(call, ended - began, kind == KEPT)
                outcome = Outcome(worker=message["worker"], host=message["host"], began=began, ended=ended)
                if kind == VALUE:
                    try:
                        outcome.value = loads(data)
                    except Exception as e:
                        outcome.error = as_exception("DeserializationError", (_cannot_read(call.name, e),))
                        outcome.error.__cause__ = e
                elif kind == KEPT:
                    batch.keeps = True
                    outcome.value = RemoteValue(self.client, batch.future, None if batch.single else number, data)
                elif kind == ERROR:
                    outcome.error = unpack_error(loads(data))
                self._finish(call, outcome)

    def _ended(self, batch: Batch, future: Any) -> None:
        self.batches.pop(batch.id, None)
        if not batch.calls:
            return
        status = future.status
        if status == "error":
            error = future.exception()
            if type(error).__name__ == "KilledWorker":
                self._worker_lost(batch, error)
            else:
                self._unreported(batch, error)
        elif status == "finished":
            self._unreported(batch, None)
        elif not self.closing:
            text = f"the Dask scheduler was lost or forgot the task (its state is {status!r})"
            self._fail(batch, ExecutorError(self.executor, text))

    def _worker_lost(self, batch: Batch, error: Any) -> None:
        """Charge the call that was running with a lost worker; send the others again."""
        worker = str(error.last_worker.name)
        host = _host_of(error.last_worker)
        running = self.cluster.running_on(worker)
        for number, call in list(batch.calls.items()):
            if running is None:
                guilty = batch.single and (batch.started or call.uncharged > 1)
            else:
                guilty = running == number
            call.uncharged += 1
            call.solo = True
            if guilty or call.uncharged > UNCHARGED:
                self._finish(call, Outcome(error=as_exception("WorkerLost", (worker, host)), worker=worker, host=host))
            else:
                self.queues.add(call, first=True)
        batch.calls.clear()

    def _unreported(self, batch: Batch, error: BaseException | None) -> None:
        first = next(iter(batch.calls.values()))
        if error is None:
            text = f"Dask finished a task of app {first.name!r} and no report of it came"
        else:
            text = f"Dask could not run a task of app {first.name!r}: {type(error).__name__}: {error}"
        failure = ExecutorError(self.executor, text)
        failure.__cause__ = error
        self._fail(batch, failure)

    def _fail(self, batch: Batch, error: BaseException) -> None:
        for call in list(batch.calls.values()):
            self._finish(call, Outcome(error=error))
        batch.calls.clear()

    def _fail_all(self, error: BaseException) -> None:
        self.queues.clear()
        self.batches.clear()
        for call in list(self.live.values()):
            call.claim()
            self._finish(call, Outcome(error=error))

    def _finish(self, call: Call, outcome: Outcome) -> None:
        if self.live.pop(call.number, None) is None:
            return
        call.payload = None
        call.refs = ()
        try:
            call.done(call, outcome)
        except Exception:
            logger.exception("Completing a call of app %s failed", call.name)


def resources_of(spec: Any) -> dict[str, float] | None:
    """Dask resources that a resource specification asks for."""
    return dict(spec["resources"]) if spec.get("resources") else None


def closed_error(executor: Any) -> BaseException:
    """The error of calls that an executor was shut down under."""
    return ExecutorError(
        executor,
        "it was shut down before this task was done. Call parsl.wait_for_current_tasks() or the futures' result() "
        "before cleanup(), or load with exit_mode='wait'",
    )


def _host_of(worker: Any) -> str:
    from urllib.parse import urlsplit

    return urlsplit(worker.address).hostname or str(worker.address)


def _cannot_read(name: str, e: Exception) -> str:
    return f"the result of app {name!r} cannot be rebuilt in the submitting process: {type(e).__name__}: {e}"
