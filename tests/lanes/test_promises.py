"""Travelling together never changes what a program means."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors import HighThroughputExecutor
from tests.helpers import append, eventually, text_of


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    executor = HighThroughputExecutor(label="two", max_workers_per_node=2)
    run_dir = str(tmp_path_factory.mktemp("runs"))
    with parsl.load(parsl.Config(executors=[executor], run_dir=run_dir)) as kernel:
        yield kernel
    parsl.clear()


def short(i: int) -> int:
    return i


def sized(i: int) -> bytes:
    return b"x" * (200_000 if i % 50 == 0 else 10)


def test_large_results_among_small_ones(kernel: Any) -> None:
    futures = [kernel.submit(sized, i) for i in range(200)]
    assert [len(f.result(60)) for f in futures] == [200_000 if i % 50 == 0 else 10 for i in range(200)]
    lengths = [kernel.submit(len, f) for f in [kernel.submit(sized, i) for i in range(60)]]
    assert [f.result(60) for f in lengths] == [200_000 if i % 50 == 0 else 10 for i in range(60)]


@pytest.mark.extended
def test_a_worker_that_forgot_a_function_gets_it_again(kernel: Any) -> None:
    def made(i: int) -> Any:
        return lambda: i

    functions = [made(i) for i in range(700)]
    assert [f.result(60) for f in [kernel.submit(f) for f in functions]] == list(range(700))
    assert [f.result(60) for f in [kernel.submit(f) for f in functions]] == list(range(700))


def test_cancelled_calls_do_not_run(kernel: Any, tmp_path: Path) -> None:
    gate, path = str(tmp_path / "gate"), str(tmp_path / "ran")

    def held(gate: str) -> None:

        while not os.path.exists(gate):
            time.sleep(0.01)

    holders = [kernel.submit(held, gate) for _ in range(40)]
    waiting = [kernel.submit(append, path, str(i) + "\n") for i in range(40)]
    cancelled = {i for i, f in enumerate(waiting) if f.cancel()}
    append(gate)
    for future in holders:
        future.result(60)
    ran = {i for i, f in enumerate(waiting) if i not in cancelled and f.result(60) is None}
    assert ran | cancelled == set(range(40))
    assert {int(line) for line in text_of(path).split()} == ran


def test_a_lane_that_cannot_send_fails_its_calls(tmp_path: Path) -> None:
    executor = HighThroughputExecutor(label="broken", max_workers_per_node=1)
    executor.run_dir = str(tmp_path)
    executor.start()
    try:
        assert executor.submit(short, {}, 1).result(60) == 1
        executor.lane.queues.heads = None
        with pytest.raises(ExecutorError, match="cannot be sent"):
            executor.submit(short, {}, 2).result(30)
    finally:
        executor.shutdown()
    eventually(lambda: not executor.lane, "closed")
