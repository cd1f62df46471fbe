"""The simple lane step by step, on a cluster that is driven."""

from __future__ import annotations

from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.lanes.stages import Stage
from parsl_on_dask.remote.execution import HANDED_BACK, STARTED
from tests.lanes.fakes import World, call_of, outcome_of


def test_the_lowest_priority_goes_first_and_calls_without_one_last() -> None:
    with World() as world:
        lane = world.lane(batching=False, in_flight=1)
        first, last, soon, later = (
            call_of("app", max, 1, i, **spec) for i, spec in enumerate(({}, {}, {"priority": 1}, {"priority": 5}))
        )
        for call in (first, last, later, soon):
            lane.submit(call)
        order = []
        for call in (first, last, later, soon):
            call.done = lambda call, outcome: order.append(call)
        world.scheduler.add_worker()
        world.settle(lane)
        assert order == [soon, later, first, last]


def test_what_was_not_begun_is_sent_again_and_that_is_no_try() -> None:
    for ours in (True, False):
        with World(ours) as world:
            lane = world.lane(batching=False)
            call = call_of("app", max, 1, 2)
            lane.submit(call)
            lane.go()
            worker = world.scheduler.add_worker()
            assert world.scheduler.assign(worker)
            world.scheduler.lose(worker)
            world.scheduler.hear()
            lane.go()
            assert call.stage in (Stage.READY, Stage.SENT) and call.uncharged == 1
            world.scheduler.add_worker()
            world.settle(lane, 3)
            assert outcome_of(call).value == 2 and not lane.live


def test_a_call_that_was_begun_is_charged_with_its_worker() -> None:
    for ours in (True, False):
        with World(ours) as world:
            lane = world.lane(batching=False)
            call = call_of("app", max, 1, 2)
            lane.submit(call)
            lane.go()
            worker = world.scheduler.add_worker()
            world.scheduler.assign(worker)
            worker.begin()
            worker.take()
            world.loop.turn(4)
            world.scheduler.lose(worker)
            while world.scheduler.hear():
                lane.go()
            assert isinstance(outcome_of(call).error, WorkerLost)
            assert outcome_of(call).worker == worker.name


def test_what_a_worker_gives_back_is_sent_again_a_tick_later() -> None:
    with World() as world:
        lane = world.lane(batching=False)
        call = call_of("app", max, 1, 2)
        lane.submit(call)
        lane.go()
        [sent] = lane.sent.values()
        lane.read(sent.id, "w", "a", "h", 1, [(STARTED,), (HANDED_BACK, [call.number])])
        assert not lane.working()
        sent.future.status = "finished"
        lane.ended(sent, sent.future)
        assert lane.unclear == [sent] and not lane.sent
        lane.tick()
        assert not lane.unclear and call.uncharged == 0
        assert [one.call for one in lane.sent.values()] == [call]


def test_while_the_scheduler_cannot_be_reached_nothing_is_taken_for_lost() -> None:
    with World() as world:
        lane = world.lane(batching=False)
        call = call_of("app", max, 1, 2)
        lane.submit(call)
        lane.go()
        [sent] = lane.sent.values()
        lane.read(sent.id, "w", "a", "h", 1, [(STARTED,)])
        assert lane.working() == [("w", "app")]
        lane.client.status = "connecting"
        sent.future.status = "cancelled"
        lane.ended(sent, sent.future)
        lane.tick()
        assert not call.owner
        lane.client.status = "running"
        lane.tick()
        assert isinstance(outcome_of(call).error, WorkerLost)


def test_the_calls_of_a_lane_that_ends_fail_and_nothing_stays_with_dask() -> None:
    with World() as world:
        lane = world.lane(batching=False, in_flight=2)
        calls = [call_of("app", max, 1, i) for i in range(5)]
        for call in calls:
            lane.submit(call)
        lane.go()
        lane.close()
        for call in calls:
            assert "shut down before this task was done" in str(outcome_of(call).error)
        assert not any(task.wanted for task in world.scheduler.tasks.values())
        assert not lane.live and not lane.ready and not lane.sent and lane.cluster.closed
        late = call_of("app", max, 1, 2)
        lane.submit(late)
        assert "shut down" in str(outcome_of(late).error)


def test_trouble_of_the_cluster_fails_the_calls_with_its_own_words() -> None:
    for batching in (True, False):
        with World() as world:
            lane = world.lane(batching)
            call = call_of("app", max, 1, 2)
            lane.submit(call)
            lane.go()
            lane.cluster.error = ExecutorError(lane.executor, "its scheduler has ended")
            lane.tick()
            assert "its scheduler has ended" in str(outcome_of(call).error)
            late = call_of("app", max, 1, 2)
            lane.submit(late)
            assert "its scheduler has ended" in str(outcome_of(late).error)
            assert outcome_of(late).error is not outcome_of(call).error
