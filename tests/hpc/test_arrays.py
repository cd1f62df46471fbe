"""Blocks that are asked for together are one job array of a real Slurm."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.providers.slurm_provider import SlurmProvider
from tests.helpers import WAIT, eventually
from tests.hpc.blocks import environment, executor
from tests.hpc.slurm import Slurm

ASKED = ("PARSL_WORKER_BLOCK_ID", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_JOB_ID")


def elements(slurm: Slurm) -> list[str]:
    """Ids of all jobs that run or wait, those of arrays one by one."""
    return sorted(slurm.call("squeue", "-h", "-r", "-o", "%i").split())


def connected(one: Any, *blocks: str) -> None:
    eventually(lambda: sorted(one.connected_blocks()) == list(blocks), f"blocks {blocks}", WAIT)


def test_one_submission_whose_elements_come_and_go_alone(slurm: Slurm, run_slurm: Callable[..., Any]) -> None:
    one = executor(workers=1, init_blocks=3, max_blocks=4)
    run_slurm(one)
    connected(one, "0", "1", "2")
    array = one.blocks_to_job_id["0"].partition("_")[0]
    assert one.blocks_to_job_id == {str(i): f"{array}_{i}" for i in range(3)}
    assert elements(slurm) == [f"{array}_{i}" for i in range(3)]
    calls = [parsl.python_app(environment)(*ASKED) for _ in range(12)]
    for seen in (call.result(WAIT) for call in calls):
        assert seen["PARSL_WORKER_BLOCK_ID"] == seen["SLURM_ARRAY_TASK_ID"] and seen["SLURM_ARRAY_JOB_ID"] == array
    assert one.scale_in_facade(1) == ["2"]
    eventually(lambda: elements(slurm) == [f"{array}_0", f"{array}_1"], "one element is cancelled", WAIT)
    assert one.scale_out_facade(1) == ["3"]
    connected(one, "0", "1", "3")
    assert "_" not in one.blocks_to_job_id["3"], "one block is no array"
    # what happens to an element is seen as what happens to its block
    slurm.call("scancel", f"{array}_1")
    eventually(lambda: one.status()["1"].terminal, "block 1 has ended", WAIT)
    assert [one.status()[name].state for name in ("0", "2", "3")] == [
        JobState.RUNNING,
        JobState.SCALED_IN,
        JobState.RUNNING,
    ]


def test_elements_that_wait_are_given_back_alone(slurm: Slurm, run_slurm: Callable[..., Any]) -> None:
    one = executor(workers=1, init_blocks=3, max_blocks=3, scheduler_options="#SBATCH --hold")
    run_slurm(one)
    eventually(lambda: len(elements(slurm)) == 3, "three elements wait", WAIT)
    array = one.blocks_to_job_id["0"].partition("_")[0]
    assert one.scale_in_facade(1) == ["2"]
    eventually(lambda: elements(slurm) == [f"{array}_0", f"{array}_1"], "one is cancelled", WAIT)


def test_a_site_without_arrays(slurm: Slurm, run_slurm: Callable[..., Any]) -> None:
    one = executor(workers=1, init_blocks=2, max_blocks=2, job_arrays=False)
    run_slurm(one)
    connected(one, "0", "1")
    assert not any("_" in job_id for job_id in one.blocks_to_job_id.values())


def test_a_refused_array_becomes_single_submissions(
    slurm: Slurm, run_slurm: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    way = SlurmProvider._arrays
    assert way is not None
    # beyond MaxArraySize
    monkeypatch.setattr(SlurmProvider, "_arrays", way._replace(option="--array=1000000-100000{last}"))
    one = executor(workers=1, init_blocks=2, max_blocks=3)
    with caplog.at_level(logging.WARNING, "parsl.clusters.arrays"):
        run_slurm(one)
        connected(one, "0", "1")
    assert not any("_" in job_id for job_id in one.blocks_to_job_id.values())
    [said] = [record.getMessage() for record in caplog.records if record.name == "parsl.clusters.arrays"]
    assert "one by one from now on" in said and "Invalid job array specification" in said


def test_nobody_is_left_when_the_script_is_killed(slurm: Slurm, script: Callable[..., Any]) -> None:
    text = """
        import os, signal, time, parsl
        from parsl.config import Config
        from parsl.executors import HighThroughputExecutor
        from parsl.providers import SlurmProvider

        one = HighThroughputExecutor(
            address="127.0.0.1",
            max_workers_per_node=1,
            provider=SlurmProvider("debug", exclusive=False, init_blocks=2, max_blocks=2, walltime="00:05:00"),
        )
        parsl.load(Config([one]))
        while len(one.connected_blocks()) < 2:
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    killed = script(textwrap.dedent(text), python_args=("-m", "parsl_on_dask"))
    killed.process.wait(WAIT)
    eventually(lambda: elements(slurm) == [], "both elements are cancelled", WAIT)
