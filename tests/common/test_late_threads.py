"""A script that ends without a clean-up is quiet, also where no thread can be started at the interpreter's exit."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.checkpoint.syncing import Syncer
from parsl_on_dask.common import late_threads
from tests.front_door.programs import python, write

KINDS = {
    "threads": "ThreadPoolExecutor(max_threads=3)",
    "processes": "HighThroughputExecutor(max_workers_per_node=1)",
    "batch": "HighThroughputExecutor(provider=Kills(), max_workers_per_node=1, address='127.0.0.1')",
}
SCRIPT = """
import threading
import parsl_on_dask as parsl
from parsl_on_dask.common import late_threads
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor
from tests.clusters.jobs import ShellProvider

class Kills(ShellProvider):
    def cancel(self, job_ids):
        for number in job_ids:
            self.resources[number]["cancelled"] = True
            self.kill(number)
        return [True] * len(job_ids)

def refuse(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")

late_threads.LATE = late_threads.LATE or {late}
executor = {executor}
parsl.load(parsl.Config(executors=[executor], memoizer=BasicMemoizer(checkpoint_mode="dfk_exit")))
if {late}:  # what is registered last comes first
    threading._register_atexit(lambda: setattr(threading.Thread, "start", refuse))

@parsl.python_app(cache=True)
def double(x):
    return 2 * x

print([f.result() for f in [double(i) for i in range(4)]])
"""


@pytest.mark.parametrize("late", [False, True], ids=["as Python is", "as 3.12.1"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_script_without_clean_up_says_nothing(kind: str, late: bool, tmp_path: Path) -> None:
    write(tmp_path, "script.py", SCRIPT.format(executor=KINDS[kind], late=late))
    done = python(tmp_path, "script.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 2, 4, 6]\n", "")
    (run,) = [path for path in (tmp_path / "runinfo").iterdir() if path.name == "000"]
    log = (run / "parsl.log").read_text()
    assert "DFK cleanup complete" in log and "can't create new thread" not in log and "Traceback" not in log
    assert list((run / "checkpoint").iterdir())


@pytest.fixture
def no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(late_threads, "LATE", True)
    monkeypatch.setattr(threading.Thread, "start", refuse)


def test_the_pythons_that_are_meant() -> None:
    assert late_threads.LATE is ((3, 12, 0) <= sys.version_info[:3] <= (3, 12, 2))


def test_as_long_as_threads_can_be_started_they_are() -> None:
    seen: list[Any] = []

    def note(*args: int) -> None:
        seen.append((args, threading.current_thread().name))

    late_threads.beside(note, 1, 2, name="aside", patience=9)
    assert seen == [((1, 2), "aside")] and not late_threads.no_more_threads()


def test_without_threads_it_is_done_at_once(no_more_threads: None) -> None:
    seen: list[int] = []
    late_threads.beside(seen.append, 1, name="aside")
    assert seen == [1] and late_threads.no_more_threads()


def test_a_checkpoint_that_is_first_written_at_the_end_needs_no_thread(no_more_threads: None) -> None:
    rounds: list[int] = []
    syncer = Syncer(lambda: rounds.append(1))
    syncer.wake()
    syncer.stop()
    assert rounds == []


def test_the_workers_own_thread_is_asked_for_in_time(no_more_threads: None) -> None:
    from parsl_on_dask.clusters.dashboard import plain_worker

    assert plain_worker()._is_finalizing()


def test_dask_has_the_names_that_are_used() -> None:
    from distributed import Future, Worker

    assert {"_cb_executor", "_cb_executor_pid"} <= set(vars(Future)) and Worker._is_finalizing is sys.is_finalizing
