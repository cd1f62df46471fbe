"""What the end of a worker's process may mean."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.clusters.base import End
from parsl_on_dask.clusters.block import Block, Remains
from parsl_on_dask.common.app_errors import AppKilled, AppTimeout
from parsl_on_dask.executors.high_throughput.errors import MemoryLimitExceeded, WorkerLost
from parsl_on_dask.lanes.worker_deaths import describe_death, worker_lost

GIB = 2**30


@pytest.mark.parametrize(
    ("peak", "workers", "out"),
    [(7.5, 1, True), (2.0, 1, False), (2.0, 4, True), (2.0, 2, False), (1.0, 1, False)],
)
def test_memory_may_have_run_out_when_the_workers_together_came_near_the_limit(
    peak: float, workers: int, out: bool
) -> None:
    said = describe_death(End("signal SIGKILL", int(peak * GIB), 8 * GIB, workers, "/logs/worker_0.log"))
    assert ("Out of memory?" in said) is out
    assert f"up to {peak} GiB of 8.0 GiB" in said and said.endswith("Its log: /logs/worker_0.log")


def test_other_signals_are_no_sign_of_it() -> None:
    assert "memory" not in describe_death(End("signal SIGSEGV", 8 * GIB, 8 * GIB))


class FakeCluster:
    def __init__(self, block: str | None, end: End | None) -> None:
        self.block, self.end = block, end

    def block_of(self, worker: str) -> str | None:
        return self.block

    def end_of(self, worker: str) -> End | None:
        return self.end


def call(task: int | None) -> Any:
    return SimpleNamespace(name="mesh", owner=None if task is None else SimpleNamespace(id=task))


def note_of(task: int | None, cluster: Any, why: str = "") -> str:
    error = worker_lost(call(task), cluster, "w", "node7", why).error
    assert isinstance(error, WorkerLost)
    return error.note


def test_the_story_names_app_task_and_block() -> None:
    cluster = FakeCluster("2", End("exit code 3"))
    assert note_of(7, cluster).startswith("it ran app 'mesh', task 7, in block 2; its process ended")
    why = "its job ended, and job_end_reruns=0"
    assert note_of(7, cluster, why) == f"it ran app 'mesh', task 7, in block 2; {why}"
    bare = FakeCluster(None, None)
    assert note_of(None, bare).startswith("it ran app 'mesh'; how its process ended is not known here")


@pytest.mark.parametrize(
    ("over", "kind", "text"),
    [
        (("walltime", 0, 3.0), AppTimeout, "App mesh exceeded walltime: 3 seconds"),
        (("walltime", 0, 0.5), AppTimeout, "App mesh exceeded walltime: 0.5 seconds"),
        (("kill", 0, 0), AppKilled, "mesh"),
        (("memory", 3 * GIB, 2**29), MemoryLimitExceeded, "task 7 had 3.0 GiB of memory, and was allowed 512 MiB"),
    ],
)
def test_what_ended_a_worker_for_its_call_is_the_calls_error(over: Any, kind: type, text: str) -> None:
    what, used, allowed = over
    cluster: Any = FakeCluster(None, End("signal SIGKILL", over=what, used=used, allowed=allowed))
    outcome = worker_lost(call(7), cluster, "w", "node7")
    assert type(outcome.error) is kind and text in str(outcome.error)
    assert (outcome.worker, outcome.host) == ("w", "node7")
    assert type(worker_lost(call(7), cluster, "w", "node7", "its job ended").error) is WorkerLost


def test_an_end_that_can_be_read_once_is_told(tmp_path: Path) -> None:
    """That of a worker in a block is a file, which goes when it is read."""
    (tmp_path / "w.end").write_text(json.dumps(End("exit code 3")._asdict()))
    block, remains = Block("2", str(tmp_path), ""), Remains()
    cluster: Any = SimpleNamespace(block_of=lambda worker: "2", end_of=lambda worker: remains.end_of(block, worker))
    assert "its process ended with exit code 3" in note_of(7, cluster)
    assert not (tmp_path / "w.end").exists()


def test_an_end_travels_as_json() -> None:
    end = End("exit code 3", 1, 2, 3, "log")
    assert End(**json.loads(json.dumps(end._asdict()))) == end
