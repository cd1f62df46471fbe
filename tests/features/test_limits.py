"""Limits of a call hold wherever its code is: in Python, in C, in a process that it has started."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask
from parsl_on_dask import Config, DataFlowKernel, ThreadPoolExecutor, python_app
from parsl_on_dask.app.errors import AppKilled, AppTimeout
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput.errors import MemoryLimitExceeded, WorkerLost
from tests.helpers import WAIT, eventually, hold, text_of

CONFIG = {"initialize_logging": False, "retries": 0}
MEMORY = {"parsl_resource_specification": {"memory": 400}}


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Only workers in other processes can be ended."""
    name: str = request.param
    return name


@python_app
def backtrack(n: int, walltime: float = WAIT) -> bool:
    """One call of C code that keeps the interpreter to itself; at 40 it takes hours."""
    import re

    return bool(re.match(r"(a+)+$", "a" * n + "b"))


@python_app
def rest(seconds: float, walltime: float = WAIT) -> None:
    import time

    time.sleep(seconds)


def read_pipe(path: str, walltime: float = WAIT) -> str:
    with open(path) as pipe:
        return pipe.read()


@python_app
def note(folder: str, i: int) -> int:
    with open(f"{folder}/{i}", "a") as file:
        file.write("x")
    return i


@python_app
def fill(megabytes: int, pid_file: str = "", parsl_resource_specification: Any = None) -> int:
    """Have so much memory for good, in a process of its own if the file for its number is given."""
    import os
    import time

    if pid_file and os.fork():
        os.wait()
        return 0
    if pid_file:
        with open(pid_file, "w") as file:
            file.write(str(os.getpid()))
    held = bytearray(megabytes * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    while megabytes > 300:
        time.sleep(0.1)
    return len(held)


@pytest.mark.usefixtures("kernel")
def test_a_walltime_ends_calls_in_c_code_and_nobody_else_pays(tmp_path: Path) -> None:
    stuck = [backtrack(40, walltime=0.5), rest(1000, walltime=0.5)]
    others = [note(str(tmp_path), i) for i in range(200)]
    for future, name in zip(stuck, ("backtrack", "rest"), strict=True):
        with pytest.raises(AppTimeout, match=f"App {name} exceeded walltime: 0.5 seconds"):
            future.result(WAIT)
    assert [future.result(WAIT) for future in others] == list(range(200))
    assert all(text_of(tmp_path / str(i)) == "x" for i in range(200)), "none ran twice"


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("where", ["in the worker", "in a process of its own"])
def test_a_call_with_too_much_memory_is_ended(tmp_path: Path, where: str) -> None:
    pid_file = "" if where == "in the worker" else str(tmp_path / "pid")
    modest = [fill(10, **MEMORY) for _ in range(5)]
    with pytest.raises(
        MemoryLimitExceeded, match=r"app 'fill', task \d+ had \d+ MiB of memory.* allowed 400 MiB"
    ) as caught:
        fill(900, pid_file, **MEMORY).result(WAIT)
    assert isinstance(caught.value, WorkerLost)
    assert [future.result(WAIT) for future in modest] == [10 * 2**20] * 5
    if pid_file:
        pid = int(text_of(pid_file))
        eventually(lambda: not os.path.exists(f"/proc/{pid}"), "what the call has started has ended")


@pytest.mark.usefixtures("kernel")
def test_a_running_call_is_ended_and_not_tried_again(tmp_path: Path) -> None:
    started = tmp_path / "started"
    held = python_app(hold)(str(started), str(tmp_path / "gate"))
    eventually(started.exists, "it runs")
    stuck = backtrack(40)
    eventually(stuck.running, "it was launched")
    follower = note(str(tmp_path), 1)
    assert not held.cancel(), "as concurrent.futures has it"
    assert held.kill()
    with pytest.raises(AppKilled, match="App hold was ended by kill"):
        held.result(WAIT)
    assert not held.kill(), "it is done"
    assert parsl_on_dask.dfk().cancel(backtrack) == 1
    with pytest.raises((AppKilled, CancelledError)):
        stuck.result(WAIT)
    assert follower.result(WAIT) == 1 and text_of(tmp_path / "1") == "x"


@pytest.mark.usefixtures("kernel")
def test_calls_that_wait_are_cancelled_with_those_that_run(tmp_path: Path, config_name: str) -> None:
    apps = python_app(hold)
    futures = [apps(str(tmp_path / f"started{i}"), str(tmp_path / "gate")) for i in range(6)]
    eventually(lambda: len(list(tmp_path.glob("started*"))) >= 2, "two of them run")
    assert parsl_on_dask.dfk().cancel(apps) == 6
    for future in futures:
        with pytest.raises((AppKilled, CancelledError)):
            future.result(WAIT)
    if config_name == "processes":  # elsewhere Dask has them as tasks, which may begin before they are ended
        assert len(list(tmp_path.glob("started*"))) == 2, "the others never ran"
    assert note(str(tmp_path), 1).result(WAIT) == 1


@pytest.mark.parametrize("batching", [True, False])
def test_workers_without_a_nanny_are_not_ended(
    batching: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from distributed import Client

    with Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0", set_as_default=False
    ) as client:
        executor = DaskExecutor(client=client, batching=batching)
        with DataFlowKernel(Config(executors=[executor], strategy="none", **CONFIG)) as kernel:
            held = python_app(hold, data_flow_kernel=kernel)(str(tmp_path / "started"), str(tmp_path / "gate"))
            eventually((tmp_path / "started").exists, "it runs")
            assert not held.kill()
            assert "a call of app hold goes on, since 1 of 1 workers of its Dask cluster" in caplog.text
            assert "--nthreads 1" in caplog.text
            filled = python_app(fill.func, data_flow_kernel=kernel)
            with pytest.raises(InvalidResourceSpecification, match="takes a nanny and a single thread"):
                filled(10, **MEMORY).result(WAIT)
            (tmp_path / "gate").touch()
            assert held.exception(WAIT) is None


def test_calls_that_dask_has_as_tasks_of_their_own_are_ended_too(tmp_path: Path, existing_cluster: str) -> None:
    executor = DaskExecutor(existing_cluster, batching=False)
    with DataFlowKernel(Config(executors=[executor], strategy="none", **CONFIG)) as kernel:
        # first, since a worker that is about to be given another call may be stuck before it takes it
        held = python_app(hold, data_flow_kernel=kernel)(str(tmp_path / "started"), str(tmp_path / "gate"))
        eventually((tmp_path / "started").exists, "it runs")
        lane: Any = executor.lane
        eventually(lambda: len(lane.workers()) == 2, "a worker that another test has ended is there again")
        stuck = python_app(backtrack.func, data_flow_kernel=kernel)(40)
        eventually(lambda: sum(lane.running().values()) == 2, "both run")
        for future in (stuck, held):
            assert future.kill()
            with pytest.raises(AppKilled):
                future.result(WAIT)


def test_a_limit_for_all_calls_of_an_executor() -> None:
    executor = HighThroughputExecutor(max_workers_per_node=1, memory_limit=400)
    with DataFlowKernel(Config(executors=[executor], strategy="none", initialize_logging=False)) as kernel:
        filled = python_app(fill.func, data_flow_kernel=kernel)
        assert filled(10).result(WAIT)
        with pytest.raises(MemoryLimitExceeded, match="allowed 400 MiB"):
            filled(900).result(WAIT)


def test_a_call_of_a_thread_fails_in_time_and_keeps_its_thread(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with DataFlowKernel(Config(executors=[ThreadPoolExecutor(max_threads=2)], initialize_logging=False)) as kernel:
        held = python_app(hold, data_flow_kernel=kernel)
        timed = python_app(read_pipe, data_flow_kernel=kernel)
        os.mkfifo(tmp_path / "pipe")
        stuck = timed(str(tmp_path / "pipe"), walltime=0.2)
        with pytest.raises(AppTimeout, match="App read_pipe exceeded walltime: 0.2 seconds"):
            stuck.result(WAIT)
        assert "app read_pipe goes on after its walltime, and keeps one of 2 threads" in caplog.text
        one, two = (held(str(tmp_path / f"started{i}"), str(tmp_path / "gate")) for i in range(2))
        eventually(lambda: len(list(tmp_path.glob("started*"))) == 1, "the other thread takes a call")
        assert not (tmp_path / "started1").exists(), "and is the only one"
        os.close(os.open(tmp_path / "pipe", os.O_WRONLY))  # nothing is written: who reads may close it at once
        eventually((tmp_path / "started1").exists, "the thread is there again")
        (tmp_path / "gate").touch()
        assert one.exception(WAIT) is None and two.exception(WAIT) is None


def test_where_a_limit_cannot_hold_it_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="memory_limit"):
        DaskExecutor("tcp://127.0.0.1:1", memory_limit=400)
    with pytest.raises(ConfigurationError, match="memory_limit"):
        HighThroughputExecutor(memory_limit="4 GB")  # type: ignore[arg-type]
    for wrong in ({"memory": "4 GB"}, {"memory": 0}, {"memory": True}):
        with pytest.raises(InvalidResourceSpecification, match="number of megabytes"):
            HighThroughputExecutor().validate_resource_spec(wrong)
