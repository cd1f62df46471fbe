"""Jobs that make way for more urgent ones: nothing is lost, nothing is charged, and the block comes again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.jobs.states import JobState
from tests.helpers import WAIT, eventually
from tests.hpc.blocks import counted, counts, executor
from tests.hpc.slurm import Slurm


@pytest.fixture
def qos(slurm: Slurm) -> None:
    """Skips where this Slurm has no accounting, and so nothing that one job has over another."""
    done = subprocess.run(["sacctmgr", "-n", "show", "qos", "format=name"], capture_output=True, text=True)
    if done.returncode or "urgent" not in done.stdout:
        pytest.skip("this Slurm has no QOS called urgent")


def urgent(slurm: Slurm) -> str:
    """A job that takes all nodes for some seconds; its id."""
    return slurm.call("sbatch", "--parsable", "--qos=urgent", "--nodes=4", "--exclusive", "--wrap=sleep 2").strip()


def preempted(slurm: Slurm, load: Callable[..., Any], folder: Path, qos: str, strategy: str, seconds: float) -> Any:
    """Have a block of two nodes preempted while it runs calls of so many seconds; returns the executor."""
    one = executor(qos=qos, nodes_per_block=2, workers=1, init_blocks=1, max_blocks=1)
    load(one, strategy=strategy, retries=0)
    folder.mkdir()
    futures = [parsl.python_app(counted)(str(folder), i, seconds) for i in range(12)]
    eventually(lambda: len(counts(str(folder), "began")) >= 2, "both nodes work", WAIT)
    urgent(slurm)
    assert [f.result(200) for f in futures] == list(range(12))
    assert all(f.task_record["fail_count"] == 0 for f in futures)
    return one


def test_a_job_that_is_queued_again_joins_again(
    slurm: Slurm, run_slurm: Callable[..., Any], qos: None, tmp_path: Path
) -> None:
    """Also without a strategy that would ask for another one. Calls that have begun get to their end in time."""
    states = []
    one = executor(qos="normal", nodes_per_block=2, workers=1, init_blocks=1, max_blocks=1)
    run_slurm(one, strategy="none", retries=0)
    work = tmp_path / "work"
    work.mkdir()
    futures = [parsl.python_app(counted)(str(work), i, 0.5) for i in range(24)]
    eventually(lambda: len(counts(str(work), "ended")) >= 4, "both nodes work", WAIT)
    urgent(slurm)
    eventually(lambda: not one.connected_managers(), "the workers have left", WAIT)
    eventually(lambda: one.status()["0"].state is JobState.PENDING, "the block waits again", WAIT)
    assert [f.result(200) for f in futures] == list(range(24))
    states = [status.state for status in one.status().values()]
    assert states == [JobState.RUNNING]
    assert all(f.task_record["fail_count"] == 0 for f in futures)
    began, ended = counts(str(work), "began"), counts(str(work), "ended")
    assert sum(ended.values()) == 24 and sum(began.values()) == 24


def test_a_job_that_is_cancelled_is_asked_for_again(
    slurm: Slurm, run_slurm: Callable[..., Any], qos: None, tmp_path: Path
) -> None:
    """What was cut off runs again, without that being a retry."""
    one = preempted(slurm, run_slurm, tmp_path / "work", "scavenger", "simple", 4.0)
    first, *others = [status.state for status in one.status().values()]
    assert first is JobState.TIMEOUT and others and not one.bad_state_is_set
    assert sum(counts(str(tmp_path / "work"), "ended").values()) == 12


def test_a_signal_before_the_end(slurm: Slurm, run_slurm: Callable[..., Any], tmp_path: Path) -> None:
    """As ``--signal`` in ``scheduler_options`` asks for."""
    one = executor(workers=1, init_blocks=1, max_blocks=1)
    run_slurm(one, strategy="none", retries=0)
    work = tmp_path / "work"
    work.mkdir()
    futures = [parsl.python_app(counted)(str(work), i, 2.0) for i in range(4)]
    eventually(lambda: counts(str(work), "began"), "a call runs", WAIT)
    [job] = slurm.running()
    slurm.call("scancel", "--signal=USR1", job.id)
    eventually(lambda: not one.connected_managers(), "the worker has left", WAIT)
    done = sum(counts(str(work), "ended").values())
    assert done == sum(counts(str(work), "began").values()) < 4
    one.scale_out_facade(1)
    assert [f.result(WAIT) for f in futures] == list(range(4))
    assert sum(counts(str(work), "began").values()) == 4
