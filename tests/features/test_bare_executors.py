"""Executors used without a kernel, and what only the process executor has."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import LocalProvider
from tests.helpers import WAIT, alive, eventually, hold, text_of
from tests.kernels import unload


@pytest.fixture
def executor(make_executor: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    made = make_executor()
    made.run_dir = str(tmp_path)
    made.run_id = "bare"
    made.start()
    yield made
    made.shutdown()


def test_submit_without_a_kernel(executor: Any) -> None:
    assert executor.submit(pow, {}, 2, 5).result(WAIT) == 32
    assert executor.submit(sorted, {}, [3, 1], reverse=True).result(WAIT) == [3, 1]
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 // 0, {}).result(WAIT)


def test_outstanding(executor: Any, tmp_path: Path, gate: str, config_name: str) -> None:
    futures = [executor.submit(hold, {}, str(tmp_path / f"started{i}"), gate) for i in range(5)]
    if config_name != "threads":
        eventually(lambda: executor.outstanding() == 5, "five are outstanding")
    Path(gate).touch()
    for future in futures:
        future.result(WAIT)
    if config_name != "threads":
        eventually(lambda: executor.outstanding() == 0, "none are outstanding")


def test_shutdown_twice_and_start_again(make_executor: Callable[..., Any], tmp_path: Path) -> None:
    made = make_executor()
    made.shutdown()
    made.run_dir = str(tmp_path)
    for _ in range(2):
        made.start()
        assert made.submit(abs, {}, -3).result(WAIT) == 3
        made.shutdown()
    made.shutdown()


def test_as_a_context_manager(make_executor: Callable[..., Any], tmp_path: Path) -> None:
    made = make_executor()
    made.run_dir = str(tmp_path)
    with made:
        made.start()
        assert made.submit(abs, {}, -3).result(WAIT) == 3


# ---------------------------------------------------------------- processes only


@pytest.fixture
def processes(tmp_path: Path, config_name: str) -> Iterator[Callable[..., Any]]:
    if config_name != "processes":
        pytest.skip("settings of the process executor")

    def load(provider: dict[str, Any] | None = None, **options: Any) -> Any:
        options.setdefault("max_workers_per_node", 2)
        executor = HighThroughputExecutor(label="processes", provider=LocalProvider(**(provider or {})), **options)
        return parsl.load(Config(executors=[executor], run_dir=str(tmp_path / "runinfo"), strategy="none"))

    yield load
    unload()


@python_app
def environment(*names: str) -> list[str | None]:
    import time

    time.sleep(0.02)
    return [os.environ.get(name) for name in names]


@python_app
def pid() -> int:
    import time

    time.sleep(0.02)
    return os.getpid()


def test_number_of_workers(processes: Callable[..., Any]) -> None:
    processes(max_workers_per_node=3, cores_per_worker=0.5)
    seen: set[int] = set()

    def three() -> bool:
        seen.update(f.result(WAIT) for f in [pid() for _ in range(12)])
        return len(seen) >= 3

    eventually(three, "three processes work", WAIT)
    assert len(seen) == 3 and os.getpid() not in seen


def test_connected_managers_and_blocks(processes: Callable[..., Any]) -> None:
    kernel = processes()
    pid().result(WAIT)
    executor = kernel.executors["processes"]
    eventually(lambda: sum(m["worker_count"] for m in executor.connected_managers()) == 2, "two workers are connected")
    manager = executor.connected_managers()[0]
    assert {"block_id", "worker_count", "hostname", "active"} <= set(manager)
    assert manager["hostname"] in {socket.gethostname(), socket.getfqdn()}
    assert len(executor.connected_blocks()) == 1


def test_rank_and_count(processes: Callable[..., Any]) -> None:
    processes()
    names = ("PARSL_WORKER_RANK", "PARSL_WORKER_COUNT", "PARSL_WORKER_BLOCK_ID", "PARSL_WORKER_POOL_ID")
    seen: set[tuple[str | None, ...]] = set()

    def both() -> bool:
        seen.update(tuple(f.result(WAIT)) for f in [environment(*names) for _ in range(8)])
        return len({s[0] for s in seen}) == 2

    eventually(both, "both workers have answered", WAIT)
    assert {s[0] for s in seen} == {"0", "1"}
    assert {s[1] for s in seen} == {"2"}
    assert all(s[2] is not None and s[3] is not None for s in seen)


def test_worker_init(processes: Callable[..., Any], tmp_path: Path) -> None:
    processes({"worker_init": f"export FROM_WORKER_INIT='it ran'; echo x >> {tmp_path}/ran"})
    assert environment("FROM_WORKER_INIT").result(WAIT) == ["it ran"]
    assert text_of(tmp_path / "ran").startswith("x")


def test_accelerators(processes: Callable[..., Any]) -> None:
    processes(available_accelerators=["first", "second"], max_workers_per_node=4)
    seen: set[str | None] = set()

    def both() -> bool:
        seen.update(f.result(WAIT)[0] for f in [environment("CUDA_VISIBLE_DEVICES") for _ in range(8)])
        return len(seen) >= 2

    eventually(both, "both accelerators are seen", WAIT)
    assert seen == {"first", "second"}


def test_cpu_affinity(processes: Callable[..., Any]) -> None:
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        pytest.skip("one core only")
    processes(cpu_affinity=f"list:{available[0]}:{available[1]}")

    @python_app
    def affinity() -> tuple[list[int], str | None]:
        import time

        time.sleep(0.02)
        return sorted(os.sched_getaffinity(0)), os.environ.get("OMP_NUM_THREADS")

    seen: set[int] = set()

    def both() -> bool:
        for future in [affinity() for _ in range(8)]:
            cores, threads = future.result(WAIT)
            assert len(cores) == 1 and threads == "1"
            seen.add(cores[0])
        return len(seen) == 2

    eventually(both, "both cores are used", WAIT)


def test_cores_per_worker_limits_the_workers(processes: Callable[..., Any]) -> None:
    processes(max_workers_per_node=None, cores_per_worker=float(os.cpu_count() or 1))
    assert len({f.result(WAIT) for f in [pid() for _ in range(20)]}) == 1


def test_workers_start_in_the_submit_directory(processes: Callable[..., Any], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    processes()
    assert python_app(os.getcwd)().result(WAIT) == str(tmp_path)


def test_processes_are_gone_when_clear_returns(processes: Callable[..., Any]) -> None:
    processes()
    pids = {f.result(WAIT) for f in [pid() for _ in range(20)]}
    parsl.clear()
    assert not [p for p in pids if alive(p)]


def test_a_module_beside_the_script(script: Callable[..., Any], config_name: str, tmp_path: Path) -> None:
    if config_name != "processes":
        pytest.skip("local processes start in the submit directory")
    (tmp_path / "library").mkdir()
    run = script(
        """
        import pathlib, sys
        pathlib.Path("beside.py").write_text("def twice(x):\\n    return 2 * x\\n")
        import beside
        import parsl_on_dask as parsl
        from parsl_on_dask.config import Config
        from parsl_on_dask.executors import HighThroughputExecutor

        with parsl.load(Config(executors=[HighThroughputExecutor(max_workers_per_node=1)])):
            print(parsl.python_app(beside.twice)(21).result(30))
        """
    )
    assert run.ends() == 0, run.stderr
    assert run.stdout.split() == ["42"]


def test_old_spellings_of_the_process_executor(config_name: str) -> None:
    if config_name != "processes":
        pytest.skip("settings of the process executor")
    with pytest.warns(DeprecationWarning, match="max_workers_per_node"):
        executor = HighThroughputExecutor(max_workers=3)  # type: ignore[call-arg]
    assert executor.max_workers_per_node == 3


def test_a_bash_app_on_processes_sees_worker_init(processes: Callable[..., Any], tmp_path: Path) -> None:
    processes({"worker_init": "export FROM_WORKER_INIT='it ran'"})

    @bash_app
    def show(stdout: Any = None) -> str:
        return "echo $FROM_WORKER_INIT"

    show(stdout=str(tmp_path / "out")).result(WAIT)
    assert text_of(tmp_path / "out") == "it ran\n"
