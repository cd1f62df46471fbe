"""``drain_period``: a block takes no more calls after so many seconds, finishes what it has, and leaves."""

from __future__ import annotations

from pathlib import Path

import parsl_on_dask as parsl
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import LocalProvider
from tests.helpers import WAIT, eventually


def block_once_there_is(file: str, started: str) -> str:
    import os
    import time

    with open(started, "w"):
        pass
    while not os.path.exists(file):
        time.sleep(0.05)
    return os.environ["PARSL_WORKER_BLOCK_ID"]


def test_a_block_of_this_machine_drains_and_another_one_comes(tmp_path: Path) -> None:
    executor = HighThroughputExecutor("drained", LocalProvider(), max_workers_per_node=1, drain_period=6)
    config = parsl.Config(executors=[executor], strategy="simple", strategy_period=0.3, run_dir=str(tmp_path / "runs"))
    go = tmp_path / "go"
    with parsl.load(config) as kernel:
        long = kernel.submit(block_once_there_is, str(go), str(tmp_path / "long"))
        eventually((tmp_path / "long").exists, "it runs", WAIT)
        eventually(lambda: any(m["draining"] for m in executor.connected_managers()), "no more calls", WAIT)
        waiting = kernel.submit(block_once_there_is, str(go), str(tmp_path / "waiting"))
        assert not long.done()
        go.touch()
        assert waiting.result(WAIT) != long.result(WAIT)
