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
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from parsl_on_dask.clusters import open_cluster
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.bootstrap import KEY_MARK, launch
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.failures import as_exception, unpack_error
from parsl_on_dask.lanes.links import Link, Links
from parsl_on_dask.lanes.packing import Packer
from parsl_on_dask.lanes.sizes import LONG, TARGET, Queues
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.packing import dumps, loads
from parsl_on_dask.remote.runner import ERROR, FORGOTTEN, HANDED_BACK, KEPT, STARTED, VALUE

logger = logging.getLogger("parsl.lanes.batches")

#: How often a call may be sent again because its worker died while running another one.
UNCHARGED = 8
#: How many Dask tasks go to the scheduler in one message.
TOGETHER = 64
#: Seconds of work per slot from which on an existing cluster is shown that more workers would be of use.
BACKLOG = 2.0
#: Seconds between looks at the cluster itself.
TICK = 1.0
#: Seconds to wait for the reports of a Dask task that has ended.
LATE = 3.0


class Batch:
    """Calls that are with Dask as one task: a shift, from the client's side.

    Attributes
    ----------
    calls : dict of int to Call
        Those that have not reported yet.
    initial : set of int
        Numbers of those that are part of the Dask task itself.
    feed : bool
        Whether more calls can be sent after it.
    over : bool
        Whether its Dask task has ended.
    """

    __slots__ = (
        "calls",
        "ended_at",
        "feed",
        "future",
        "host",
        "id",
        "initial",
        "link",
        "name",
        "over",
        "several",
        "started",
        "worker",
    )

    def __init__(self, number: str, name: str, calls: list[Call], feed: bool) -> None:
        self.id = number
        self.name = name
        self.calls = {c.number: c for c in calls}
        self.initial = set(self.calls)
        self.feed = feed
        self.several = feed or len(calls) > 1
        self.future: Any = None
        self.link: Link | None = None
        self.started = False
        self.over = False
        self.ended_at = 0.0
        self.worker = ""
        self.host = ""

    @property
    def open(self) -> bool:
        """Whether calls can be sent to it now."""
        return self.feed and self.started and not self.over and self.link is not None and self.link.ready


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
                self._dispatch()
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
            self._read(loads(item))
        elif kind == "ended":
            self._ended(*item)
        elif kind == "tick":
            self._late()
            self.cluster.refresh()
            trouble = self.cluster.trouble()
            if trouble is not None and self.lost is None:
                self.lost = trouble
                self.closing = True
                self._fail_all(trouble)

    def _dispatch(self) -> None:
        """Send what can be sent: to shifts that run, and as new Dask tasks."""
        if not self.queues.size:
            return
        slots = self.cluster.slots()
        placed = True
        while placed:
            placed = False
            for key, alone in self.queues.heads():
                if alone:
                    room = self._limit(key, slots) - (len(self.batches) - len(self.shifts))
                    if room > 0:
                        self._send_each(self.queues.take(key, min(room, TOGETHER)))
                        placed = True
                    continue
                count = self.queues.portion(key, slots)
                refers = bool(key[2])
                shift = None if refers else self._room(key, count)
                if refers:
                    if len(self.batches) - len(self.shifts) < 2 * slots + 2:
                        self._send([self.queues.take(key, count)], False)
                        placed = True
                elif shift is not None:
                    self._feed(shift, self.queues.take(key, count))
                    placed = True
                elif len(self.shifts) < self._shifts(key, slots):
                    known = self.cluster.ours or bool(self.queues.mean(key))
                    self._send([self.queues.take(key, count)], known)
                    placed = True

    def _shifts(self, key: Any, slots: int) -> int:
        """How many shifts there may be. More than run at a time where others may add workers, as demand shows."""
        backlog = len(self.queues.waiting[key]) * self.queues.mean(key) / slots
        return slots if self.cluster.ours or backlog < BACKLOG else 2 * slots

    def _limit(self, key: Any, slots: int) -> int:
        """How many Dask tasks with one call each may be under way: enough to keep the workers busy meanwhile."""
        mean = self.queues.mean(key)
        quick = int(TARGET / mean) if 0 < mean < LONG else 0
        return int(self.executor.in_flight or 2 * slots + 2 + min(TOGETHER, quick))

    def _send_each(self, calls: list[Call]) -> None:
        """Make a Dask task of each call; those with the same wishes go to the scheduler in one message."""
        if calls[0].spec:
            for call in calls:
                self._send([[call]], False)
        else:
            self._send([[call] for call in calls], False)

    def _room(self, key: Any, count: int) -> Batch | None:
        """The open shift that should take the next calls of a queue."""
        known = self.queues.mean(key)
        best, load = None, 0.0
        for shift in self.shifts.values():
            if not shift.open:
                continue
            waiting = len(shift.calls)
            if waiting and (not known or waiting >= 2 * count or waiting * known > 2 * TARGET):
                continue
            if best is None or waiting < load:
                best, load = shift, waiting
        return best

    def _claimed(self, calls: list[Call]) -> list[Call]:
        return [c for c in calls if c.uncharged or c.claim()]

    def _feed(self, shift: Batch, calls: list[Call]) -> None:
        calls = self._claimed(calls)
        link = shift.link
        if not calls or link is None:
            return
        functions = {}
        for call in calls:
            shift.calls[call.number] = call
            if call.function_key not in link.known:
                functions[call.function_key] = self.packer.functions[call.function_key]
        self.links.send(link, dumps((shift.id, functions, [(c.number, c.function_key, c.payload, -1) for c in calls])))

    def _send(self, groups: list[list[Call]], feed: bool) -> None:
        """Make a Dask task of each group of calls. All of them have the same resource specification."""
        groups = [claimed for calls in groups if (claimed := self._claimed(calls))]
        if not groups:
            return
        batches = [Batch(uuid.uuid4().hex, calls[0].name, calls, feed) for calls in groups]
        # the calls of a group refer to the same values, if to any
        refs = [calls[0].refs for calls in groups]
        bundles = [self._bundle(*parts) for parts in zip(batches, groups, refs, strict=True)]
        keys = [f"{b.name if len(b.calls) == 1 else f'{b.name} x{len(b.calls)}'}{KEY_MARK}{b.id}" for b in batches]
        first = groups[0][0]
        try:
            futures = self.client.map(
                launch(),
                bundles,
                [[ref.future for ref in values] for values in refs],
                key=keys,
                pure=False,
                priority=dask_priority(first.spec),  # type: ignore[arg-type]
                resources=resources_of(first.spec),
                workers=first.spec.get("workers"),
            )
        except Exception as e:
            error = ExecutorError(self.executor, f"Dask did not take a task of app {first.name!r}: {e!r}")
            for call in [call for calls in groups for call in calls]:
                self._finish(call, Outcome(error=error))
            return
        for batch, future in zip(batches, futures, strict=True):
            batch.future = future
            self.batches[batch.id] = batch
            if feed:
                self.shifts[batch.id] = batch
            future.add_done_callback(lambda f, b=batch: self.inbox.put(("ended", (b, f))))

    def _bundle(self, batch: Batch, calls: list[Call], refs: tuple[RemoteValue, ...]) -> bytes:
        return dumps(
            {
                "topic": self.topic,
                "batch": batch.id,
                "inline": self.executor.inline_limit,
                "feed": batch.feed,
                # without a mark that outlives the worker, its report is all that tells which call was running
                "careful": not batch.several and not self.cluster.ours,
                "items": [ref.item for ref in refs],
                "functions": {c.function_key: self.packer.functions[c.function_key] for c in calls},
                "calls": [(c.number, c.function_key, c.payload, 0 if refs else -1) for c in calls],
            }
        )

    def _read(self, message: tuple[Any, ...]) -> None:
        batch_id, worker, address, host, _, reports = message
        batch = self.batches.get(batch_id)
        if batch is None:  # Dask ran it again to recompute a value; all its calls are done
            return
        batch.host = host
        self._take(batch, worker, address, host, reports)
        if batch.over and not batch.calls:
            self.batches.pop(batch.id, None)

    def _take(self, batch: Batch, worker: str, address: str, host: str, reports: Iterable[tuple[Any, ...]]) -> None:
        for report in reports:
            kind = report[0]
            if kind == STARTED:
                self._started(batch, worker, address)
            elif kind == HANDED_BACK:
                for number in report[1]:
                    call = batch.calls.pop(number, None)
                    if call is not None:
                        call.uncharged = max(1, call.uncharged)
                        self.queues.add(call, first=True)
            elif kind == FORGOTTEN:
                if batch.link is not None:
                    batch.link.known.discard(report[2])
                if (call := batch.calls.pop(report[1], None)) is not None:
                    call.uncharged = max(1, call.uncharged)
                    self.queues.add(call, first=True)
            else:
                _, number, data, began, ended = report
                call = batch.calls.pop(number, None)
                if call is None:
                    continue
                self.queues.learn(call, ended - began, kind == KEPT)
                if batch.link is not None:
                    batch.link.known.add(call.function_key)
                outcome = Outcome(worker=worker, host=host, began=began, ended=ended)
                if kind == VALUE:
                    try:
                        outcome.value = loads(data)
                    except Exception as e:
                        outcome.error = as_exception("DeserializationError", (_cannot_read(call.name, e),))
                        outcome.error.__cause__ = e
                elif kind == KEPT:
                    item = number if batch.several else None
                    outcome.value = RemoteValue(self.label, self.client, batch.future, item, data)
                elif kind == ERROR:
                    outcome.error = unpack_error(loads(data))
                self._finish(call, outcome)

    def _started(self, batch: Batch, worker: str, address: str) -> None:
        again = batch.started and batch.worker != worker
        batch.started = True
        batch.worker = worker
        batch.link = self.links.to(address)
        if again:  # its worker died, and this cluster's Dask runs lost tasks again: what was sent later was lost
            for number in set(batch.calls) - batch.initial:
                self._again(batch.calls.pop(number))

    def _again(self, call: Call) -> None:
        call.uncharged += 1
        call.solo = True
        self.queues.add(call, first=True)

    def _ended(self, batch: Batch, future: Any) -> None:
        batch.over = True
        self.shifts.pop(batch.id, None)
        if not batch.calls:
            self.batches.pop(batch.id, None)
            return
        status = future.status
        if status == "finished":
            # the last reports, or calls that came too late for it, are on the direct way
            batch.ended_at = time.monotonic()
            return
        self.batches.pop(batch.id, None)
        if status == "error":
            error = future.exception()
            if type(error).__name__ == "KilledWorker":
                self._worker_lost(batch, error)
            else:
                self._unreported(batch, error)
        elif not self.closing:
            text = f"the Dask scheduler was lost or forgot the task (its state is {status!r})"
            self._fail(batch, ExecutorError(self.executor, text))

    def _late(self) -> None:
        """Find the calls of ended Dask tasks whose reports do not come: they were sent to a worker that was leaving."""
        for batch in [b for b in self.batches.values() if b.over and time.monotonic() - b.ended_at > LATE]:
            del self.batches[batch.id]
            late = [batch.calls[n] for n in batch.calls if n in batch.initial or batch.calls[n].uncharged > UNCHARGED]
            for number in set(batch.calls) - {c.number for c in late}:
                self._again(batch.calls.pop(number))
            if batch.calls:
                self._unreported(batch, None)

    def _worker_lost(self, batch: Batch, error: Any) -> None:
        """Charge the call that was running with a lost worker; send the others again."""
        worker = str(error.last_worker.name)
        host = batch.host or _host_of(error.last_worker)
        last = self.cluster.last_of(worker)
        running = None
        if last is not None:
            running, records = last
            # calls that had ended, and whose reports died with the worker
            unsent = [report for number, report in map(loads, records) if number == batch.id]
            self._take(batch, worker, "", host, unsent)
        for number, call in list(batch.calls.items()):
            guilty = running == number if running is not None else not batch.several and batch.started
            if guilty or call.uncharged >= UNCHARGED:
                self._finish(call, Outcome(error=as_exception("WorkerLost", (worker, host)), worker=worker, host=host))
            else:
                self._again(call)
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
        self.shifts.clear()
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


def dask_priority(spec: Mapping[str, Any]) -> float:
    """Dask runs the highest first, Parsl the lowest, and those without one last."""
    return 1e9 - spec["priority"] if "priority" in spec else 0
