"""What calls fork and start: it ends with them, and holds nobody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from tests import interpreters
from tests.helpers import WAIT, alive, eventually, text_of

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="what calls leave is found on Linux")


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@python_app
def with_children(path: str, how: str) -> None:
    """Start processes that last, say who and where, and stay."""
    import multiprocessing
    import time

    pids = []
    if how == "multiprocessing":
        processes = [multiprocessing.get_context("fork").Process(target=time.sleep, args=(900,)) for _ in range(2)]
        for process in processes:
            process.start()
        pids = [process.pid for process in processes]
    elif how == "fork":
        pid = os.fork()
        if pid == 0:
            time.sleep(900)
        pids = [pid]
    elif how == "session":
        pids = [subprocess.Popen(["sleep", "900"], start_new_session=True).pid]
    elif how == "background":
        pids = [int(subprocess.check_output("sleep 900 >/dev/null 2>&1 & echo $!", shell=True))]
    elif how == "stubborn":
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(900)
        pids = [pid]
    with open(path + ".part", "w") as file:
        file.write(" ".join(map(str, [os.getpid(), *pids])))
    os.rename(path + ".part", path)
    time.sleep(900)


@python_app
def passed(x: Any) -> Any:
    return x


def started(path: Path) -> list[int]:
    eventually(path.exists, "the call has started its processes", WAIT)
    return list(map(int, text_of(path).split()))


HOWS = ["multiprocessing", "fork", "session", "background", "stubborn"]


@pytest.mark.parametrize("how", HOWS)
def test_a_killed_worker_is_seen_at_once(how: str, load: Callable[..., Any], config_name: str, tmp_path: Path) -> None:
    if (config_name, how) == ("existing", "multiprocessing"):
        pytest.skip("workers below one of Dask's nannies are daemons, which multiprocessing lets have no children")
    load()
    future = with_children(str(tmp_path / "pids"), how)
    worker, *children = started(tmp_path / "pids")
    try:
        os.kill(worker, signal.SIGKILL)
        assert isinstance(future.exception(WAIT), WorkerLost)
        assert [passed(i).result(WAIT) for i in range(5)] == list(range(5))
        if config_name == "processes" and sys.platform == "linux":
            eventually(lambda: not any(map(alive, children)), "what it had started has ended")
    finally:
        for pid in filter(alive, children):
            os.kill(pid, signal.SIGKILL)


@on_linux
@pytest.mark.parametrize("how", HOWS)
def test_nothing_stays_after_clear(how: str, make_config: Any, config_name: str, tmp_path: Path) -> None:
    if config_name == "existing":
        pytest.skip("its workers go on, and what they have started is theirs")
    kernel = parsl.load(make_config())
    with_children(str(tmp_path / "pids"), how)
    pids = started(tmp_path / "pids")
    kernel.cleanup()
    assert not [pid for pid in pids if alive(pid)]


@on_linux
def test_a_neighbours_death_ends_nothing_of_others(make_config: Any, config_name: str, tmp_path: Path) -> None:
    if config_name == "existing":
        pytest.skip("see above")
    kernel = parsl.load(make_config())
    with_children(str(tmp_path / "mine"), "background")
    worker, background = started(tmp_path / "mine")
    with_children(str(tmp_path / "other"), "fork")
    other, forked = started(tmp_path / "other")
    os.kill(other, signal.SIGKILL)
    eventually(lambda: not alive(forked), "what the dead worker had forked has ended")
    assert alive(worker) and alive(background)
    kernel.cleanup()
    assert not alive(background)


def test_a_child_that_returns_ends_there(load: Callable[..., Any], tmp_path: Path) -> None:
    load()

    @python_app
    def forks(path: str, how: str) -> str:
        pid = os.fork()
        if pid == 0:
            if how == "raises":
                raise ValueError("of the child")
            if how == "exits":
                sys.exit(7)
            return "of the child"
        with open(path, "w") as file:
            file.write(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
        return "of the call"

    for how, code in (("returns", "0"), ("raises", "1"), ("exits", "7")):
        path = str(tmp_path / how)
        assert forks(path, how).result(WAIT) == "of the call"
        assert text_of(path) == code
    assert [passed(i).result(WAIT) for i in range(5)] == list(range(5))


def test_what_a_child_returns_is_nobodys_result(load: Callable[..., Any], tmp_path: Path) -> None:
    load()

    @python_app
    def forks(path: str) -> str:
        import time

        pid = os.fork()
        if pid == 0:
            return "of the child"
        os.waitpid(pid, 0)
        with open(path + ".part", "w") as file:
            file.write(str(os.getpid()))
        os.rename(path + ".part", path)
        time.sleep(900)
        return "of the call"

    future = forks(str(tmp_path / "pid"))
    os.kill(started(tmp_path / "pid")[0], signal.SIGKILL)
    assert isinstance(future.exception(WAIT), WorkerLost)


THREADS = """
import os, sys
import parsl_on_dask as parsl
from parsl_on_dask.executors import ThreadPoolExecutor

@parsl.python_app
def forks():
    pid = os.fork()
    if pid == 0:
        return "child"
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

@parsl.join_app
def joins():
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return forks()

with parsl.load(parsl.Config(executors=[ThreadPoolExecutor(max_threads=2)])):
    for app in (forks, joins):
        future = app()
        future.add_done_callback(lambda f: print("done", f.result(), flush=True))
        future.result()
"""


def test_on_threads_and_in_joins(config_name: str, tmp_path: Path) -> None:
    if config_name == "existing":
        pytest.skip("once is enough")
    ran = interpreters.run(
        [sys.executable, "-c", THREADS], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.stdout.split("\n"), ran.returncode) == (["done 0", "done 0", ""], 0), ran.stderr
