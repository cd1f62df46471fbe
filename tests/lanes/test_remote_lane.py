"""A lane in trouble: its calls end with the reason, and it leaves its cluster."""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.common.app_errors import AppKilled
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes import batches, reports
from parsl_on_dask.lanes.stages import CANCEL, SUBMIT, Stage
from parsl_on_dask.remote.packing import loads
from parsl_on_dask.serialize.errors import SerializationError
from tests.lanes.fakes import RAN, World, call_of, outcome_of

both = pytest.mark.parametrize("batching", [True, False])


@pytest.fixture
def world(tmp_path: Any) -> Iterator[World]:
    with World(scratch=str(tmp_path)) as world:
        yield world


def waiting(lane: Any, count: int = 2, **spec: Any) -> list[Any]:
    calls = [call_of("app", operator.neg, i, **spec) for i in range(count)]
    for call in calls:
        lane.submit(call)
    return calls


@both
@pytest.mark.parametrize("where", ["dispatch", "take_steps", "handle"])
def test_what_goes_wrong_on_its_thread_is_what_calls_fail_with(world: World, batching: bool, where: str) -> None:
    lane = world.lane(batching)
    calls = waiting(lane)

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a mistake")

    setattr(lane, where, fail)
    lane.go()
    later = waiting(lane)
    for call in calls + later:
        error = outcome_of(call).error
        assert isinstance(error, ExecutorError) and "ZeroDivisionError: a mistake" in str(error)
    lane.close()
    assert lane.cluster.closed


@both
def test_one_whose_thread_has_died_leaves_its_cluster(world: World, batching: bool) -> None:
    lane = world.lane(batching)
    [call] = waiting(lane, 1)
    lane.give_up(ExecutorError(lane.executor, "in trouble"))
    lane.gone = True
    assert "in trouble" in str(outcome_of(call).error)
    lane.close()
    assert lane.cluster.closed


@both
def test_a_call_that_cannot_be_ended_keeps_no_other_one(
    world: World, batching: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = world.lane(batching)
    odd, other = waiting(lane)
    finish = type(lane).finish

    def fail(self: Any, call: Any, outcome: Any) -> None:
        if call is odd:
            raise ZeroDivisionError
        finish(self, call, outcome)

    monkeypatch.setattr(type(lane), "finish", fail)
    lane.close()
    assert isinstance(outcome_of(other).error, ExecutorError) and lane.cluster.closed


def test_a_call_that_cannot_wait_in_a_queue_ends(world: World) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    lane = world.lane()
    odd, other = [*waiting(lane, 1, colour=Shy()), *waiting(lane, 1)]
    world.scheduler.add_worker()
    world.settle(lane, 5)
    assert isinstance(outcome_of(odd).error, ZeroDivisionError) and outcome_of(other).value == 0


@both
def test_calls_of_a_lost_worker_end_when_nobody_can_say_what_became_of_them(world: World, batching: bool) -> None:
    lane = world.lane(batching)
    worker = world.scheduler.add_worker()
    [call] = waiting(lane, 1)
    lane.go()
    world.scheduler.assign(worker)
    worker.begin()
    worker.take()

    def torn(worker: str) -> Any:
        raise EOFError("half of a record")

    lane.cluster.last_of = torn
    world.scheduler.lose(worker)
    for _ in range(4):
        for _ in range(6):
            world.loop.turn(4)
            while world.scheduler.hear():
                pass
            lane.go()
        world.time.pass_by(reports.STRIDE)
        lane.tick()
    with pytest.raises(ExecutorError, match="cannot be found out: EOFError: half of a record"):
        raise outcome_of(call).error or AssertionError


# -- what is refused ---------------------------------------------------------------------------------------------


@both
def test_a_call_that_cannot_be_pickled_ends_where_it_is_submitted(world: World, batching: bool) -> None:
    lane = world.lane(batching)
    call = call_of("app", operator.neg, threading.Lock())
    lane.submit(call)
    with pytest.raises(SerializationError, match="argument 0, a lock, of app 'app' cannot be pickled"):
        raise outcome_of(call).error or AssertionError
    assert not lane.live and lane.inbox.empty() and not lane.outstanding()


@both
def test_a_call_that_is_cancelled_while_it_is_pickled_is_not_sent(world: World, batching: bool) -> None:
    class Cancelling:
        def __reduce__(self) -> Any:
            call.step(SUBMIT)
            assert call.step(CANCEL) is Stage.CANCELLED
            return (int, ())

    lane = world.lane(batching)
    call = call_of("app", operator.neg, Cancelling())
    lane.submit(call)
    assert not lane.live and lane.inbox.empty() and not call.owner


@both
def test_a_call_that_comes_after_the_end_is_told_why(world: World, batching: bool) -> None:
    lane = world.lane(batching)
    lane.close()
    lane.close()
    call = call_of("app", operator.neg, 1)
    lane.submit(call)
    assert "it was shut down before this task was done" in str(outcome_of(call).error)
    assert not lane.live and lane.inbox.empty()


@both
def test_trouble_of_the_cluster_is_that_of_all_its_calls_once(world: World, batching: bool) -> None:
    lane = world.lane(batching)
    [call] = waiting(lane, 1)
    lane.tick()
    assert not call.owner
    lane.cluster.error = ExecutorError(lane.executor, "no scheduler")
    lane.tick()
    assert "no scheduler" in str(outcome_of(call).error)
    first, lane.cluster.error = lane.lost, ExecutorError(lane.executor, "another")
    lane.tick()
    assert lane.lost is first
    assert "no scheduler" in str(outcome_of(waiting(lane, 1)[0]).error)


# -- what is told of workers and calls ---------------------------------------------------------------------------


def begun(world: World, lane: Any, *calls: Any) -> list[Any]:
    """Workers that have begun a call each, as the lane has heard."""
    workers = [world.scheduler.add_worker() for _ in calls]
    for call in calls:
        lane.submit(call)
    lane.go()
    for worker in workers:
        world.scheduler.assign(worker)
        worker.begin()
        worker.take()
    hear(world, lane)
    return workers


def hear(world: World, lane: Any) -> None:
    for _ in range(6):
        world.loop.turn(4)
        while world.scheduler.hear():
            pass
        lane.go()


@both
def test_who_is_at_what(world: World, batching: bool) -> None:
    lane = world.lane(batching)
    lane.cluster.block_of = lambda name: {"w0": "0", "w1": "1"}.get(name)
    lane.cluster.status = lambda: {"0": 1, "1": 1, "2": 1}
    first, _ = begun(world, lane, call_of("a", operator.neg, 1), call_of("b", operator.pos, 1))
    world.scheduler.add_worker()
    assert lane.running() == {"a": 1, "b": 1}
    assert sorted(lane.working()) == [("w0", "a"), ("w1", "b")]
    assert [worker["tasks"] for worker in lane.workers()] == [1, 1, 0]
    assert lane.busy() == {"0": 1, "1": 1} and lane.idle_blocks() == {"2"}
    first.finish()
    first.take()
    world.time.pass_by(0.01)
    hear(world, lane)
    assert lane.running()["a"] == 0 and "0" not in lane.busy()


@both
def test_a_call_that_runs_is_ended_with_its_worker(world: World, batching: bool) -> None:
    lane = world.lane(batching)
    ended: list[Any] = []
    lane.cluster.end_call = lambda worker, number: ended.append((worker, number))
    call, other = call_of("a", operator.neg, 1), call_of("b", operator.neg, 1)
    first, second = begun(world, lane, call, other)
    lane.cluster.cannot_end = lambda: "nobody can"
    assert not lane.kill(call) and not call.unwanted
    del lane.cluster.cannot_end
    assert lane.kill(call) and not ended
    lane.go()
    assert ended == [("w0", call.number)]
    lane.tick()
    assert ended == [("w0", call.number)] * 2, "its worker may not have been known"
    for worker in (first, second):
        worker.go_on()
    world.settle(lane, 5)
    lane.tick()
    assert len(ended) == 2 and not lane.unwanted
    assert not lane.kill(call)
    assert lane.cannot_end() == lane.cluster.cannot_end()


@both
def test_a_call_that_is_not_wanted_is_not_run_again(world: World, batching: bool) -> None:
    lane = world.lane(batching)
    [call] = waiting(lane, 1)
    lane.go()
    call.unwanted = True
    lane.again(call)
    assert isinstance(outcome_of(call).error, AppKilled) and not lane.live
    lane.go()
    assert len(world.scheduler.tasks) == 1


def test_a_machine_on_which_calls_fail_gets_no_more_of_them(world: World) -> None:
    lane = world.lane()
    for _ in range(3):
        world.scheduler.add_worker()
    blocks = iter(("0", "1", "1") * 9)
    workers = lane.cluster.workers
    lane.cluster.workers = lambda: [{**worker, "block": next(blocks)} for worker in workers()]
    lane.cluster.machine_of = lambda name: name
    asked: list[Any] = []
    lane.client.run = lambda function, workers: asked.append(workers)
    lane.cluster.scale_in = lambda count, among: asked.append((count, among))
    lane.rested = SimpleNamespace(wait=lambda seconds: asked.append("rest"), set=lambda: None)
    drained = threading.Event()
    drain = lane._drain
    lane._drain = lambda *what: (drain(*what), drained.set())

    def blamed(machine: str, may: bool = True) -> list[Any]:
        asked.clear()
        drained.clear()
        lane.cluster.leave_out = lambda machine, why: may
        lane._blame(machine, "why")
        if any(thread.name == "parsl-drain" for thread in threading.enumerate()):
            assert drained.wait(60)
        return list(asked)

    first, second, _ = world.scheduler.workers
    assert blamed("w0", False) == [] and blamed("elsewhere") == []
    lane.scaled = True
    assert blamed("w0") == [[first], (1, {"0"})], "its block is given back"
    assert blamed("w1") == [[second], "rest", [second]], "others are in its block: it rests"
    lane.scaled = False
    assert blamed("w0") == [[first], "rest", [first]]
    lane.rested = SimpleNamespace(wait=lambda seconds: True, set=lambda: None)
    assert blamed("w0") == [[first]], "the lane has ended"


# -- the lane of batches -----------------------------------------------------------------------------------------


def test_steps_are_taken_so_many_at_a_time_and_while_not_too_many_calls_wait(world: World) -> None:
    lane = world.lane()
    taken: list[Any] = []
    for number in range(batches.STEPS + 2):
        lane.later("app", taken.append, number)
    lane.later("app", taken.extend, (1, 2))
    lane.later("app", lambda item: taken.append(1 / item), 0)
    assert lane.outstanding() == batches.STEPS + 4
    lane.go()
    assert taken == list(range(batches.STEPS))
    lane.queues.size = batches.READY
    lane.go()
    assert len(taken) == batches.STEPS and not lane.has_steps()
    lane.queues.size = batches.READY - 1
    assert lane.has_steps()
    lane.queues.size = 0
    lane.go()
    assert taken[batches.STEPS :] == [batches.STEPS, batches.STEPS + 1, 1, 2] and not lane.outstanding()
    lane.later("app", taken.append, "late")
    lane.close()
    assert taken[-1] == "late"
    lane.later("app", taken.append, "too late")
    assert taken[-1] == "too late" and not lane.steps


def test_a_thread_that_sleeps_is_woken_once(world: World) -> None:
    lane = world.lane()
    lane.asleep = True
    for number in range(3):
        lane.later("app", print, number)
    assert lane.inbox.qsize() == 1 and not lane.asleep
    lane.steps.clear()


def test_shifts_on_workers_that_are_to_rest_are_ended(world: World) -> None:
    lane = world.lane()
    _, second = begun(world, lane, *[call_of("a", operator.neg, 1) for _ in range(2)])
    sent: list[Any] = []
    lane.links.send = lambda link, message: sent.append((link.address, loads(message)))
    lane.end_shifts([second.address])
    [(address, (shift, functions, calls, _))] = sent
    assert address == second.address and shift in lane.open_shifts and not functions and calls == []


# -- the simple lane ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("in_flight", "most"), [(None, 4), (3, 3)])
def test_the_simple_lane_sends_as_many_as_keep_all_workers_busy(world: World, in_flight: Any, most: int) -> None:
    lane = world.lane(False, in_flight=in_flight)
    world.scheduler.add_worker()
    calls = waiting(lane, 6)
    lane.go()
    lane.go()
    assert len(world.scheduler.tasks) == most
    assert calls[-1].step(CANCEL) is Stage.CANCELLED and calls[0].step(CANCEL) is None
    lane.withdraw(calls[-1])
    world.settle(lane)
    assert [len(call.owner) for call in calls] == [1, 1, 1, 1, 1, 0]


def test_the_simple_lane_looks_again_at_what_was_given_back(world: World) -> None:
    lane = world.lane(False)
    worker = world.scheduler.add_worker()
    [call] = waiting(lane, 1)
    lane.go()
    world.scheduler.assign(worker)
    [sent] = lane.sent.values()
    task = next(iter(world.scheduler.tasks.values()))
    world.scheduler.finished(worker, task, {})
    worker.task = None
    hear(world, lane)
    assert lane.unclear == [sent] and not call.owner
    lane.client.status = "closing"
    lane.tick()
    assert lane.unclear == [sent], "the scheduler is gone, which is seen soon"
    lane.client.status = "running"
    lane.tick()
    assert not lane.unclear and call.uncharged == 0 and call.stage is Stage.SENT
    world.settle(lane)
    assert outcome_of(call).value == 0
    assert len(RAN) == 1
