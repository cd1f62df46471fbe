"""Each call is a Dask task of its own when batching is off: what that refuses, and what it sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import Config, DataFlowKernel, python_app
from parsl_on_dask.clusters.bootstrap import KEY_MARK
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, MPIExecutor, WorkQueueExecutor
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.executors.high_throughput.manager_selector import BlockIdManagerSelector
from parsl_on_dask.lanes.simple import SimpleLane
from parsl_on_dask.lanes.values import RemoteValue
from tests.helpers import WAIT, append, eventually, hold, text_of
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
