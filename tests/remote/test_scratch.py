"""Directories for the length of a run: what a killed process leaves is removed by a later one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from parsl_on_dask.remote import scratch
from tests import interpreters
from tests.helpers import eventually

pytestmark = pytest.mark.skipif(scratch.fcntl is None, reason="no locks here")

MAKE = """
import os, sys
from parsl_on_dask.remote import scratch
path = scratch.make(sys.argv[1])
os.makedirs(os.path.join(path, "deep", "down"))
print(path, flush=True)
sys.stdin.readline()
"""


def owner_of(where: Path) -> tuple[subprocess.Popen[str], str]:
    """A process that holds a directory, and the directory's path."""
    process = interpreters.Popen(
        [sys.executable, "-c", MAKE, str(where)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    first, its = owner_of(tmp_path)
    second, other = owner_of(tmp_path)
    try:
        assert scratch.sweep(str(tmp_path)) == [], "both live"
        killed(first)
        assert os.path.isdir(its)
        third, mine = owner_of(tmp_path)
        assert sorted(os.listdir(tmp_path)) == sorted(map(os.path.basename, [other, mine]))
        killed(third)
        assert scratch.sweep(str(tmp_path)) == [mine]
    finally:
        killed(second)
    assert scratch.sweep(str(tmp_path)) == [other]


def test_one_that_a_child_still_holds_stays(tmp_path: Path) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    text = MAKE.replace(
        "sys.stdin.readline()", "child = os.fork()\nif child: print(child, flush=True)\nsys.stdin.read()"
    )
    process = interpreters.Popen(
        [sys.executable, "-c", text, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    path, child = process.stdout.readline().strip(), int(process.stdout.readline())
    process.kill()
    process.wait()
    try:
        assert scratch.sweep(str(tmp_path)) == []
    finally:
        os.kill(child, signal.SIGKILL)
    eventually(lambda: scratch.sweep(str(tmp_path)) == [path], "the child's end frees the directory")
    process.communicate()


def test_what_is_not_surely_ours_stays(tmp_path: Path) -> None:
    process, there = owner_of(tmp_path)
    killed(process)
    elsewhere = tmp_path / "elsewhere"
    os.rename(there, elsewhere)
    os.symlink(elsewhere, tmp_path / f"{scratch.PREFIX}link")
    (tmp_path / f"{scratch.PREFIX}file").touch()
    (tmp_path / f"{scratch.PREFIX}without-owner").mkdir()
    linked = tmp_path / f"{scratch.PREFIX}with-link"
    linked.mkdir()
    os.symlink(elsewhere / scratch.OWNER, linked / scratch.OWNER)
    other = tmp_path / f"{scratch.PREFIX}of-another-host"
    other.mkdir()
    (other / scratch.OWNER).write_text("another-host")
    pipe = tmp_path / f"{scratch.PREFIX}pipe"
    pipe.mkdir()
    os.mkfifo(pipe / scratch.OWNER)
    before = sorted(os.listdir(tmp_path))
    assert scratch.sweep(str(tmp_path)) == []
    assert sorted(os.listdir(tmp_path)) == before


def test_where_nothing_can_be_locked_a_directory_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, how: int) -> None:
        raise OSError(38, "no locks")

    monkeypatch.setattr(scratch.fcntl, "flock", refuse)
    path = scratch.make(str(tmp_path))
    assert os.listdir(path) == []
    scratch.remove(path)
    assert not os.path.exists(path)


SCRIPT = """
import os, sys, time
import parsl_on_dask as parsl
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor

executor = ThreadPoolExecutor() if sys.argv[1] == "threads" else HighThroughputExecutor(max_workers_per_node=1)
with parsl.load(Config(executors=[executor], run_dir=sys.argv[2])):
    assert parsl.python_app(lambda: 3)().result() == 3
    print("runs", flush=True)
    if sys.argv[3] == "wait":
        time.sleep(600)
"""


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_run_removes_what_a_killed_one_left(kind: str, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    def start(how: str) -> subprocess.Popen[str]:
        return interpreters.Popen(
            [sys.executable, "-c", SCRIPT, kind, str(tmp_path / "runinfo"), how],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary)},
            start_new_session=True,
        )

    first = start("wait")
    assert first.stdout is not None and first.stdout.readline() == "runs\n"
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    second = start("end")
    assert second.communicate(timeout=120)[0] == "runs\n" and second.returncode == 0
    eventually(lambda: not list(temporary.glob("parsl-on-dask-*")), "the folder for temporary files is clean")


def test_sockets_are_where_paths_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    path = scratch.make(sockets=True)
    try:
        assert len(path) < 90
    finally:
        scratch.remove(path)
