"""When calls count as lost whose reports do not come."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.lanes import reports as module
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.reports import LATE, Clock, Reports
from parsl_on_dask.lanes.shift import Shift
from parsl_on_dask.lanes.stages import Stage
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.packing import dumps
from tests.lanes.fakes import RAN, KilledWorker, Worker, World, call_of, outcome_of


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_process_that_was_stopped_does_not_take_calls_for_lost() -> None:
    time = Time()
    lost: list[Any] = []
    lane = SimpleNamespace(client=SimpleNamespace(status="running"), shifts={}, open_shifts={}, cluster=None)
    lane.large_results = SimpleNamespace(shift_ended=lambda batch: None)
    lane.dispatcher = SimpleNamespace(rests=lambda shift: None, ended=lambda shift: None)
    reports = Reports(lane)  # type: ignore[arg-type]
    reports.clock = Clock(time)
    reports._lost = lambda batch, *_: lost.append(batch.id)  # type: ignore[method-assign]
    batch = Shift("b", "app", feed=True)
    batch.begin_with([Call("app", print, (), {}, {}, print)])
    lane.shifts["b"] = batch
    for _ in range(10):
        time.now += 1
        reports.late()
    reports.ended(batch, SimpleNamespace(status="finished"))
    time.now += 1
    reports.late()
    assert not lost
    time.now += 3600  # SIGSTOP, and an hour later SIGCONT
    reports.late()
    assert not lost, "its reports may be in the sockets"
    while not lost:
        time.now += 1
        reports.late()
        assert time.now < 3711 + 2 * LATE
    assert lost == ["b"]


def ended_shift(last: Any, dask: Any, client: str = "running") -> tuple[list[Any], list[int]]:
    """What becomes of calls 7 and 8 when their Dask task ends: those that end, with their errors; those sent again."""
    left = [last] if last else []
    ended: list[tuple[int, Any]] = []
    again: list[int] = []
    cluster = SimpleNamespace(
        last_of=lambda _: left.pop() if left else None, end_of=lambda _: None, block_of=lambda _: None
    )
    lane = SimpleNamespace(client=SimpleNamespace(status=client), shifts={}, open_shifts={}, cluster=cluster)
    lane.large_results = SimpleNamespace(shift_ended=lambda shift: None)
    lane.dispatcher = SimpleNamespace(rests=lambda shift: None, ended=lambda shift: None)
    lane.ends = SimpleNamespace(cut_off=lambda shift: False)
    lane.take_note = lambda call, outcome: None
    lane.finish = lambda call, outcome: ended.append((call.number, type(outcome.error), outcome.worker, outcome.host))
    lane.again = lambda call: again.append(call.number)
    calls = [Call("app", print, (), {}, {}, print) for _ in range(2)]
    for number, call in enumerate(calls, 7):
        call.number = number
    shift = lane.shifts["b"] = Shift("b", "app", feed=True)
    shift.begin_with(calls)
    Reports(lane).ended(shift, dask)  # type: ignore[arg-type]
    assert bool(lane.shifts) is not bool(ended or again), "it is forgotten when that is settled"
    return ended, again


def test_what_a_dead_worker_has_left_is_read_once() -> None:
    killed = KilledWorker("b", SimpleNamespace(name="w", address="tcp://127.0.0.1:1"))
    ended, again = ended_shift((7, []), SimpleNamespace(status="error", exception=lambda: killed))
    assert ended == [(7, WorkerLost, "w", "127.0.0.1")], "the call that ran is charged with it"
    assert again == [8]


def test_calls_of_a_task_that_dask_has_lost_are_sent_again_at_once() -> None:
    assert ended_shift(None, SimpleNamespace(status="lost")) == ([], [7, 8])


def test_while_the_scheduler_is_gone_nothing_is_known_of_them() -> None:
    assert ended_shift(None, SimpleNamespace(status="lost"), client="closed") == ([], [])


def test_a_worker_in_this_process_is_where_its_address_says() -> None:
    killed = KilledWorker("b", SimpleNamespace(name=3, address="inproc://10.0.0.1/1/2"))
    assert module.whereabouts(killed) == ("3", "10.0.0.1")
    assert module.whereabouts(KilledWorker("b", SimpleNamespace(name="w", address="somewhere")))[1] == "somewhere"


def test_time_passes_as_usual_in_a_process_that_runs() -> None:
    time = Time()
    clock = Clock(time)
    for _ in range(10):
        time.now += 1.0
        clock.tick()
    assert clock.time == 10.0
    assert module.STRIDE > 1.0


def test_a_report_that_cannot_be_dealt_with_ends_its_own_call_alone() -> None:
    ended: list[tuple[int, Any]] = []
    calls = [Call("app", print, (), {}, {}, print) for _ in range(2)]
    for number, call in enumerate(calls, 1):
        call.number = number

    def learn(call: Call, *_: Any) -> None:
        if call.number == 1:
            raise ZeroDivisionError

    lane = SimpleNamespace(shifts={}, live={1: calls[0], 2: calls[1]}, queues=SimpleNamespace(learn=learn))
    lane.finish = lambda call, outcome: ended.append((call.number, type(outcome.error)))
    failed: list[int] = []
    lane.large_results = SimpleNamespace(fail=lambda number, error: failed.append(number))
    lane.dispatcher = SimpleNamespace(rests=lambda shift: None, ended=lambda shift: None)
    lane.take_note = lambda call, outcome: None
    batch = lane.shifts["b"] = Shift("b", "app", feed=True)
    batch.begin_with(calls)
    value = (module.VALUE, b"\x80\x04K\x01.", 0.0, 0.1)
    Reports(lane).read(("b", "w", "a", "h", 1, [(value[0], n, *value[1:]) for n in (1, 2)]))  # type: ignore[arg-type]
    assert ended == [(1, ZeroDivisionError), (2, type(None))]
    assert failed == [1], "also if it waited for its large result already"


def test_what_was_sent_later_is_sent_again_when_dask_runs_a_shift_on_another_worker() -> None:
    again: list[int] = []
    lane = SimpleNamespace(shifts={}, ends=SimpleNamespace(places={}), links=SimpleNamespace(to=lambda address: None))
    lane.dispatcher = SimpleNamespace(rests=lambda shift: None)
    lane.again = lambda call: again.append(call.number)
    calls = [Call("app", print, (), {}, {}, print) for _ in range(2)]
    for number, call in enumerate(calls, 1):
        call.number = number
    shift = lane.shifts["b"] = Shift("b", "app", feed=True)
    shift.begin_with(calls[:1])
    reports = Reports(lane)  # type: ignore[arg-type]
    reports.read(("b", "first", "a", "h", 1, [(module.STARTED,)]))
    shift.calls[2] = calls[1]
    reports.read(("b", "first", "a", "h", 2, [(module.STARTED,)]))
    assert again == [] and list(shift.calls) == [1, 2]
    reports.read(("b", "second", "a", "h", 1, [(module.STARTED,)]))
    assert again == [2] and list(shift.calls) == [1]


@pytest.fixture(params=[True, False], ids=["ours", "theirs"])
def world(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[World]:
    with World(ours=request.param, scratch=str(tmp_path)) as world:
        yield world


def together(world: World, count: int, function: Any = operator.neg) -> tuple[Any, Worker, list[Call]]:
    """A lane, a worker that has begun the first of several calls that came together, and these."""
    lane = world.lane()
    worker = world.scheduler.add_worker()
    one = call_of("app", function, 1)
    lane.packer.pack(one)
    lane.queues.learn(one, 0.001, kept=False)
    calls = [call_of("app", function, i) for i in range(count)]
    for call in calls:
        lane.submit(call)
    lane.queues.max_batch = count
    lane.queues.portion = lambda key, workers: count
    lane.go()
    world.scheduler.assign(worker)
    worker.begin()
    worker.take()
    return lane, worker, calls


def heard(world: World, lane: Any) -> None:
    """Everything that was told arrives."""
    for _ in range(6):
        world.loop.turn(4)
        while world.scheduler.hear():
            pass
        lane.go()


def missed(world: World, lane: Any) -> None:
    """What has not arrived does not arrive any more."""
    for _ in range(4):
        heard(world, lane)
        world.time.pass_by(module.STRIDE)
        lane.tick()


def test_the_call_that_ran_is_charged_and_the_others_run_elsewhere(world: World) -> None:
    lane, worker, calls = together(world, 3)
    worker.finish()
    worker.take()
    world.time.pass_by(0.01)
    heard(world, lane)
    world.scheduler.lose(worker)
    heard(world, lane)
    if world.scheduler.ours:  # whose journal says which it was
        assert isinstance(outcome_of(calls[1]).error, WorkerLost)
    world.scheduler.add_worker()
    world.settle(lane)
    assert outcome_of(calls[0]).value == 0 and outcome_of(calls[2]).value == -2
    assert [number for _, number, _ in RAN].count(calls[0].number) == 1
    if not world.scheduler.ours:
        assert outcome_of(calls[1]).value == -1, "nobody knows which call it was: both run again, each alone"
        assert calls[2].uncharged == 1 and calls[2].solo


def test_results_that_a_worker_could_not_send_any_more_are_in_its_journal() -> None:
    with World() as world:
        lane, worker, calls = together(world, 2)
        worker.finish()
        world.scheduler.lose(worker)  # before anything left it
        missed(world, lane)
        assert outcome_of(calls[0]).value == 0
        assert calls[1].stage is Stage.READY or calls[1].stage is Stage.SENT
        assert not calls[1].owner


@pytest.mark.parametrize("batching", [True, False])
def test_a_call_whose_large_result_died_with_its_worker_has_run(batching: bool) -> None:
    with World() as world:
        lane = world.lane(batching, inline_limit=100)
        worker = world.scheduler.add_worker()
        call = call_of("app", operator.mul, b"x", 1000)
        lane.submit(call)
        lane.go()
        world.scheduler.assign(worker)
        worker.begin()
        worker.take()
        worker.finish()
        world.scheduler.lose(worker)
        missed(world, lane)
        with pytest.raises(WorkerLost, match="its result was lost with it"):
            raise outcome_of(call).error or AssertionError
        assert len(RAN) == 1


@pytest.mark.parametrize("batching", [True, False])
def test_a_large_result_stays_where_it_is_and_is_made_again_after_a_loss(world: World, batching: bool) -> None:
    lane = world.lane(batching, inline_limit=100)
    worker = world.scheduler.add_worker()
    call = call_of("app", operator.mul, b"x", 1000)
    lane.submit(call)
    world.settle(lane, 5)
    value = outcome_of(call).value
    assert type(value) is RemoteValue and value.size > 1000
    world.scheduler.lose(worker)
    assert value.fetch() == b"x" * 1000
    assert [again for _, _, again in RAN] == [False, world.scheduler.ours]


def test_what_waits_behind_a_long_call_is_handed_back(world: World) -> None:
    lane, worker, calls = together(world, 3)
    for _ in range(2):
        world.time.pass_by(0.06)
        heard(world, lane)
    [batch] = [b for b in lane.shifts.values() if b.started]
    assert batch.stuck and list(batch.calls) == [calls[0].number]
    assert not batch.open and not batch.next
    assert {call.stage for call in calls[1:]} <= {Stage.READY, Stage.SENT}
    assert not any(call.uncharged for call in calls), "that is no loss"
    worker.finish()
    worker.take()
    world.settle(lane)
    assert sorted(outcome_of(call).value for call in calls) == [-2, -1, 0]
    assert len(RAN) == 3


def test_a_call_that_loses_its_workers_without_end_fails_in_the_end() -> None:
    for batching in (True, False):
        with World() as world:
            lane = world.lane(batching)
            call = call_of("app", operator.neg, 1)
            lane.submit(call)
            for _ in range(60):
                worker = world.scheduler.add_worker()
                lane.go()
                world.scheduler.assign(worker)  # and it dies before it begins
                world.scheduler.lose(worker)
                heard(world, lane)
                world.time.pass_by(4.0)
                lane.tick()
                world.time.pass_by(4.0)
                lane.tick()
            assert isinstance(outcome_of(call).error, WorkerLost)
            assert call.uncharged == module.UNCHARGED and not RAN


def test_a_task_that_dask_cannot_run_fails_its_calls(world: World) -> None:
    lane, _, calls = together(world, 2)
    task = next(iter(world.scheduler.tasks.values()))
    world.scheduler.failed(task, MemoryError("no room"))
    heard(world, lane)
    for call in calls:
        error = outcome_of(call).error
        assert "Dask could not run a task of app 'app': MemoryError: no room" in str(error)
        assert isinstance(error.__cause__, MemoryError)  # type: ignore[union-attr]


def test_a_result_that_cannot_be_read_here_is_the_calls_error() -> None:
    class Odd:
        def __reduce__(self) -> Any:
            return (exec, ("raise SystemExit(3)",))

    for report in ((module.VALUE, 1, dumps(Odd()), 0.0, 1.0), (module.ERROR, 1, dumps(Odd()), 0.0, 1.0)):
        outcome = module.outcome_of_report(report, "odd", "w", "h")
        assert "the result of app 'odd' cannot be rebuilt in the submitting process: SystemExit: 3" in str(
            outcome.error
        )
        assert isinstance(outcome.error.__cause__, SystemExit)  # type: ignore[union-attr]
        assert (outcome.worker, outcome.host, outcome.began, outcome.ended) == ("w", "h", 0.0, 1.0)


def test_reports_of_a_task_that_is_over_are_of_no_interest(world: World) -> None:
    lane = world.lane()
    lane.reports.read(("gone", "w", "a", "h", 1, [(module.VALUE, 1, b"", 0.0, 1.0)]))


def test_samples_and_messages_go_to_monitoring() -> None:
    seen: list[Any] = []
    watch = SimpleNamespace(seen=lambda *what: seen.append(what), message=lambda what: seen.append(what))
    call = call_of()
    module.watched(watch, call, "w", "h", (module.SAMPLES, 1, "cpu"))
    module.watched(watch, None, "w", "h", (module.SAMPLES, 1, "cpu"))
    module.watched(watch, None, "w", "h", (module.MESSAGE, 0, dumps("told")))
    assert seen == [(call, "w", "h", "cpu"), "told"]
    module.watched(None, call, "w", "h", (module.SAMPLES, 1, "cpu"))
    assert len(seen) == 2


def test_the_cluster_forgets_a_task_when_dask_has_no_reason_to_run_it_again(world: World) -> None:
    for batching in (True, False):
        lane = world.lane(batching)
        forgotten: list[str] = []
        lane.cluster.done_with = forgotten.append
        world.scheduler.add_worker()
        call = call_of("app", operator.neg, 1)
        lane.submit(call)
        world.settle(lane)
        lane.tick()
        assert outcome_of(call).value == -1 and not forgotten
        world.time.pass_by(module.RELEASE + 1)
        lane.tick()
        assert len(forgotten) == 1


@pytest.mark.parametrize("batching", [True, False])
def test_the_cluster_does_not_forget_a_task_whose_value_is_there(world: World, batching: bool) -> None:
    lane = world.lane(batching, inline_limit=100)
    forgotten: list[str] = []
    lane.cluster.done_with = forgotten.append
    world.scheduler.add_worker()
    call = call_of("app", operator.mul, b"x", 1000)
    lane.submit(call)
    world.settle(lane)
    lane.tick()
    world.time.pass_by(module.RELEASE + 1)
    lane.tick()
    assert type(outcome_of(call).value) is RemoteValue and not forgotten


@pytest.mark.parametrize("batching", [True, False])
def test_what_fails_on_a_worker_is_counted_for_its_machine(world: World, batching: bool) -> None:
    lane = world.lane(batching)
    counted: list[Any] = []
    lane.faults.failed = lambda worker, app, error: counted.append((worker, error))
    lane.faults.worked = lambda worker, app: counted.append((worker, ""))
    worker = world.scheduler.add_worker()
    lane.submit(call_of("app", operator.neg, 1))
    lane.submit(call_of("app", operator.neg, "x"))
    world.settle(lane)
    assert counted == [(worker.name, "TypeError")]
    lane.faults.suspected["app"] = {}
    lane.submit(call_of("app", operator.neg, 1))
    world.settle(lane)
    assert counted[1:] == [(worker.name, "")]
    counted.clear()
    call = call_of("app", operator.neg, 1)
    lane.submit(call)
    lane.go()
    if not world.scheduler.assign(worker) and worker.shift is not None:  # the shift of before takes it
        world.loop.turn(6)
    worker.begin()
    worker.take()
    if world.scheduler.ours:
        world.scheduler.lose(worker)
        missed(world, lane)
        assert counted == [(worker.name, "WorkerLost")] and isinstance(outcome_of(call).error, WorkerLost)


def test_what_is_sampled_while_a_call_runs_goes_to_monitoring(world: World) -> None:
    lane, _, calls = together(world, 2)
    heard(world, lane)
    seen: list[Any] = []
    lane.watch = SimpleNamespace(seen=lambda *what: seen.append(what))
    [shift] = lane.shifts.values()
    lane.reports.read((shift.id, "w", "a", "h", 9, [(module.SAMPLES, calls[1].number, "cpu")]))
    assert seen == [(calls[1], "w", "h", "cpu")]
    lane.watch = None


def test_a_worker_tells_when_its_job_ends(world: World) -> None:
    lane, worker, _ = together(world, 2)
    [shift] = lane.shifts.values()
    for left, end in (((100.0, 200.0, 300.0), 1300.0), ((50.0, 60.0, 70.0), 1070.0), ((), None)):
        lane.reports.read((shift.id, worker.name, worker.address, "h", 9, [(module.STARTED, *left)]))
        assert ([place.end.end for place in lane.ends.places.values()] or [None]) == [end]


def test_a_function_that_a_worker_has_forgotten_is_sent_again() -> None:
    with World() as world:
        lane, worker, calls = together(world, 1)
        worker.finish()
        worker.take()
        heard(world, lane)
        [shift] = lane.shifts.values()
        assert shift.open and calls[0].function_key in shift.link.known
        worker.agent.functions.clear()
        assert worker.shift is not None
        worker.shift.functions.clear()
        again = call_of("app", operator.neg, 5)
        lane.submit(again)
        for _ in range(2):  # without the function, and with it
            heard(world, lane)
            worker.take()
            worker.finish()
            worker.take()
            world.time.pass_by(0.01)
        heard(world, lane)
        assert outcome_of(again).value == -5 and not shift.next and len(RAN) == 2
