"""Scaling on a real Slurm: bursts, a queue that starts nothing, jobs that die at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.jobs.states import JobState
from tests.helpers import WAIT, eventually, hold
from tests.hpc.blocks import executor, here
from tests.hpc.slurm import Slurm

Load = Callable[..., Any]


@pytest.fixture
def submissions(slurm: Slurm) -> Iterator[set[str]]:
    """Ids of all jobs that were ever seen in the queue while the test ran."""
    seen: set[str] = set()
    ended = threading.Event()
    before = {job.id for job in slurm.jobs("all")}

    def watch() -> None:
        while not ended.wait(0.2):
            seen.update({job.id for job in slurm.jobs("all")} - before)

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    ended.set()
    thread.join()


def test_a_burst_gets_blocks_and_gives_them_back(
    slurm: Slurm, run_slurm: Load, submissions: set[str], tmp_path: Path, gate: str
) -> None:
    one = executor(init_blocks=0, min_blocks=1, max_blocks=3, workers=1, cores_per_node=1)
    run_slurm(one, strategy="simple", max_idletime=3)
    held = [parsl.python_app(hold)(str(tmp_path / f"s{i}"), gate, i) for i in range(8)]
    slurm.running(3)
    eventually(lambda: len(one.connected_blocks()) == 3, "three blocks have workers", WAIT)
    time.sleep(3)
    assert len(slurm.jobs()) == 3, "never more than max_blocks"
    Path(gate).touch()
    assert [f.result(WAIT) for f in held] == list(range(8))
    eventually(lambda: len(slurm.jobs()) == 1, "idle blocks are given back, down to min_blocks", WAIT)
    time.sleep(3)
    assert len(slurm.jobs()) == 1 and len(submissions) == 3
    again = [parsl.python_app(here)(0.5) for _ in range(20)]
    assert {job for job, _, _ in [f.result(WAIT) for f in again]}
    assert len(submissions) <= 5


def test_auto_scale_gives_back_idle_blocks_while_one_works(
    slurm: Slurm, run_slurm: Load, submissions: set[str], tmp_path: Path, gate: str
) -> None:
    one = executor(init_blocks=3, max_blocks=3, workers=1, cores_per_node=1)
    run_slurm(one, strategy="htex_auto_scale", max_idletime=3)
    held = parsl.python_app(hold)(str(tmp_path / "started"), gate, "kept")
    assert len(slurm.jobs()) == 3
    eventually((tmp_path / "started").exists, "it runs", WAIT)
    eventually(lambda: len(slurm.jobs()) == 1, "the two idle blocks are given back", WAIT)
    time.sleep(3)
    assert len(slurm.jobs()) == 1 and not held.done()
    Path(gate).touch()
    assert held.result(WAIT) == "kept" and len(submissions) == 3


def test_results_of_a_block_given_back_are_there_still(slurm: Slurm, run_slurm: Load) -> None:
    """Large results stay on the workers until somebody asks; scaling in must not lose them or run calls again."""
    one = executor(init_blocks=2, max_blocks=2, workers=1, cores_per_node=1)
    run_slurm(one)
    eventually(lambda: len(one.connected_blocks()) == 2, "two blocks have workers", WAIT)

    @parsl.python_app
    def large(number: int) -> tuple[bytes, str]:
        import os
        import time

        time.sleep(0.2)
        return bytes([number]) * 300_000, f"{os.environ['SLURM_JOB_ID']}-{time.time()}"

    futures = [large(i) for i in range(10)]
    parsl.wait_for_current_tasks()
    assert len(one.scale_in(1)) == 1
    eventually(lambda: len(slurm.jobs()) == 1, "one block is left", WAIT)
    values = [f.result(WAIT) for f in futures]
    assert [value[:1] for value, _ in values] == [bytes([i]) for i in range(10)]
    assert len({job.split("-")[0] for _, job in values}) == 2, "those of the block that is gone are among them"


def test_a_queue_that_starts_nothing(slurm: Slurm, run_slurm: Load, submissions: set[str]) -> None:
    one = executor(partition="closed", init_blocks=1, max_blocks=2)
    run_slurm(one, strategy="simple")
    futures = [parsl.python_app(here)() for _ in range(50)]
    eventually(lambda: len(slurm.jobs()) == 2, "as many jobs as may be", WAIT)
    time.sleep(4)
    assert len(submissions) == 2 and not any(f.done() for f in futures)
    assert {s.state for s in one.status().values()} == {JobState.PENDING}
    began = time.monotonic()
    parsl.dfk().cleanup()
    assert time.monotonic() - began < 60


def test_jobs_that_die_at_once(slurm: Slurm, run_slurm: Load, submissions: set[str]) -> None:
    one = executor(init_blocks=1, max_blocks=4, worker_init="echo no licence to be had >&2\nexit 17")
    run_slurm(one, strategy="simple")
    futures = [parsl.python_app(here)() for _ in range(20)]
    for future in futures:
        with pytest.raises(ExecutorError) as caught:
            future.result(WAIT)
        text = str(caught.value)
        assert "17" in text and "no licence to be had" in text
    assert one.bad_state_is_set and "no licence" in str(one.executor_exception)
    assert len(submissions) <= 6, "four at once, and one for each of two more rounds"
    with pytest.raises(Exception, match="no licence"):
        parsl.python_app(here)().result(WAIT)


def test_blocks_that_were_lost_are_replaced(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(init_blocks=1, max_blocks=1)
    run_slurm(one, strategy="simple", retries=2)
    where = parsl.python_app(here)
    first = where().result(WAIT)[0]
    slurm.cancel(first)
    assert where().result(WAIT)[0] != first
