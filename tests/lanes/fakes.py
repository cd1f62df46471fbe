"""A Dask cluster without processes, threads or time: scheduler, workers, connections, and lanes over them.

Nothing happens by itself. Whoever uses it says what happens next, so every order of things can be had. What is not
Dask's is real: the kernel, the lanes, and what runs on workers (:mod:`parsl_on_dask.remote`).
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from parsl_on_dask.clusters.base import Cluster
from parsl_on_dask.dataflow.internal import InternalExecutor
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.lanes import jobends, remote_lane, reports, simple
from parsl_on_dask.lanes.batches import BatchLane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.simple import SimpleLane
from parsl_on_dask.lanes.values import pickling
from parsl_on_dask.remote import agent, execution, journal, runner
from parsl_on_dask.remote.packing import dumps, loads


class KilledWorker(Exception):
    """As Dask's."""

    def __init__(self, key: str, last_worker: Any) -> None:
        super().__init__(key)
        self.last_worker = last_worker


class Time:
    """A clock that is set, in the place of the module ``time``."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.later: list[tuple[float, Callable[[], Any]]] = []

    def monotonic(self) -> float:
        return self.now

    time = monotonic

    def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and have done what was to be done later."""
        self.now += seconds
        due = [step for at, step in self.later if at <= self.now]
        self.later = [(at, step) for at, step in self.later if at > self.now]
        for step in due:
            step()


class Loop:
    """An event loop, Dask's client's and all workers', that goes on when it is told to."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.aio = asyncio.new_event_loop()
        self.problems: list[BaseException] = []
        self.running: set[Any] = set()

    def spawn(self, made: Any) -> None:
        task = self.aio.create_task(made)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def add_callback(self, function: Callable[..., Any], *args: Any) -> None:
        self.aio.call_soon(self._run, function, *args)

    def call_later(self, seconds: float, function: Callable[[], Any]) -> None:
        self.time.later.append((self.time.now + seconds, lambda: self.add_callback(function)))

    def _run(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            made = function(*args)
            if inspect.isawaitable(made):
                self.spawn(made)
        except Exception as e:
            self.problems.append(e)

    def turn(self, times: int = 1) -> None:
        """Let everything happen that is due, so many times over."""
        for _ in range(times):
            self.aio.call_soon(self.aio.stop)
            self.aio.run_forever()

    def close(self) -> None:
        self.turn(10)
        for task in asyncio.all_tasks(self.aio):
            task.cancel()
        self.turn(10)
        self.aio.close()


class Comm:
    """One end of a connection."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[Any] = asyncio.Queue()
        self.other: Comm = self
        self.closed = False

    async def write(self, message: Any) -> None:
        if self.closed:
            raise OSError("closed")
        self.other.came.put_nowait(message)

    async def read(self) -> Any:
        message = await self.came.get()
        if message is None:
            raise OSError("closed")
        return message

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            self.other.closed = True
            self.came.put_nowait(None)
            self.other.came.put_nowait(None)


class DaskFuture:
    """The client's end of a task."""

    def __init__(self, scheduler: Scheduler, task: Task) -> None:
        self.scheduler, self.task, self.key = scheduler, task, task.key
        self.status = "pending"
        self.callbacks: list[Callable[[Any], Any]] = []

    def add_done_callback(self, function: Callable[[Any], Any]) -> None:
        self.callbacks.append(function)
        self.task.heard_by = self  # Dask's client holds futures that have callbacks until these are called

    def ended(self, status: str) -> None:
        self.status = status
        self.task.heard_by = None
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback(self)

    def exception(self) -> BaseException | None:
        return self.task.error

    def result(self) -> Any:
        """The value; Dask makes it again if it was lost."""
        self.scheduler.recompute(self.task)
        if self.task.error is not None:
            raise self.task.error
        return self.task.value

    def release(self) -> None:
        self.task.wanted = False

    def __del__(self) -> None:
        self.release()


class Task:
    """A task, as the scheduler knows it."""

    def __init__(self, key: str, data: bytes, needs: list[DaskFuture], workers: Any, others: bool, rank: Any) -> None:
        self.key, self.data, self.needs, self.rank = key, data, needs, rank
        self.workers, self.others = workers, others
        self.state = "waiting"
        self.wanted = True
        self.error: BaseException | None = None
        self.value: Any = None
        self.places: set[Worker] = set()
        self.future: Any = None
        self.heard_by: Any = None


class Scheduler:
    """Tasks and workers."""

    def __init__(self, loop: Loop, ours: bool) -> None:
        self.loop = loop
        self.ours = ours
        self.tasks: dict[str, Task] = {}
        self.workers: dict[str, Worker] = {}
        self.dead: dict[str, Worker] = {}
        self.handlers: dict[str, Callable[[Any], Any]] = {}
        self.events: deque[tuple[str, Any]] = deque()
        self.numbers = iter(range(1_000_000))

    def add_worker(self) -> Worker:
        worker = Worker(self, f"w{next(self.numbers)}")
        self.workers[worker.address] = worker
        return worker

    def ready(self) -> list[Task]:
        """The tasks that could run now, in their order."""
        found = [t for t in list(self.tasks.values()) if t.state == "waiting" and t.wanted and self.has_values(t)]
        return sorted(found, key=lambda task: task.rank)

    def has_values(self, task: Task) -> bool:
        for need in task.needs:
            if need.task.state == "lost":
                need.task.state = "waiting"
                need.task.wanted = True
            elif need.task.state == "erred":
                assert need.task.error is not None
                self.failed(task, need.task.error)
                return False
        return all(need.task.state == "memory" for need in task.needs)

    def may(self, task: Task, worker: Worker) -> bool:
        there = [w for w in task.workers or () if w in self.workers]
        return not task.workers or worker.address in there or (task.others and not there)

    def assign(self, worker: Worker) -> bool:
        """Give a worker its next task. False when it has one, or there is none for it."""
        if worker.task is not None:
            return False
        for task in self.ready():
            if self.may(task, worker):
                task.state, task.places = "processing", {worker}
                worker.task = task
                return True
        return False

    def finished(self, worker: Worker, task: Task, value: Any) -> None:
        task.value, task.state = value, "memory"
        task.places = {worker}
        self.told(task, "finished")

    def failed(self, task: Task, error: BaseException) -> None:
        task.error, task.state = error, "erred"
        self.told(task, "error")

    def told(self, task: Task, status: str) -> None:
        """What the client is told: behind the events that are on their way."""
        self.events.append(("", (task, status)))

    def hear(self) -> bool:
        """Let the client hear the next thing. False when there is none."""
        if not self.events:
            return False
        topic, what = self.events.popleft()
        if topic:
            if topic in self.handlers:
                self.handlers[topic]((0.0, what))
            return True
        task, status = what
        future = task.future()
        if future is not None:
            future.ended(status)
        return True

    def lose(self, worker: Worker) -> None:
        """A worker dies."""
        del self.workers[worker.address]
        self.dead[worker.name] = worker
        worker.die()
        for task in list(self.tasks.values()):
            if task.state == "processing" and worker in task.places:
                self.failed(task, KilledWorker(task.key, worker))
            elif task.state == "memory":
                task.places.discard(worker)
                if not task.places:
                    task.state = "lost"

    def recompute(self, task: Task) -> None:
        """Have a value that was lost made again, now."""
        for _ in range(100):
            if task.state in ("memory", "erred"):
                return
            if task.state == "lost":
                task.state = "waiting"
            if not self.workers:
                self.add_worker()
            for worker in list(self.workers.values()):
                self.assign(worker)
                worker.go_on()
            self.loop.turn(4)
        raise AssertionError(f"{task.key} is {task.state}")


class Journal:
    """What outlives a worker."""

    def __init__(self) -> None:
        self.number = 0
        self.records: list[bytes] = []

    def running(self, number: int) -> None:
        self.number = number

    def add(self, record: bytes) -> None:
        self.records.append(record)


class Worker:
    """One slot. Real are the shift that it runs and the agent."""

    def __init__(self, scheduler: Scheduler, name: str) -> None:
        self.scheduler, self.name = scheduler, name
        self.address = f"tcp://{name}:1"
        self.loop = Leash(scheduler.loop)
        self.handlers: dict[str, Any] = {}
        self.state = SimpleNamespace(ready=None, constrained=None)
        self.journal = Journal()
        self.task: Task | None = None
        self.shift: runner.Shift | None = None
        self.agent: Any = None
        self.call: Any = None
        self.alive = True
        self.comms: list[Comm] = []
        #: numbers of the calls that it has begun, those that it was at included
        self.began: list[int] = []

    def log_event(self, topic: str, message: Any) -> None:
        if self.alive:
            self.scheduler.events.append((topic, message))

    @contextmanager
    def acting(self) -> Iterator[None]:
        before = journal.kept
        journal.keep(self.journal if self.scheduler.ours else None)  # type: ignore[arg-type]
        try:
            yield
        finally:
            journal.keep(before)

    def begin(self) -> bool:
        """Begin the task that it was given, as far as its first call."""
        if self.task is None or self.shift is not None:
            return False
        bundle = loads(self.task.data)
        self.leave = agent.agent_of(self, bundle["topic"])
        self.agent = self.leave.__enter__()
        values = [need.task.value for need in self.task.needs]
        shift = self.shift = runner.Shift(bundle, values, self, self.agent)
        with self.acting():
            self.agent.shifts[shift.id] = shift
            shift.report(shift.started(0.0))
            with shift.lock:
                shift.begin_watch()
            if shift.careful or not (shift.feed and self.agent.connected):
                shift.flush()
            if shift.careful:
                self.scheduler.loop.turn(3)
        return True

    def take(self) -> bool:
        """Begin a call. Where there is none, what is there to be told leaves."""
        if self.shift is None or self.call is not None:
            return False
        if not self.shift.todo:
            self.shift.flush()
            return False
        self.call = self.shift.next()
        if self.call is None:
            return False
        self.began.append(self.call[0])
        self.journal.running(self.call[0])
        return True

    def finish(self) -> bool:
        """Have the call end that runs."""
        if self.call is None:
            return False
        shift, call, self.call = self.shift, self.call, None
        assert shift is not None
        RAN.append((self, call[0], shift.owes))
        with self.acting():
            report = shift.execute(call)
            if not shift.has_run(report):  # a promise that cannot be kept, or a function that is not known
                RAN.pop()
                self.began.remove(call[0])
            shift.report(report)
            if shift.several and shift.large:
                shift.end()
        return True

    def end(self) -> bool:
        """Have the task end, if nothing is left to do."""
        if self.shift is None or self.call is not None or self.shift.todo:
            return False
        shift, task = self.shift, self.task
        assert task is not None
        with self.acting():
            with shift.lock:
                shift.over = True
            if not (shift.owes and shift.trouble is not None) and shift.kept and shift.ran:
                with open(shift.ran, "w") as file:
                    file.write(" ".join(map(str, shift.kept)))
            shift.agent.shifts.pop(shift.id, None)
            shift.flush()
        self.shift = self.task = None
        self.leave.__exit__(None, None, None)

        def over() -> None:  # after what the shift has told
            if self.alive:
                if shift.owes and shift.trouble is not None:
                    self.scheduler.failed(task, LookupError("cannot be made again"))
                else:
                    self.scheduler.finished(self, task, shift.kept)

        self.loop.add_callback(over)
        return True

    def go_on(self) -> None:
        """Take everything to its end that was begun."""
        for step in (self.begin, self.finish):
            step()
        while self.take():
            self.finish()
        self.end()

    def break_connections(self) -> None:
        comms, self.comms = self.comms, []
        for comm in comms:
            comm.abort()

    def die(self) -> None:
        self.alive = self.loop.alive = False
        self.break_connections()
        if self.shift is not None:
            self.shift = self.call = None
            self.leave.__exit__(None, None, None)


class Leash:
    """A worker's share in the loop: it ends with the worker."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.alive = True

    def _mine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: function(*args) if self.alive else None

    def add_callback(self, function: Callable[..., Any], *args: Any) -> None:
        self.loop.add_callback(self._mine(function), *args)

    def call_later(self, seconds: float, function: Callable[[], Any]) -> None:
        self.loop.call_later(seconds, self._mine(function))


#: Worker, number of the call, and whether a value was made anew: of each call that ran.
RAN: list[tuple[Worker, int, bool]] = []
#: What the calls that ran have noted of themselves.
NOTES: list[Any] = []


def note(what: Any) -> int:
    """Called by functions that run on fake workers. How often the same was noted before."""
    NOTES.append(what)
    return NOTES.count(what) - 1


class Client:
    """Dask's client, as far as lanes use it."""

    connection_args: dict[str, Any] = {}

    def __init__(self, scheduler: Scheduler) -> None:
        self.id = "client"
        self.status = "running"
        self.loop = scheduler.loop
        self.of = scheduler
        self.scheduler = SimpleNamespace(identity=self.identity)

    async def identity(self, n_workers: int = -1) -> Any:
        return {"workers": {a: {"name": w.name, "nthreads": 1} for a, w in self.of.workers.items()}}

    def scheduler_info(self) -> Any:
        return {"address": "fake"}

    def _make(self, key: str, data: bytes, needs: Any, workers: Any, others: bool, rank: Any) -> DaskFuture:
        import weakref

        task = self.of.tasks[key] = Task(key, data, needs, workers, others, rank)
        future = DaskFuture(self.of, task)
        task.future = weakref.ref(future)
        return future

    def map(self, function: Any, data: Any, needs: Any, *, key: Any, **options: Any) -> list[DaskFuture]:
        return [self.submit(function, *parts, key=k, **options) for *parts, k in zip(data, needs, key, strict=True)]

    def submit(
        self,
        function: Any,
        data: bytes,
        needs: Any,
        *,
        key: str,
        workers: Any = None,
        allow_other_workers: bool = False,
        priority: float = 0,
        **_: Any,
    ) -> DaskFuture:
        rank = (-priority, next(self.of.numbers))
        return self._make(key, data, list(needs), workers, allow_other_workers, rank)

    def subscribe_topic(self, topic: str, handler: Callable[[Any], Any]) -> None:
        self.of.handlers[topic] = handler

    def unsubscribe_topic(self, topic: str) -> None:
        del self.of.handlers[topic]

    def sync(self, *_: Any, **__: Any) -> None:
        """Wait for nothing."""


class FakeCluster(Cluster):
    """The cluster of one lane."""

    def __init__(self, scheduler: Scheduler, scratch: str = "") -> None:
        self.scheduler = scheduler
        self.client: Any = Client(scheduler)
        self.roster: Any = SimpleNamespace(refresh=lambda client: None)
        self.started_here = scheduler.ours
        self.scratch = scratch if scheduler.ours else ""
        self.error: BaseException | None = None
        self.closed = False

    def workers(self) -> list[dict[str, Any]]:
        return [
            {"address": w.address, "name": w.name, "host": "fake", "pid": 1, "block": "0", "node": None, "nthreads": 1}
            for w in self.scheduler.workers.values()
        ]

    def slots(self) -> int:
        return max(1, len(self.scheduler.workers))

    def last_of(self, worker: str) -> tuple[int, list[bytes]] | None:
        dead = self.scheduler.dead.get(worker) if self.started_here else None
        return None if dead is None else (dead.journal.number, dead.journal.records)

    def trouble(self) -> BaseException | None:
        return self.error

    def close(self) -> None:
        self.closed = True


class _Turning:
    """Lanes whose thread is whoever calls :meth:`go`."""

    turning = False

    def begin(self: Any) -> None:
        self.client.subscribe_topic(self.topic, lambda event: self.received(event[1]))
        self.thread = SimpleNamespace(is_alive=lambda: not self.gone, join=self._join, ident=None)
        self.gone = False

    def here(self) -> bool:
        return self.turning

    def _join(self: Any, timeout: float | None = None) -> None:
        while not self.gone:
            self.go()

    def go(self: Any, most: int = 1_000_000) -> None:
        """What the lane's thread does in one turn, with no more than so much of what has come in."""
        news = [self.inbox.get_nowait() for _ in range(min(most, self.inbox.qsize()))]
        self.act(lambda: self.turn(news))

    def tick(self: Any) -> None:
        """What the lane's thread does every second, after all that has come in."""
        news = [self.inbox.get_nowait() for _ in range(self.inbox.qsize())]
        self.act(lambda: self.turn([*news, ("tick", None)]))

    def act(self: Any, step: Callable[[], Any]) -> None:
        if self.gone:
            return
        self.turning, pickling.hurry = True, True
        try:
            self.gone = not step()
        finally:
            self.turning = pickling.hurry = False


class TurningBatchLane(_Turning, BatchLane):
    """Batches, turn by turn."""


class TurningSimpleLane(_Turning, SimpleLane):
    """The simple lane, turn by turn."""


class FakeExecutor(HighThroughputExecutor):
    """Its workers are those of a fake scheduler."""

    def __init__(self, scheduler: Scheduler, scratch: str, batching: bool, **options: Any) -> None:
        super().__init__(label="fake", batching=batching, **options)
        self.made = FakeCluster(scheduler, scratch)

    def start(self) -> None:
        lane: Any = (TurningBatchLane if self.batching else TurningSimpleLane)(self)
        if self.batching:
            lane.reports.clock = reports.Clock(lane.client.loop.time.monotonic)
        self._lane = lane


#: Modules that look at the clock.
TIMED = (remote_lane, reports, jobends, simple, runner, execution, agent)


class World:
    """Everything that stands in for Dask and for time, while it is entered."""

    def __init__(self, ours: bool = True, scratch: str = "") -> None:
        self.time = Time()
        self.loop = Loop(self.time)
        self.scheduler = Scheduler(self.loop, ours)
        self.scratch = scratch
        self.patches: list[Any] = []

    def executor(self, batching: bool = True, **options: Any) -> FakeExecutor:
        return FakeExecutor(self.scheduler, self.scratch, batching, **options)

    def lane(self, batching: bool = True, **options: Any) -> Any:
        """A lane that belongs to no kernel."""
        executor = self.executor(batching, **options)
        executor.start()
        return executor.lane

    async def connect(self, address: str, **_: Any) -> Comm:
        worker = self.scheduler.workers.get(address)
        if worker is None:
            raise OSError(f"nobody at {address}")
        mine, theirs = Comm(), Comm()
        mine.other, theirs.other = theirs, mine
        worker.comms.append(mine)
        self.loop.spawn(self._serve(worker, theirs))
        return mine

    async def _serve(self, worker: Worker, comm: Comm) -> None:
        try:
            asked = await comm.read()
        except OSError:
            return
        handler = worker.handlers.get(asked["op"])
        if handler is None:
            comm.abort()
        else:
            await handler(comm, topic=asked["topic"], link=asked["link"])

    def __enter__(self) -> World:
        RAN.clear()
        NOTES.clear()
        self.patches = [
            mock.patch("distributed.comm.core.connect", self.connect),
            mock.patch.object(remote_lane, "open_cluster", lambda executor: executor.made),
            mock.patch.object(remote_lane, "enter", lambda client, foreign: None),
            *[mock.patch.object(module, "time", self.time) for module in TIMED],
        ]
        for patch in self.patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self.scheduler.workers.values()):
            worker.die()
        self.loop.close()
        for patch in self.patches:
            patch.stop()
        assert not self.loop.problems, self.loop.problems

    def settle(self, lane: Any, times: int = 50) -> None:
        """Let everything go on until nothing is left to do."""
        for _ in range(times):
            lane.go()
            self.loop.turn(4)
            for worker in list(self.scheduler.workers.values()):
                self.scheduler.assign(worker)
                worker.go_on()
            self.loop.turn(4)
            while self.scheduler.hear():
                pass


class HandedCallbacks:
    """A kernel's callbacks, called when somebody says so."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        self.waiting.append((function, args))

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    def wait(self, timeout: float | None = None) -> bool:
        while self.waiting:
            self.go()
        return True

    def go(self) -> None:
        if self.waiting:
            function, args = self.waiting.popleft()
            function(*args)


def take_threads_from(kernel: Any) -> Callable[[], bool]:
    """Have a kernel's callbacks called, and its join apps run, by nobody; returns what runs the next join app."""
    kernel.callbacks = HandedCallbacks()
    executor: InternalExecutor = next(e for e in kernel.executors.values() if isinstance(e, InternalExecutor))
    lane: Any = executor.lane
    lane.pool.places = 0

    def run_next() -> bool:
        if lane.pool.queue.empty():
            return False
        call = lane.pool.queue.get_nowait()
        if call is not None:
            lane.take(call)
        return True

    return run_next


def call_of(name: str = "app", function: Callable[..., Any] = max, *args: Any, number: int = 0, **spec: Any) -> Call:
    """A call that was not submitted; what becomes of it is put into its ``owner``, a list."""
    call = Call(name, function, args, {}, spec, lambda call, outcome: call.owner.append(outcome), [])
    call.number = number
    return call


def outcome_of(call: Call) -> Outcome:
    """The outcome of a call that has one."""
    [outcome] = call.owner
    return outcome


def payload_of(data: bytes) -> Any:
    return loads(data)


def pickled(value: Any) -> bytes:
    return dumps(value)


def scratch_of(folder: Any) -> str:
    os.makedirs(folder, exist_ok=True)
    return str(folder)
