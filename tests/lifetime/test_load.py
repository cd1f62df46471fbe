"""load, clear, cleanup, with, and what happens to futures that are not done."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import json
import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.dflow import DataFlowKernel
from parsl_on_dask.errors import ConfigurationError, ExecutorError, NoDataFlowKernelError
from parsl_on_dask.executors import DaskExecutor, ThreadPoolExecutor
from parsl_on_dask.executors.base import ParslExecutor
from tests.helpers import WAIT, alive, append, eventually, hold
from tests.kernels import own_children

pytestmark = pytest.mark.usefixtures("nothing_loaded")


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def holding(started: str, gate: str, x: Any = None) -> Any:
    return hold(started, gate, x)


@python_app
def pid() -> int:
    return os.getpid()


def test_load_makes_the_kernel_that_dfk_returns(make_config: Callable[..., Any]) -> None:
    config = make_config()
    kernel = parsl.load(config)
    assert parsl.dfk() is kernel and isinstance(kernel, DataFlowKernel)
    assert kernel.config is config
    assert value(1).result(WAIT) == 1
    parsl.clear()
    with pytest.raises(NoDataFlowKernelError, match="Must first load config"):
        parsl.dfk()
    with pytest.raises(NoDataFlowKernelError, match="Must first load config") as caught:
        value(1)
    assert r"call parsl.load()" in "".join(traceback.format_exception_only(caught.value)).lower()


def test_load_without_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kernel = parsl.load()
    assert pid().result(WAIT) == os.getpid()
    assert kernel.run_dir == str(tmp_path / "runinfo" / "000")
    parsl.clear()


def test_a_kernel_that_is_not_loaded(make_config: Callable[..., Any]) -> None:
    kernel = DataFlowKernel(make_config(warm=True))
    try:
        with pytest.raises(NoDataFlowKernelError):
            value(1)
        app = python_app(abs, data_flow_kernel=kernel)
        assert app(-3).result(WAIT) == 3
        assert kernel.task_count == 1
    finally:
        kernel.cleanup()


def test_two_kernels_at_once(make_config: Callable[..., Any]) -> None:
    with DataFlowKernel(make_config()) as one, DataFlowKernel(make_config()) as other:
        apps = [python_app(abs, data_flow_kernel=k) for k in (one, other)]
        assert [app(-i).result(WAIT) for i in range(5) for app in apps] == [i for i in range(5) for _ in apps]
        assert (one.task_count, other.task_count) == (5, 5)


def test_a_config_loaded_twice(make_config: Callable[..., Any]) -> None:
    config = make_config()
    run_dirs = []
    for i in range(2):
        run_dirs.append(parsl.load(config).run_dir)
        assert value(i).result(WAIT) == i
        parsl.clear()
    assert [Path(d).name for d in run_dirs] == ["000", "001"]


def test_clear_returns_when_processes_are_gone(make_config: Callable[..., Any], config_name: str) -> None:
    parsl.load(make_config())
    pids = {f.result(WAIT) for f in [pid() for _ in range(20)]}
    parsl.clear()
    if config_name == "processes":
        assert not [p for p in pids if alive(p)]
    else:
        assert all(alive(p) for p in pids), "neither we nor the workers of others were ended"


def test_values_fetched_before_clear_stay_and_others_say_why(make_config: Callable[..., Any]) -> None:
    parsl.load(make_config())
    large, small = value(b"x" * 3_000_000), value("small")
    fetched = large.result(WAIT)
    concurrent.futures.wait([small], WAIT)
    parsl.clear()
    assert large.result(5) == fetched
    assert small.result(5) == "small"


def test_a_large_value_asked_for_after_clear_does_not_hang(make_config: Callable[..., Any]) -> None:
    parsl.load(make_config())
    large = value(b"x" * 3_000_000)
    concurrent.futures.wait([large], WAIT)
    parsl.clear()
    try:
        assert large.result(10) == b"x" * 3_000_000
    except concurrent.futures.TimeoutError:
        pytest.fail("pending for ever after clear()")
    except Exception as error:
        assert "clear" in str(error) or "shut down" in str(error) or "cleaned up" in str(error), str(error)


def test_cleanup_leaves_no_future_pending(make_config: Callable[..., Any], tmp_path: Path, gate: str) -> None:
    kernel = parsl.load(make_config())
    never: concurrent.futures.Future[int] = concurrent.futures.Future()
    running = [holding(str(tmp_path / f"started{i}"), gate, "ran") for i in range(2)]
    eventually(lambda: all((tmp_path / f"started{i}").exists() for i in range(2)), "both workers are busy")
    queued = [value(i) for i in range(10)]
    waiting = [value(never), value(queued[0])]
    threading.Timer(1.0, Path(gate).touch).start()
    kernel.cleanup()
    for future in [*running, *queued, *waiting]:
        try:
            future.result(10)
        except concurrent.futures.TimeoutError:
            pytest.fail(f"pending for ever after cleanup(): {future!r}")
        except Exception as error:
            assert str(error), "says why"
    with pytest.raises(Exception, match="(?i)clean"):
        waiting[0].result(0)
    with pytest.raises(Exception, match="Cannot submit to a DFK that has been cleaned up"):
        python_app(abs, data_flow_kernel=kernel)(1)
    parsl.clear()


def test_wait_for_current_tasks(make_config: Callable[..., Any], tmp_path: Path, gate: str) -> None:
    kernel = parsl.load(make_config(warm=True))
    futures = [holding(str(tmp_path / f"started{i}"), gate, i) for i in range(5)]
    threading.Timer(0.2, Path(gate).touch).start()
    parsl.wait_for_current_tasks()
    assert all(f.done() for f in futures)
    more = [value(i) for i in range(5)]
    kernel.wait_for_current_tasks()
    assert all(f.done() for f in more)


def test_a_failure_does_not_end_the_wait(make_config: Callable[..., Any]) -> None:
    parsl.load(make_config(warm=True))
    futures = [python_app(int)("no number"), value(1)]
    parsl.wait_for_current_tasks()
    assert all(f.done() for f in futures)


def test_load_inside_a_running_event_loop(make_config: Callable[..., Any]) -> None:
    """As in a notebook."""

    async def cell() -> Any:
        parsl.load(make_config(warm=True))
        result = await value(5), value(6).result(WAIT)
        parsl.clear()
        return result

    assert asyncio.run(cell()) == (5, 6)


def test_load_in_another_thread(make_config: Callable[..., Any]) -> None:
    result: list[Any] = []

    def work() -> None:
        parsl.load(make_config(warm=True))
        result.append(value(1).result(WAIT))
        parsl.clear()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(WAIT)
    assert result == [1]


def test_loading_again_and_again_leaks_nothing(make_config: Callable[..., Any], config_name: str) -> None:
    def cycle() -> None:
        parsl.load(make_config())
        assert value(1).result(WAIT) == 1
        parsl.clear()

    def usage() -> tuple[int, int]:
        gc.collect()
        return threading.active_count(), psutil.Process().num_fds()

    times = 2 if config_name == "processes" else 4
    for _ in range(times // 2):
        cycle()
    threads, files = usage()
    for _ in range(times):
        cycle()

    def settled() -> bool:
        now = usage()
        return now[0] <= threads + 2 and now[1] <= files + 4

    try:
        eventually(settled, "threads and open files are as many as before")
    except AssertionError:
        names = sorted(t.name for t in threading.enumerate())
        raise AssertionError(f"before {threads, files}, after {times} more loads {usage()}: {names}") from None


def listeners(processes: Iterable[psutil.Process]) -> set[tuple[str, int]]:
    found = set()
    for process in processes:
        for c in process.net_connections(kind="tcp"):
            if c.status == psutil.CONN_LISTEN:
                found.add((c.laddr.ip, c.laddr.port))
    return found


def test_what_is_started_listens_on_loopback_and_not_to_everybody(
    make_config: Callable[..., Any], config_name: str
) -> None:
    if config_name == "existing":
        pytest.skip("its owner chose where it listens")
    old = listeners([psutil.Process()]), own_children()
    parsl.load(make_config())
    assert value(1).result(WAIT) == 1
    started = own_children() - old[1]
    found = listeners([psutil.Process(), *started]) - old[0]
    assert {ip for ip, _ in found} <= {"127.0.0.1", "::1"}, found
    assert bool(started) == (config_name == "processes")

    def greets(port: int) -> bool:
        """Whether the port speaks to somebody without a certificate: plain Dask says hello first, TLS waits for us."""
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(1)
            try:
                return bool(connection.recv(1))
            except OSError:
                return False

    open_to_all = [port for _, port in found if greets(port)]
    assert not open_to_all, f"of {found}"


def test_with_passes_exceptions_on(make_config: Callable[..., Any]) -> None:
    with pytest.raises(LookupError, match="mine"), parsl.load(make_config(warm=True)):
        value(1).result(WAIT)
        raise LookupError("mine")
    with pytest.raises(NoDataFlowKernelError):
        parsl.dfk()


# ---------------------------------------------------------------- executors that cannot start


class Recorder(ParslExecutor):
    """An executor of the user's own that remembers what was done to it."""

    def __init__(self, label: str, broken: bool = False) -> None:
        super().__init__()
        self.label = label
        self.broken = broken
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")
        if self.broken:
            raise OSError(f"{self.label} cannot start")

    def submit(self, func: Any, resource_specification: Any, *args: Any, **kwargs: Any) -> Any:
        self.calls.append("submit")
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_result(func(*args, **kwargs))
        return future

    def shutdown(self) -> None:
        self.calls.append("shutdown")


def test_an_executor_of_ones_own(tmp_path: Path) -> None:
    mine = Recorder("mine")
    parsl.load(Config(executors=[mine], run_dir=str(tmp_path)))
    assert value(5).result(WAIT) == 5
    assert value([value(1)]).result(WAIT)[0].result() == 1
    parsl.clear()
    assert mine.calls == ["start", "submit", "submit", "submit", "shutdown"]


@pytest.mark.parametrize("close", [True, False])
def test_one_that_cannot_start(close: bool, tmp_path: Path) -> None:
    good, bad, never = Recorder("good"), Recorder("bad", broken=True), Recorder("never")
    with pytest.raises(Exception, match="bad cannot start") as caught:
        parsl.load(Config(executors=[good, bad, never], run_dir=str(tmp_path)), close_bad_executors=close)
    assert isinstance(caught.value, (OSError, ExecutorError))
    assert good.calls == (["start", "shutdown"] if close else ["start"])
    assert "shutdown" in bad.calls or not close
    assert "start" not in never.calls
    with pytest.raises(NoDataFlowKernelError):
        parsl.dfk()
    parsl.load(Config(executors=[ThreadPoolExecutor()], run_dir=str(tmp_path)))
    assert value(1).result(WAIT) == 1


def test_an_address_where_nobody_listens(tmp_path: Path, config_name: str) -> None:
    if config_name != "existing":
        pytest.skip("has an address")
    config = Config(executors=[DaskExecutor("tcp://127.0.0.1:9", label="far")], run_dir=str(tmp_path))
    quickly = dask.config.set({"distributed.comm.timeouts.connect": "2s"})
    with quickly, pytest.raises(ExecutorError, match="tcp://127.0.0.1:9") as caught:
        parsl.load(config)
    assert "far" in str(caught.value)
    with pytest.raises(NoDataFlowKernelError):
        parsl.dfk()


# ---------------------------------------------------------------- Dask's own objects


@pytest.mark.timeout(60)
def test_load_a_client(existing_client: Any, config_name: str, tmp_path: Path, monkeypatch: Any) -> None:
    if config_name != "existing":
        pytest.skip("a client of the existing cluster")
    monkeypatch.chdir(tmp_path)
    kernel = parsl.load(existing_client)
    assert pid().result(WAIT) != os.getpid()
    assert len(kernel.config.executors) == 1
    for _ in range(20):
        # handed over while it is not done yet: nobody may wait for it under one of the client's locks
        future = value(b"x" * 1_000_000)
        assert existing_client.submit(len, future, pure=False).result(WAIT) == 1_000_000
    parsl.clear()
    assert existing_client.status == "running"
    assert existing_client.submit(abs, -4).result(WAIT) == 4


def test_load_a_cluster(config_name: str, tmp_path: Path, monkeypatch: Any) -> None:
    if config_name != "threads":
        pytest.skip("a cluster of its own")
    from distributed import LocalCluster

    monkeypatch.chdir(tmp_path)
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        parsl.load(cluster)
        assert value([value(1), 2]).result(WAIT)[1] == 2
        parsl.clear()
        assert cluster.status.name == "running"


@pytest.mark.parametrize("given", ["client", "scheduler_file"])
def test_other_ways_to_name_a_cluster(given: str, existing_client: Any, config_name: str, tmp_path: Path) -> None:
    if config_name != "existing":
        pytest.skip("names the existing cluster")
    if given == "client":
        executor = DaskExecutor(client=existing_client)
    else:
        file = tmp_path / "scheduler.json"
        text = json.dumps({"address": existing_client.scheduler.address})
        file.write_text(text[:9])  # the scheduler is just writing it
        threading.Timer(0.3, file.write_text, (text,)).start()
        executor = DaskExecutor(scheduler_file=str(file))
    parsl.load(Config(executors=[executor], run_dir=str(tmp_path)))
    assert value(3).result(WAIT) == 3
    parsl.clear()
    assert existing_client.submit(abs, -4).result(WAIT) == 4


def test_naming_no_cluster_or_two() -> None:
    with pytest.raises(ConfigurationError, match="address"):
        DaskExecutor()
    with pytest.raises(ConfigurationError, match="address"):
        DaskExecutor("tcp://127.0.0.1:1", scheduler_file="file.json")


def test_two_kernels_on_one_existing_cluster(config_name: str, make_config: Callable[..., Any], tmp_path: Path) -> None:
    """One that goes away leaves the other one's calls alone."""
    if config_name != "existing":
        pytest.skip("shared by both")
    log = str(tmp_path / "log")
    with DataFlowKernel(make_config()) as stays:
        mine = python_app(append, data_flow_kernel=stays)
        with DataFlowKernel(make_config()) as goes:
            theirs = python_app(append, data_flow_kernel=goes)
            futures = [app(log) for _ in range(20) for app in (mine, theirs)]
            for future in futures:
                future.result(WAIT)
        for future in [mine(log) for _ in range(20)]:
            future.result(WAIT)
    assert len(open(log).read()) == 60


def test_nothing_remains_on_an_existing_cluster(
    config_name: str, make_config: Callable[..., Any], existing_client: Any
) -> None:
    if config_name != "existing":
        pytest.skip("a cluster that outlives the kernel")
    parsl.load(make_config())
    futures = [value(b"x" * 200_000) for _ in range(20)] + [value(i) for i in range(50)]
    concurrent.futures.wait(futures, WAIT)
    parsl.clear()

    def remains() -> Any:
        return existing_client.run_on_scheduler(
            lambda dask_scheduler: ([str(k) for k in dask_scheduler.tasks], len(dask_scheduler.clients))
        )

    eventually(lambda: remains()[0] == [] and remains()[1] <= 2, f"no task and no client remains: {remains()}")
