"""Workers that die under a call: what the call says, what happens to the others, what comes after."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.dataflow.errors import DependencyError
from parsl_on_dask.executors.high_throughput.errors import AppExit, WorkerLost
from tests.helpers import WAIT, alive, append, eventually, hold, text_of


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Threads have no worker that could die alone."""
    name: str = request.param
    return name


def die_by_exit() -> None:
    os._exit(3)


def die_by_kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_by_segfault() -> None:
    import ctypes

    ctypes.string_at(0)


def die_by_system_exit() -> None:
    sys.exit(1)


DEATHS = {
    die_by_exit: "exit code 3",
    die_by_kill: "signal SIGKILL ended its process",
    die_by_segfault: "signal SIGSEGV ended its process (a fault in compiled code",
    die_by_system_exit: "",
}
by_death = pytest.mark.parametrize("death", DEATHS, ids=[d.__name__ for d in DEATHS])


@python_app
def logged(path: str, then: Any = None, result: Any = None) -> Any:
    """Count the run, perhaps die."""
    append(path)
    if then is not None:
        then()
    return result


@python_app
def pid() -> int:
    return os.getpid()


@python_app
def passed(x: Any) -> Any:
    return x


def recovers() -> None:
    """Two workers are there again, and they work."""

    def both() -> bool:
        return len({f.result(WAIT) for f in [pid() for _ in range(16)]}) >= 1

    eventually(both, "calls work again", WAIT)
    assert [passed(i).result(WAIT) for i in range(5)] == list(range(5))


@by_death
def test_a_lost_worker_is_a_failed_try(death: Any, load: Callable[..., Any], tmp_path: Path, config_name: str) -> None:
    load()
    path = str(tmp_path / "log")
    future = logged(path, death)
    dependent = passed(future)
    with pytest.raises(WorkerLost) as caught:
        future.result(WAIT)
    if death is not die_by_system_exit:
        found = re.search(r"loss of worker (\S+) on host (\S+):", str(caught.value))
        assert found, str(caught.value)
        assert found[2] in {socket.gethostname(), socket.getfqdn(), "127.0.0.1"}
        said = str(caught.value)
        assert f"it ran app 'logged', task {future.tid}" in said
        if config_name == "existing":
            assert "not known here: the log of that worker" in said
        else:
            assert DEATHS[death].lower() in said.lower()
            log = re.search(r"Its log: (\S+)$", said)
            assert log and Path(log[1]).is_file()
    assert text_of(path) == "x", "one try is one run"
    error = dependent.exception(WAIT)
    assert isinstance(error, DependencyError) and isinstance(error.__cause__, WorkerLost)
    recovers()


def test_a_call_of_sys_exit_is_no_lost_worker(load: Callable[..., Any], tmp_path: Path) -> None:
    load()
    workers = {f.result(WAIT) for f in [pid() for _ in range(8)]}
    future = logged(str(tmp_path / "log"), die_by_system_exit)
    with pytest.raises(
        AppExit, match=r"^app 'logged' called sys.exit\(1\), which ends nothing but this call"
    ) as caught:
        future.result(WAIT)
    shown = "".join(traceback.format_exception(caught.value))
    assert "Failure" not in shown and "loss of worker" not in shown and "sys.exit(1)\n" in shown
    assert {f.result(WAIT) for f in [pid() for _ in range(8)]} & workers, "the worker goes on"


def interrupt_itself() -> None:
    raise KeyboardInterrupt


def test_an_exception_that_is_none(load: Callable[..., Any], tmp_path: Path) -> None:
    load()
    error = logged(str(tmp_path / "log"), interrupt_itself).exception(WAIT)
    assert isinstance(error, AppExit) and isinstance(error.__cause__, KeyboardInterrupt)
    assert "app 'logged' was ended by a KeyboardInterrupt" in str(error)


@by_death
def test_retried_when_there_are_retries(death: Any, load: Callable[..., Any], tmp_path: Path) -> None:
    load(retries=1)
    path = str(tmp_path / "log")

    def dies_once() -> None:
        if len(open(path).read()) == 1:
            death()

    future = logged(path, dies_once, "second try")
    assert future.result(WAIT) == "second try"
    assert text_of(path) == "xx"
    assert future.task_record["fail_count"] == 1


def test_retries_are_charged_one_by_one(load: Callable[..., Any], tmp_path: Path) -> None:
    load(retries=2)
    path = str(tmp_path / "log")
    with pytest.raises(WorkerLost):
        logged(path, die_by_exit).result(WAIT)
    assert text_of(path) == "xxx"


def journalled(config_name: str) -> bool:
    """Whether workers leave a journal. Without one, calls that had not reported run again, to find the guilty one."""
    return config_name == "processes"


def test_neighbours_are_unharmed_and_run_once(load: Callable[..., Any], config_name: str, tmp_path: Path) -> None:
    load()
    gate, started = str(tmp_path / "gate"), str(tmp_path / "started")
    running = python_app(hold)(started, gate, "survivor")
    eventually(lambda: os.path.exists(started), "one worker is busy")
    before = [logged(f"{tmp_path}/before{i}", None, i) for i in range(30)]
    killer = logged(f"{tmp_path}/killer", die_by_exit)
    behind = [logged(f"{tmp_path}/behind{i}", None, i) for i in range(30)]
    assert isinstance(killer.exception(WAIT), WorkerLost)
    open(gate, "w").close()
    assert running.result(WAIT) == "survivor"
    assert [f.result(WAIT) for f in before] == list(range(30))
    assert [f.result(WAIT) for f in behind] == list(range(30))
    counts = {p.name: p.read_text() for p in tmp_path.iterdir() if p.name.startswith(("before", "behind", "killer"))}
    assert len(counts) == 61
    assert {name: text for name, text in counts.items() if text != "x"} == {} or not journalled(config_name)


def test_several_deaths_among_many_calls(load: Callable[..., Any], config_name: str, tmp_path: Path) -> None:
    load()
    futures = [logged(f"{tmp_path}/{i}", die_by_exit if i % 20 == 10 else None, i) for i in range(80)]
    for i, future in enumerate(futures):
        if i % 20 == 10:
            assert isinstance(future.exception(120), WorkerLost)
        else:
            assert future.result(120) == i
    runs = {i: len(text_of(f"{tmp_path}/{i}")) for i in range(80)}
    assert min(runs.values()) == 1
    assert {i: n for i, n in runs.items() if n != 1} == {} or not journalled(config_name), "(10, 30, 50 and 70 die)"
    recovers()


def test_a_worker_killed_from_outside(load: Callable[..., Any], tmp_path: Path) -> None:
    load(retries=1)
    path = str(tmp_path / "pid")
    gate = str(tmp_path / "gate")

    @python_app
    def stay(path: str, gate: str) -> int:
        import time

        append(path, f"{os.getpid()}\n")
        while not os.path.exists(gate):
            time.sleep(0.01)
        return os.getpid()

    future = stay(path, gate)
    eventually(lambda: text_of(path).endswith("\n"), "it runs")
    first = int(text_of(path))
    os.kill(first, signal.SIGKILL)
    eventually(lambda: text_of(path).count("\n") == 2, "the second try runs", WAIT)
    open(gate, "w").close()
    assert future.result(WAIT) == int(text_of(path).split()[1]) != first


def test_all_workers_killed_while_idle(load: Callable[..., Any]) -> None:
    load()
    pids = {f.result(WAIT) for f in [pid() for _ in range(20)]}
    for number in pids:
        os.kill(number, signal.SIGKILL)
    eventually(lambda: not any(alive(number) for number in pids), "they are dead")
    assert passed("again").result(WAIT) == "again"
    assert not {f.result(WAIT) for f in [pid() for _ in range(20)]} & pids


def test_a_chain_over_a_death(load: Callable[..., Any], tmp_path: Path) -> None:
    """Values computed before a worker died reach those that come after."""
    load(retries=1)
    path = str(tmp_path / "log")
    sources = [logged(f"{tmp_path}/{i}", None, [i] * 100) for i in range(10)]
    assert sources[-1].result(WAIT) == [9] * 100

    def dies_once() -> None:
        if len(open(path).read()) == 1:
            os._exit(1)

    bridge = logged(path, dies_once, 1)

    @python_app
    def total(bridge: int, inputs: Any = ()) -> int:
        return bridge + sum(sum(x) for x in inputs)

    assert total(bridge, inputs=sources).result(WAIT) == 1 + 4500
