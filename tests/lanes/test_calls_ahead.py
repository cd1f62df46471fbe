"""Calls that go ahead of what they wait for: who follows whom, and what becomes of those that come too early."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import pytest

from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.stages import PREPARE, Stage
from parsl_on_dask.remote.packing import Promise
from tests.lanes.fakes import RAN, World, call_of, outcome_of


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        world.scheduler.add_worker()
        yield world


def ahead(lane: Any, *leaders: Call) -> Call:
    """A call that waits for the values of others, prepared."""
    call = call_of("add", operator.add, *[Promise(leader.number) for leader in leaders], 1)
    call.stage = Stage.WAITING
    lane.prepare(call)
    call.step(PREPARE)
    return call


def launched(lane: Any, call: Call, *values: Any) -> None:
    """The kernel has what the call waits for, and submits it."""
    call.args, call.kwargs = values, {}
    lane.submit(call)


def chain(lane: Any) -> tuple[Call, Call]:
    leader = call_of("neg", operator.neg, 1)
    lane.submit(leader)
    follower = ahead(lane, leader)
    assert lane.follow(follower, [leader])
    return leader, follower


def test_a_follower_travels_with_its_leader_and_its_outcome_waits_for_the_launch(world: World) -> None:
    lane = world.lane()
    leader, follower = chain(lane)
    world.settle(lane)
    assert outcome_of(leader).value == -1
    assert [number for _, number, _ in RAN] == [leader.number, follower.number]
    assert len(world.scheduler.tasks) == 1
    assert follower.stage is Stage.EARLY and not follower.owner
    launched(lane, follower, -1, 1)
    assert outcome_of(follower).value == 0 and follower.early is None
    assert not lane.calls_ahead.calls and not lane.live


def test_one_that_is_launched_while_a_worker_has_it_is_not_sent_again(world: World) -> None:
    lane = world.lane()
    _, follower = chain(lane)
    lane.go()
    assert follower.stage is Stage.AHEAD_SENT
    launched(lane, follower, -1, 1)
    assert follower.stage is Stage.SENT and lane.live[follower.number] is follower
    world.settle(lane)
    assert outcome_of(follower).value == 0
    assert len(RAN) == 2


def test_one_that_is_launched_before_it_was_sent_goes_the_usual_way(world: World) -> None:
    lane = world.lane()
    _, follower = chain(lane)
    launched(lane, follower, -1, 1)
    assert follower.stage is Stage.READY and not follower.promises
    world.settle(lane)
    assert outcome_of(follower).value == 0


def test_a_call_has_one_follower(world: World) -> None:
    lane = world.lane()
    leader, _ = chain(lane)
    assert not lane.follow(ahead(lane, leader), [leader])
    assert lane.ahead_size() == 1


def test_what_is_dropped_leaves_nothing_behind_and_never_runs(world: World) -> None:
    lane = world.lane()
    leader, follower = chain(lane)
    lane.drop(follower)
    assert follower.stage is Stage.DROPPED
    assert leader.follower is None and follower.leaders == () and not lane.calls_ahead.calls
    world.settle(lane)
    assert [number for _, number, _ in RAN] == [leader.number]


def test_what_was_sent_and_dropped_is_not_taken_back(world: World) -> None:
    lane = world.lane()
    _, follower = chain(lane)
    lane.go()
    lane.drop(follower)
    assert lane.calls_ahead.back(follower) is None
    lane.again(follower)
    assert not lane.queues.size


def test_a_follower_of_a_call_that_failed_comes_back_and_waits(world: World) -> None:
    lane = world.lane()
    leader = call_of("div", operator.truediv, 1, 0)
    lane.submit(leader)
    follower = ahead(lane, leader)
    assert lane.follow(follower, [leader])
    world.settle(lane)
    assert isinstance(outcome_of(leader).error, ZeroDivisionError)
    assert follower.stage is Stage.AHEAD and follower.shift is None and not follower.owner
    assert [number for _, number, _ in RAN] == [leader.number]


def test_it_is_sent_once(world: World) -> None:
    lane = world.lane()
    _, follower = chain(lane)
    lane.go()
    batch = follower.shift
    assert not lane.calls_ahead.go(follower, batch)


def test_the_outcome_of_one_that_was_not_launched_is_kept(world: World) -> None:
    lane = world.lane()
    _, follower = chain(lane)
    lane.go()
    outcome = Outcome(value=5)
    assert lane.calls_ahead.end(follower, outcome) is Stage.EARLY
    assert follower.early is outcome
    assert lane.calls_ahead.end(follower, Outcome(value=6)) is None
    assert follower.early is outcome
