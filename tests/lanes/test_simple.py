"""Each call is a Dask task of its own when batching is off: what that refuses, and what it sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import Config, DataFlowKernel, python_app
from parsl_on_dask.clusters.bootstrap import KEY_MARK
from parsl_on_dask.errors import ConfigurationError, ExecutorError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, MPIExecutor, WorkQueueExecutor
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.executors.high_throughput.manager_selector import BlockIdManagerSelector
from parsl_on_dask.lanes.simple import SimpleLane
from parsl_on_dask.lanes.stages import Stage
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.execution import HANDED_BACK, STARTED
from tests.helpers import WAIT, append, eventually, hold, text_of
from tests.lanes.fakes import World, call_of, outcome_of
from tests.lanes.traffic import lane_of

WARM = True


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def make_executor(config_name: str, request: pytest.FixtureRequest) -> Any:
    from tests.kernels import executor_for

    return lambda warm=None, **options: executor_for(config_name, request, warm, batching=False, **options)


@pytest.fixture
def lane(kernel: Any) -> SimpleLane:
    found = lane_of(kernel)
    assert type(found) is SimpleLane
    return found


@pytest.fixture
def tasks(lane: SimpleLane) -> Iterator[list[str]]:
    """The keys of the Dask tasks that are made during a test."""
    keys: list[str] = []
    submit = lane.client.map

    def listening(*args: Any, key: Any, **options: Any) -> Any:
        keys.extend(key)
        return submit(*args, key=key, **options)

    lane.client.map = listening  # type: ignore[method-assign]
    yield keys
    del lane.client.map


@python_app
def same(x: Any) -> Any:
    return x


@python_app
def made(size: int) -> bytes:
    return b"x" * size


@python_app
def noted(path: str, text: str) -> None:
    append(path, text)


held = python_app(hold)


def test_each_call_is_a_dask_task_that_bears_its_name(tasks: list[str]) -> None:
    assert [f.result(WAIT) for f in [same(i) for i in range(20)]] == list(range(20))
    assert [key.partition(KEY_MARK)[0] for key in tasks] == ["same"] * 20
    assert len(set(tasks)) == 20


def test_a_large_result_stays_and_is_found_there(lane: SimpleLane, tasks: list[str]) -> None:
    future = made(1_000_000)
    assert same(future).result(WAIT) == b"x" * 1_000_000
    assert type(future._result) is RemoteValue and future._result.size >= 1_000_000
    assert len(tasks) == 2


def test_what_waits_here_can_be_cancelled_and_what_was_sent_cannot(lane: SimpleLane, gate: str, tmp_path: Path) -> None:
    most = 2 * lane.cluster.slots() + 2
    path = str(tmp_path / "ran")
    holders = [held(str(tmp_path / f"started{i}"), gate) for i in range(most)]
    eventually(lambda: len(lane.sent) == most, "as many as may be are with Dask")
    waiting = [noted(path, "x") for _ in range(5)]
    assert not holders[-1].cancel()
    assert all(future.cancel() for future in waiting[1:])
    Path(gate).touch()
    for future in [*holders, waiting[0]]:
        future.result(WAIT)
    assert text_of(path) == "x"
    assert lane.outstanding() == 0 and not lane.ready and not lane.sent


def test_the_lowest_priority_goes_first_and_calls_without_one_last(lane: SimpleLane) -> None:
    for priority in (None, 5, 1):
        lane.wait(call_of("app", **({} if priority is None else {"priority": priority})))
    ready, lane.ready = lane.ready, []
    assert [entry[0] for entry in sorted(ready)] == [1, 5, float("inf")]


def test_the_call_that_killed_its_worker_fails_and_the_others_run_once(tmp_path: Path) -> None:
    path = str(tmp_path / "ran")

    def one(path: str, i: int) -> int:
        import os

        append(path, f"{i} ")
        if i == 2:
            os._exit(7)
        return i

    executor = HighThroughputExecutor(label="own", max_workers_per_node=1, batching=False)
    config = Config(executors=[executor], run_dir=str(tmp_path / "runs"), strategy="none")
    with DataFlowKernel(config) as kernel:
        futures = [kernel.submit(one, path, i) for i in range(8)]
        for i, future in enumerate(futures):
            if i == 2:
                with pytest.raises(WorkerLost, match="exit code 7"):
                    future.result(WAIT)
            else:
                assert future.result(WAIT) == i
        assert sorted(text_of(path).split()) == [str(i) for i in range(8)]


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


def without_batching(executor: Any) -> Any:
    executor.batching = False  # which its constructor has no argument for
    return executor


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: without_batching(MPIExecutor()), "enable_mpi_mode"),
        (lambda: without_batching(WorkQueueExecutor()), "resource specification"),
        (lambda: HighThroughputExecutor(batching=False, manager_selector=BlockIdManagerSelector()), "manager_selector"),
        (lambda: HighThroughputExecutor(batching=False, drain_period=60), "drain_period"),
        (lambda: DaskExecutor("tcp://127.0.0.1:1", batching=False, job_end_reruns=3), "job_end_reruns"),
    ],
)
def test_what_chooses_workers_is_refused(make: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"batching.*{text}"):
        make().validate()
