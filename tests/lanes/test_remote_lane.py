"""A lane in trouble: its calls end with the reason, and it leaves its cluster."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import pytest

from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes import reports
from tests.lanes.fakes import World, call_of, outcome_of

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
