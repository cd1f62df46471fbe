"""Blocks come and go by Parsl's formula."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.clusters.scaling import Demand, decide
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import LocalProvider
from tests.helpers import eventually


def demand(**changes: float) -> Demand:
    start = {"tasks": 0, "blocks": 0, "per_block": 2, "min_blocks": 0, "max_blocks": 4, "parallelism": 1.0, "idle": 0.0}
    return Demand(**{**start, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "change"),
    [
        (demand(tasks=1), 1),
        (demand(tasks=10), 4),
        (demand(tasks=10, blocks=1), 3),
        (demand(tasks=10, blocks=4), 0),
        (demand(tasks=3, blocks=1, parallelism=0.5), 0),
        (demand(tasks=5, blocks=1, parallelism=0.5), 1),
        (demand(tasks=1, parallelism=0.0), 1),
        (demand(tasks=1, max_blocks=0), 0),
        (demand(blocks=3, idle=121), -3),
        (demand(blocks=3, idle=119), 0),
        (demand(blocks=3, idle=121, min_blocks=2), -1),
        (demand(blocks=1, idle=121, min_blocks=2), 0),
        (demand(tasks=1, blocks=4), 0),
    ],
)
def test_simple(given: Demand, change: int) -> None:
    assert decide(given, 120.0, shrink_early=False) == change


def test_htex_auto_scale_gives_blocks_back_early() -> None:
    assert decide(demand(tasks=1, blocks=4), 120.0, shrink_early=True) == -3
    assert decide(demand(tasks=3, blocks=4, min_blocks=3), 120.0, shrink_early=True) == -1


def block() -> str:
    import os

    time.sleep(0.4)
    return os.environ["PARSL_WORKER_BLOCK_ID"]


def test_local_blocks_come_and_go(tmp_path: Path) -> None:
    executor = HighThroughputExecutor(
        label="elastic", max_workers_per_node=1, provider=LocalProvider(init_blocks=0, min_blocks=0, max_blocks=2)
    )
    config = parsl.Config(
        executors=[executor], strategy="simple", strategy_period=0.3, max_idletime=1.0, run_dir=str(tmp_path)
    )
    with parsl.load(config) as kernel:
        assert executor.status() == {}
        assert kernel.submit(block).result(60) == "0"
        calls = [kernel.submit(block) for _ in range(10)]
        eventually(lambda: len(executor.status()) == 2, "a second block was asked for")
        assert {c.result(60) for c in calls} <= {"0", "1"}
        eventually(lambda: executor.status() == {}, "idle blocks were given back")
        eventually(lambda: executor.connected_managers() == [], "their workers are gone")
        assert kernel.submit(block).result(60) == "2"


def test_strategy_none_keeps_what_there_is(tmp_path: Path) -> None:
    executor = HighThroughputExecutor(
        label="fixed", max_workers_per_node=1, provider=LocalProvider(init_blocks=1, max_blocks=3)
    )
    config = parsl.Config(executors=[executor], strategy="none", strategy_period=0.2, run_dir=str(tmp_path))
    with parsl.load(config) as kernel:
        assert {c.result(60) for c in [kernel.submit(block) for _ in range(4)]} == {"0"}
        assert list(executor.status()) == ["0"]
