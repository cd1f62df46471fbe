"""Whatever happens, in whatever order: the promises of docs/design.md hold after every step.

The kernel, the lanes and what runs on workers are real, and Dask and time are those of :mod:`tests.lanes.fakes`.
Hypothesis makes up what happens: calls, dependents, cancelling, workers that die, connections that break.
`PARSL_ON_DASK_EXAMPLES` is the number of stories; each has some dozens of steps.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from concurrent.futures import CancelledError
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from parsl_on_dask import Config
from parsl_on_dask.common.states import FINAL_STATES, States
from parsl_on_dask.common.task_errors import DependencyError, JoinError
from parsl_on_dask.dataflow.dflow import DataFlowKernel
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.stages import Stage
from tests.lanes.fakes import NOTES, RAN, Worker, World, take_threads_from

LARGE = 3000
KINDS = ("value", "value", "light", "large", "fail", "flaky")
BROKEN = "broken for the test"


def work(token: int, kind: str, expected: list[Any], *values: Any) -> Any:
    from tests.lanes.fakes import note

    before = note(token)
    if list(values) != expected:
        raise AssertionError(f"call {token} was given {str(values)[:200]}, not {str(expected)[:200]}")
    if kind == "fail" or (kind == "flaky" and not before):
        raise ValueError(token)
    return b"%d|" % token * 1500 if kind == "large" else token


def light(token: int) -> int:
    """With arguments that are only noted when it is called."""
    from tests.lanes.fakes import note

    note(token)
    return token


def value_of(token: int, kind: str) -> Any:
    return b"%d|" % token * 1500 if kind == "large" else token


class Plan:
    """A task, and what has to become of it."""

    def __init__(self, token: int, kind: str, needs: list[Plan]) -> None:
        self.token, self.kind, self.needs = token, kind, needs
        self.future: Any = None
        self.cancelled = False
        self.ran_when_cancelled = 0

    @property
    def value(self) -> Any:
        return [need.value for need in self.needs] if self.kind == "join" else value_of(self.token, self.kind)

    def runs(self) -> int:
        return NOTES.count(self.token)


class Model(RuleBasedStateMachine):
    """One kernel with one lane, and all that can happen to its tasks."""

    @initialize(
        ours=st.booleans(),
        batching=st.sampled_from([True, True, False]),
        retries=st.integers(0, 2),
        handler=st.booleans(),
        workers=st.integers(0, 3),
        in_flight=st.sampled_from([None, 1, 3]),
        may_break=st.sampled_from([False, False, False, True]),
    )
    def begin(
        self,
        ours: bool,
        batching: bool,
        retries: int,
        handler: bool,
        workers: int,
        in_flight: int | None,
        may_break: bool,
    ) -> None:
        self.may_break, self.broken = may_break, False
        self.folder = tempfile.mkdtemp()
        self.world = World(ours, self.folder).__enter__()
        self.retries, self.ours = retries, ours
        executor = self.world.executor(batching, inline_limit=LARGE, in_flight=in_flight)
        config = Config(
            executors=[executor],
            run_dir=self.folder,
            strategy="none",
            initialize_logging=False,
            usage_tracking=0,
            retries=retries,
            retry_handler=(lambda error, record: 1) if handler else None,
        )
        self.kernel = DataFlowKernel(config, disable_cleanup=True)
        self.run_join = take_threads_from(self.kernel)
        self.lane: Any = executor.lane
        self.plans: list[Plan] = []
        self.deaths: list[Worker] = []
        #: numbers of calls that may have been charged, or run again, as their workers died
        self.struck: set[int] = set()
        for _ in range(workers):
            self.world.scheduler.add_worker()

    # -- what a script does --------------------------------------------------------------------------------------

    def _submit(self, kind: str, picks: list[int], makes: int = 0) -> Plan:
        needs = [self.plans[i % len(self.plans)] for i in picks] if self.plans and kind != "light" else []
        plan = Plan(len(self.plans), kind, needs)
        if kind == "join":

            def body() -> list[Any]:
                for _ in range(makes):
                    self._submit("light", [])
                return [need.future for need in needs]

            plan.future = self.kernel.submit(body, app_args=(), app_kwargs={}, join=True)
        elif kind == "light":
            plan.future = self.kernel.submit(light, app_args=(plan.token,), app_kwargs={})
        else:
            args = (plan.token, kind, [need.value for need in needs], *[need.future for need in needs])
            plan.future = self.kernel.submit(work, app_args=args, app_kwargs={})
        self.plans.append(plan)
        return plan

    @rule(kind=st.sampled_from(KINDS), picks=st.lists(st.integers(0, 100), max_size=3))
    def submit(self, kind: str, picks: list[int]) -> None:
        self._submit(kind, picks)

    @rule(kind=st.sampled_from(KINDS), length=st.integers(2, 6))
    def submit_a_chain(self, kind: str, length: int) -> None:
        """Each link waits for the one before it."""
        self._submit(kind, [])
        for _ in range(length):
            self._submit("value", [len(self.plans) - 1])

    @rule(kind=st.sampled_from(["value", "light"]), length=st.integers(2, 12))
    def submit_many(self, kind: str, length: int) -> None:
        for _ in range(length):
            self._submit(kind, [])

    @precondition(lambda self: self.plans)
    @rule(picks=st.lists(st.integers(0, 100), min_size=1, max_size=3), makes=st.integers(0, 2))
    def submit_a_join(self, picks: list[int], makes: int) -> None:
        self._submit("join", picks, makes)

    @precondition(lambda self: self.plans)
    @rule(pick=st.integers(0, 100), kind=st.sampled_from(KINDS))
    def submit_when_done(self, pick: int, kind: str) -> None:
        place = pick % len(self.plans)
        self.plans[place].future.add_done_callback(lambda _: self._submit(kind, [place]))

    @precondition(lambda self: self.plans)
    @rule(pick=st.integers(0, 100))
    def cancel(self, pick: int) -> None:
        plan = self.plans[pick % len(self.plans)]
        record = plan.future.task_record
        call = record.current_try if isinstance(record.current_try, Call) else None
        waits = record.stage in (Stage.WAITING, Stage.LAUNCHING, Stage.AHEAD, Stage.READY)
        runs = call is not None and any(
            w.call and w.call[0] == call.number for w in self.world.scheduler.workers.values()
        )
        done = plan.future.done() and not plan.cancelled
        if plan.future.cancel():
            assert not runs and not done
            plan.cancelled, plan.ran_when_cancelled = True, plan.runs()
        else:
            assert done or not waits or (call is not None and call.uncharged), "nobody has begun it"

    # -- what the lane does --------------------------------------------------------------------------------------

    @rule(most=st.sampled_from([1, 2, 1000]))
    def turn(self, most: int) -> None:
        self.lane.go(most)

    @rule()
    def tick(self) -> None:
        self.lane.tick()

    @rule()
    def call_back(self) -> None:
        self.kernel.callbacks.go()

    @rule()
    def join(self) -> None:
        self.run_join()

    @rule(what=st.sampled_from(["callback", "join"]))
    def on_the_lanes_thread(self, what: str) -> None:
        """A callback, or a join app, runs where the lane does its work, and may submit calls there."""
        step = self.kernel.callbacks.go if what == "callback" else self.run_join
        self.lane.act(lambda: (step(), self.lane.turn([]))[1])

    @precondition(lambda self: self.may_break and not self.broken and len(self.plans) > 4)
    @rule(where=st.sampled_from(["dispatch", "take_steps", "handle"]))
    def fault(self, where: str) -> None:
        """A mistake in the lane ends what its thread is at."""

        def fail(*_: Any) -> None:
            delattr(self.lane, where)
            raise RuntimeError(BROKEN)

        self.broken = True
        setattr(self.lane, where, fail)
        self.lane.tick()

    # -- what Dask and its workers do ----------------------------------------------------------------------------

    def _worker(self, pick: int) -> Worker | None:
        workers = list(self.world.scheduler.workers.values())
        return workers[pick % len(workers)] if workers else None

    @rule(pick=st.integers(0, 2), steps=st.lists(st.sampled_from(["begin", "take", "finish", "end"]), max_size=6))
    def act(self, pick: int, steps: list[str]) -> None:
        worker = self._worker(pick)
        if worker is not None:
            self.world.scheduler.assign(worker)
            for step in steps:
                getattr(worker, step)()

    @rule(pick=st.integers(0, 2), count=st.integers(1, 8))
    def work(self, pick: int, count: int) -> None:
        """Take so many calls to their ends, and leave the next one running."""
        worker = self._worker(pick)
        if worker is not None:
            self.world.scheduler.assign(worker)
            worker.begin()
            for _ in range(count):
                worker.finish()
                worker.take()

    @rule(times=st.integers(1, 6))
    def go_on(self, times: int) -> None:
        self.world.loop.turn(times)

    @rule(count=st.integers(1, 4))
    def hear(self, count: int) -> None:
        for _ in range(count):
            self.world.scheduler.hear()

    @rule()
    def everything_moves(self) -> None:
        self.world.settle(self.lane, 1)

    @rule(seconds=st.sampled_from([0.001, 0.06, 0.2, 1.0, 4.0, 11.0]))
    def pass_by(self, seconds: float) -> None:
        self.world.time.pass_by(seconds)

    @rule(pick=st.integers(0, 2))
    def kill(self, pick: int) -> None:
        worker = self._worker(pick)
        if worker is not None:
            self.strike(worker)

    def strike(self, worker: Worker) -> None:
        self.deaths.append(worker)
        if worker.call is not None:
            self.struck.add(worker.call[0])
            # it was begun, and is as good as run
            RAN.append((worker, worker.call[0], worker.shift.owes))  # type: ignore[union-attr]
        if not self.ours:
            self.struck.update(worker.began)
            if worker.shift is not None:
                self.struck.update(call[0] for call in worker.shift.todo)
        self.world.scheduler.lose(worker)

    @rule()
    def add_worker(self) -> None:
        if len(self.world.scheduler.workers) < 3:
            self.world.scheduler.add_worker()

    @rule(pick=st.integers(0, 2))
    def break_connections(self, pick: int) -> None:
        worker = self._worker(pick)
        if worker is not None:
            worker.break_connections()

    # -- what has to hold ----------------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        self.one_run_for_each_try()
        self.what_was_cancelled_does_not_run()
        self.what_waits_for_a_failure_does_not_run()
        self.every_call_is_in_one_place()
        self.states_agree()
        self.what_goes_ahead_agrees()

    def one_run_for_each_try(self) -> None:
        numbers = [number for _, number, again in RAN if not again]
        twice = {number for number in numbers if numbers.count(number) > 1}
        assert twice <= (set() if self.ours else self.struck), f"calls ran twice: {twice}"

    def what_was_cancelled_does_not_run(self) -> None:
        for plan in self.plans:
            if plan.cancelled:
                assert plan.future.cancelled()
                assert plan.runs() == plan.ran_when_cancelled

    def what_waits_for_a_failure_does_not_run(self) -> None:
        for plan in self.plans:
            if plan.kind != "join" and plan.runs():
                for need in plan.needs:
                    assert need.kind == "join" or need.runs() > (need.kind == "flaky"), (
                        "it ran before what it waits for"
                    )
                    assert need.kind != "fail" and not need.cancelled

    def every_call_is_in_one_place(self) -> None:
        lane = self.lane
        coming = {item.number for kind, item in _peek(lane.inbox) if kind == "call"}
        if lane.executor.batching:
            ready = {call.number for calls in lane.queues.waiting.values() for call in calls}
            assert lane.queues.size == sum(map(len, lane.queues.waiting.values()))
            sent = [number for batch in lane.shifts.values() for number in batch.calls]
            assert lane.open_shifts.keys() <= lane.shifts.keys()
            for number, call in lane.calls_ahead.calls.items():
                assert call.stage in (Stage.AHEAD, Stage.AHEAD_SENT, Stage.EARLY)
                if not self.broken:  # else its Dask task is forgotten, and it is dropped with its leader
                    assert (call.stage is Stage.AHEAD_SENT) == (number in sent), f"{call.stage} {number}"
            kept = set(lane.large_results.calls)
        else:
            ready = {entry[2].number for entry in lane.ready}
            sent = [s.call.number for s in (*lane.sent.values(), *lane.unclear)]
            kept = set()
        assert len(sent) == len(set(sent)), "a call is with two Dask tasks"
        for number, call in lane.live.items():
            if call.stage is Stage.READY:
                assert (number in ready) + (number in coming) == 1, f"call {number} waits nowhere, or twice"
            elif call.stage is Stage.SENT:
                assert number in sent, f"call {number} was sent and is with nobody"
            else:
                assert call.stage is Stage.DONE and number in kept, f"{call.stage} {number}"

    def states_agree(self) -> None:
        counts = dict.fromkeys(States, 0)
        for plan in self.plans:
            record = plan.future.task_record
            counts[record.status] += 1
            assert plan.future.done() == (record.status in FINAL_STATES)
            present = record.current_try
            if isinstance(present, Call) and present.number in self.lane.live:
                assert record.status is States.launched
        assert counts == self.kernel.task_state_counts

    def what_goes_ahead_agrees(self) -> None:
        """The kernel and the lane think the same of what was prepared before its time."""
        ahead = self.lane.calls_ahead.calls if self.lane.executor.batching else {}
        pending = {}
        for plan in self.plans:
            record = plan.future.task_record
            present = record.current_try
            if record.status is States.pending:
                pending[record.id] = record
                waits = [future for future in record.depends if not future.done()]
                assert record.awaited == len(waits), f"task {record.id} is told of the end of {record.awaited} others"
            if isinstance(present, Call) and present.ahead:
                assert record.status is States.pending and record.lane is self.lane
                assert ahead[present.number] is present
                assert present.leaders or not waits, "it waits for others, of which none is in front of it"
        for call in ahead.values():
            assert call.owner.current_try is call and call.owner.id in pending, "nobody wants it any more"
            for leader in call.leaders:
                assert leader.follower is call
                assert leader.owner.app_fu in call.owner.depends
        for number in self.kernel.flow.ahead.held:
            assert number in pending and pending[number].current_try is Stage.WAITING, "it waits for no other offer"

    # -- the end -------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.finish()
        finally:
            self.world.__exit__()
            shutil.rmtree(self.folder)

    def finish(self) -> None:
        for _ in range(400):
            if all(plan.future.done() for plan in self.plans) and not self.kernel.callbacks.busy:
                break
            if not self.world.scheduler.workers:
                self.world.scheduler.add_worker()
            self.world.settle(self.lane, 1)
            self.world.time.pass_by(0.3)
            self.lane.tick()
            self.kernel.callbacks.wait()
            while self.run_join():
                pass
            self.promises_hold()
        pending = [plan.token for plan in self.plans if not plan.future.done()]
        assert not pending, f"lost: {pending}"
        for plan in self.plans:
            self.judge(plan)
        self.states_agree()
        self.kernel.cleanup()
        assert self.lane.cluster.closed
        for name in ("live", "batches", "shifts", "sent"):
            assert not getattr(self.lane, name, None), name

    def judge(self, plan: Plan) -> None:
        """What became of a task has to follow from what happened."""
        error = None if plan.cancelled else plan.future.exception()
        if self.broken and isinstance(error, ExecutorError) and type(error) is not WorkerLost:
            assert BROKEN in str(error), repr(error)
            return
        if plan.cancelled:
            try:
                plan.future.result()
            except CancelledError:
                return
            raise AssertionError("cancel() said True")
        failed = [need for need in plan.needs if need.cancelled or need.future.exception() is not None]
        if failed:
            assert type(error) is (JoinError if plan.kind == "join" else DependencyError), repr(error)
            assert plan.kind == "join" or not plan.runs()
            told = [e for e, _ in error.dependent_exceptions_tids]
            assert set(map(id, told)) <= {id(n.future.exception()) for n in failed if not n.cancelled} | set(
                map(id, [e for e in told if isinstance(e, CancelledError)])
            )
        elif type(error) is WorkerLost:
            assert self.deaths, repr(error)
        elif isinstance(error, ExecutorError):
            raise AssertionError(repr(error)) from error
        elif plan.kind == "fail" or (plan.kind == "flaky" and error is not None):
            assert type(error) is ValueError and error.args == (plan.token,), repr(error)
            if not self.deaths and not self.broken:
                assert plan.runs() == self.retries + 1
        else:
            if error is not None:
                raise AssertionError(f"task {plan.token}, {plan.kind}: {error!r}") from error
            try:
                value = plan.future.result()
            except ExecutorError as e:  # the worker died, and so did the one on which Dask made the value again
                assert plan.kind in ("large", "join") and len(self.deaths) > 1, repr(e)
            else:
                assert value == plan.value


def _peek(inbox: Any) -> list[tuple[str, Any]]:
    """What is in a queue; it is put in again."""
    found = [inbox.get_nowait() for _ in range(inbox.qsize())]
    for item in found:
        inbox.put(item)
    return found


Model.TestCase.settings = settings(
    max_examples=int(os.environ.get("PARSL_ON_DASK_EXAMPLES", "60")),
    stateful_step_count=60,
    deadline=None,
    derandomize="PARSL_ON_DASK_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.mark.timeout(900)
class TestModel(Model.TestCase):  # type: ignore[name-defined, misc]
    def runTest(self) -> None:
        parsl = logging.getLogger("parsl")
        before = parsl.level
        parsl.setLevel(logging.CRITICAL)  # thousands of failures that were asked for
        try:
            super().runTest()
        finally:
            parsl.setLevel(before)
