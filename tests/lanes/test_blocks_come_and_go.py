"""Blocks that are killed, and others that come, while many calls run."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.providers import LocalProvider
from tests.helpers import WAIT, eventually, hold, text_of
from tests.kernels import unload


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[HighThroughputExecutor]:
    """Without blocks to begin with, so that each one can be killed and the scheduler stays."""
    provider = LocalProvider(init_blocks=0, min_blocks=0, max_blocks=100)
    made = HighThroughputExecutor(label="many", max_workers_per_node=1, provider=provider)
    parsl.load(parsl.Config(executors=[made], run_dir=str(tmp_path / "runs"), retries=5, strategy="none"))
    yield made
    unload()


def noted(path: str, i: int, seconds: float) -> int:
    """Note the run, and where."""
    import os
    import time

    with open(path, "a") as file:
        file.write(f"{i}\n")
    time.sleep(seconds)
    with open(f"{path}.{os.environ['PARSL_WORKER_BLOCK_ID']}", "a") as file:
        file.write(f"{i}\n")
    return i


def kill(executor: Any, block: str) -> None:
    os.killpg(executor.lane.cluster.blocks[block].process.pid, signal.SIGKILL)


@pytest.mark.extended
@pytest.mark.timeout(400)
@pytest.mark.parametrize("journals", [True, False])
def test_blocks_killed_at_random(executor: Any, tmp_path: Path, journals: bool) -> None:
    """Every call ends; only what was on a block when it was killed runs once more.

    Where a block's journals are lost with it, that may be as many calls as go there at a time.
    """
    chance = random.Random(1)
    if not journals:
        executor.lane.cluster.last_of = lambda worker: None
    path = str(tmp_path / "ran")
    number = 2000
    alive = executor.scale_out_facade(2)
    futures = [parsl.dfk().submit(noted, path, i, 0.002 if i % 40 else 0.3) for i in range(number)]
    killed = 0
    while not all(f.done() for f in futures):
        before = sum(f.done() for f in futures)
        want = min(number, before + chance.randrange(50, 400))
        eventually(lambda want=want: sum(f.done() for f in futures) >= want, f"more than {before} calls end", 120)
        if before < number - 400:
            kill(executor, alive.pop(chance.randrange(2)))
            killed += 1
            alive += executor.scale_out_facade(1)
    assert [f.result(0) for f in futures] == list(range(number))
    assert killed >= 3
    runs = Counter(map(int, text_of(path).split()))
    assert set(runs) == set(range(number))
    # a block of one worker runs one call at a time
    assert sum(runs.values()) - number <= killed * (1 if journals else 100)
    retried = sum(f.task_record["fail_count"] for f in futures)
    assert retried <= killed


def test_all_calls_of_a_block_fail_when_it_goes(executor: Any, tmp_path: Path) -> None:
    """Each is one failed try, which says where it was."""
    parsl.dfk().config.retries = 0
    executor.max_workers_per_node = 2
    (block,) = executor.scale_out_facade(1)
    gate = str(tmp_path / "gate")
    futures = [parsl.dfk().submit(hold, str(tmp_path / f"started{i}"), gate) for i in range(2)]
    for i in range(2):
        eventually((tmp_path / f"started{i}").exists, "it runs", WAIT)
    kill(executor, block)
    for future in futures:
        error = future.exception(WAIT)
        assert isinstance(error, WorkerLost)
        assert f"block {block}" in str(error) and error.hostname in str(error)
        assert future.task_record["fail_count"] == 1


def test_a_busy_block_is_not_idle(executor: Any, tmp_path: Path) -> None:
    lane = executor.lane
    blocks = executor.scale_out_facade(2)
    eventually(lambda: len(lane.workers()) == 2, "both have workers", WAIT)
    assert lane.idle_blocks() == set(blocks)
    gate, started = tmp_path / "gate", tmp_path / "started"
    future = parsl.dfk().submit(hold, str(started), str(gate))
    eventually(started.exists, "it runs", WAIT)
    assert lane.outstanding() == 1
    eventually(lambda: len(lane.idle_blocks()) == 1, "one of them is busy", WAIT)
    (idle,) = lane.idle_blocks()
    kill(executor, idle)
    gate.touch()
    assert future.result(WAIT) is None
    assert lane.outstanding() == 0
