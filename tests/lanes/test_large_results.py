"""Calls with large results: done when Dask has the value, and can make it again."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import pytest

from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.queues import ALONE, LONG
from parsl_on_dask.lanes.stages import PREPARE, Stage
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.packing import Promise, loads, loads_with_promises
from tests.lanes.fakes import RAN, Worker, World, call_of, outcome_of
from tests.lanes.sending import hear, linked


@pytest.fixture
def world(tmp_path: Any) -> Iterator[World]:
    with World(scratch=str(tmp_path)) as world:
        yield world


def with_worker(world: World) -> tuple[Any, Worker]:
    """A lane that leaves all but small results on workers, and one of these whose shift waits for more."""
    lane = world.lane(inline_limit=100)
    return lane, linked(world, lane)


def run_one(worker: Worker) -> None:
    worker.take()  # unless that was done when the one before had ended
    assert worker.finish()
    worker.take()


def text(world: World, lane: Any, worker: Worker) -> Call:
    """A call that was sent to the shift that runs, and has a large result there."""
    call = call_of("text", operator.mul, b"x", 1000)
    lane.submit(call)
    lane.go()
    world.loop.turn(6)
    run_one(worker)
    world.time.pass_by(0.01)
    return call


def adopting(world: World) -> Any:
    """The Dask task that takes over the value."""
    *_, task = world.scheduler.tasks.values()
    return task


def test_a_value_gets_a_task_of_its_own_where_it_is(world: World) -> None:
    lane, worker = with_worker(world)
    call = text(world, lane, worker)
    lane.queues.at_least(call.function_key, 5.0)
    hear(world, lane)
    task = adopting(world)
    assert not call.owner and call.stage is Stage.DONE, "Dask could not make it again yet"
    assert task.workers == [worker.address] and task.others and task.rank[0] < 0
    bundle = loads(task.data)
    assert not bundle["feed"], "it waits for no more calls"
    assert bundle["need"] > 5.0, "in a job that lasts long enough for it to run again"
    world.settle(lane)
    value = outcome_of(call).value
    assert type(value) is RemoteValue and value.future.key == task.key and value.size > 1000
    assert value.fetch() == b"x" * 1000
    assert outcome_of(call).worker == worker.name
    assert [number for _, number, again in RAN if not again].count(call.number) == 1
    assert not lane.large_results.calls and not lane.live
    means = {times.mean for times in lane.queues.times.values()}
    assert min(means) < LONG and max(means) > ALONE, "from now on each is a task of its own"


def test_a_value_whose_worker_dies_first_is_made_again(world: World) -> None:
    lane, worker = with_worker(world)
    call = text(world, lane, worker)
    hear(world, lane)
    world.scheduler.add_worker()
    world.scheduler.lose(worker)
    world.settle(lane)
    assert outcome_of(call).value.fetch() == b"x" * 1000


def test_a_value_that_dask_cannot_take_over_was_lost_with_its_worker(world: World) -> None:
    lane, worker = with_worker(world)
    call = text(world, lane, worker)
    hear(world, lane)
    world.scheduler.failed(adopting(world), LookupError("cannot be made again"))
    hear(world, lane)
    with pytest.raises(WorkerLost, match="its result was lost with it"):
        raise outcome_of(call).error or AssertionError
    assert outcome_of(call).worker == worker.name and not lane.large_results.calls


def test_a_client_that_takes_no_task_is_the_calls_error(world: World) -> None:
    lane, worker = with_worker(world)
    call = text(world, lane, worker)

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("no")

    lane.client.submit = refuse
    hear(world, lane)
    assert isinstance(outcome_of(call).error, OSError) and outcome_of(call).worker == worker.name
    assert not lane.large_results.calls


def test_the_value_of_a_call_that_went_ahead_can_be_made_without_what_it_waited_for(world: World) -> None:
    lane, worker = with_worker(world)
    leader = call_of("pos", operator.pos, 1000)
    lane.submit(leader)
    follower = call_of("text", operator.mul, b"x", Promise(leader.number))
    follower.stage = Stage.WAITING
    lane.prepare(follower)
    follower.step(PREPARE)
    assert lane.follow(follower, [leader])
    lane.go()
    world.loop.turn(6)
    run_one(worker)
    run_one(worker)
    world.time.pass_by(0.01)
    hear(world, lane)
    assert follower.stage is Stage.EARLY and outcome_of(leader).value == 1000
    follower.args, follower.kwargs = (b"x", 1000), {}
    lane.submit(follower)  # by a thread of the kernel's
    assert not follower.owner
    hear(world, lane)
    assert not follower.owner and not follower.promises
    [(_, _, payload, _)] = loads(adopting(world).data)["calls"]
    assert loads_with_promises(payload, {}) == ((b"x", 1000), {}), "elsewhere nobody keeps promises"
    world.scheduler.add_worker()
    world.scheduler.lose(worker)
    world.settle(lane)
    assert outcome_of(follower).value.fetch() == b"x" * 1000


def alone(world: World) -> tuple[Any, Worker, Call]:
    """A call that is a Dask task, and has run; nothing has been heard of that."""
    lane = world.lane(inline_limit=100)
    worker = world.scheduler.add_worker()
    call = call_of("text", operator.mul, b"x", 1000)
    lane.submit(call)
    lane.go()
    world.scheduler.assign(worker)
    worker.begin()
    run_one(worker)
    return lane, worker, call


def test_a_task_that_has_ended_has_the_value_whatever_is_heard_first(world: World) -> None:
    lane, worker, call = alone(world)
    reports = []
    handler = world.scheduler.handlers[lane.topic]
    world.scheduler.handlers[lane.topic] = reports.append  # they are late
    worker.end()
    hear(world, lane)
    [shift] = lane.shifts.values()
    assert shift.over and not call.owner
    for report in reports:
        handler(report)
    lane.go()
    assert outcome_of(call).value.fetch() == b"x" * 1000 and outcome_of(call).value.future.key.endswith(shift.id)
    assert not lane.shifts


def test_the_value_of_a_task_that_is_lost_is_lost(world: World) -> None:
    lane, worker, call = alone(world)
    hear(world, lane)
    assert not call.owner and lane.large_results.calls
    world.scheduler.lose(worker)
    hear(world, lane)
    with pytest.raises(WorkerLost, match="its result was lost with it"):
        raise outcome_of(call).error or AssertionError


def test_calls_that_wait_for_dask_end_with_their_lane(world: World) -> None:
    lane, worker = with_worker(world)
    call = text(world, lane, worker)
    hear(world, lane)
    lane.close()
    assert "it was shut down before this task was done" in str(outcome_of(call).error)
    late = call_of("text", operator.mul, b"x", 1000)
    late.number = 10**6
    outcome = Outcome()
    outcome.large = object()
    lane.large_results.take(late, outcome)
    assert "it was shut down before this task was done" in str(outcome_of(late).error)
    lane.large_results.fail(late.number, OSError())
    lane.large_results.begin(late.number)
    lane.large_results.adopted(late.number, lane.client.submit(None, b"", [], key="k"))
    assert len(late.owner) == 1
