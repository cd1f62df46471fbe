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
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from tests.helpers import append, eventually, text_of


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    executor = HighThroughputExecutor(label="two", max_workers_per_node=2)
    run_dir = str(tmp_path_factory.mktemp("runs"))
    with parsl.load(parsl.Config(executors=[executor], run_dir=run_dir)) as kernel:
        for _ in range(3):  # run times are known from here on
            for future in [kernel.submit(short, i) for i in range(100)]:
                future.result(60)
        yield kernel
    parsl.clear()


def short(i: int) -> int:
    return i


def either(path: str, i: int, slow: int, gate: str) -> int:
    """Short, but for one call that blocks until somebody writes to a pipe."""
    if i == slow:
        open(gate).close()
    with open(path, "a") as file:
        file.write(f"{i}\n")
    return i


def waits_for(path: str, i: int) -> int:
    """The first call waits for what the last one does."""
    import os

    if i == 0:
        deadline = time.monotonic() + 30
        while not os.path.exists(path):
            if time.monotonic() > deadline:
                raise TimeoutError(path)
            time.sleep(0.01)
    if i == 299:
        open(path, "w").close()
    return i


def test_calls_behind_a_slow_one_run_elsewhere(kernel: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "ran")
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    for future in [kernel.submit(either, path, i, -1, gate) for i in range(300)]:
        future.result(60)
    (tmp_path / "ran").unlink()
    futures = [kernel.submit(either, path, i, 20, gate) for i in range(600)]
    for i, future in enumerate(futures):
        if i != 20:
            assert future.result(60) == i
    assert not futures[20].done()
    open(gate, "w").close()
    assert futures[20].result(60) == 20
    assert sorted(map(int, text_of(path).split())) == list(range(600)), "lost, or run twice"


def test_a_call_may_wait_for_a_later_one(kernel: Any, tmp_path: Path) -> None:
    for future in [kernel.submit(waits_for, str(tmp_path / "warm"), i) for i in range(1, 300)]:
        future.result(60)
    path = str(tmp_path / "gate")
    assert [f.result(60) for f in [kernel.submit(waits_for, path, i) for i in range(300)]] == list(range(300))


def dies(path: str, i: int, victim: int) -> int:
    import os

    with open(path, "a") as file:
        file.write(f"{i}\n")
    if i == victim:
        os._exit(7)
    return i


def test_only_the_call_that_killed_its_worker_fails(kernel: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "ran")
    for future in [kernel.submit(dies, path, i, -1) for i in range(300)]:
        future.result(60)
    (tmp_path / "ran").unlink()
    futures = [kernel.submit(dies, path, i, 40) for i in range(300)]
    for i, future in enumerate(futures):
        if i == 40:
            with pytest.raises(WorkerLost):
                future.result(60)
        else:
            assert future.result(60) == i
    ran = list(map(int, text_of(path).split()))
    assert set(ran) == set(range(300))
    assert ran.count(40) == 1


def raises(i: int) -> int:
    if i % 7 == 0:
        raise ValueError(f"call {i}")
    print("printed by", i)
    return i


def test_a_call_that_raises_concerns_nobody_else(kernel: Any) -> None:
    futures = [kernel.submit(raises, i) for i in range(300)]
    for i, future in enumerate(futures):
        if i % 7 == 0:
            with pytest.raises(ValueError, match=f"call {i}$"):
                future.result(60)
        else:
            assert future.result(60) == i


def sized(i: int) -> bytes:
    return b"x" * (200_000 if i % 50 == 0 else 10)


def test_large_results_among_small_ones(kernel: Any) -> None:
    futures = [kernel.submit(sized, i) for i in range(200)]
    assert [len(f.result(60)) for f in futures] == [200_000 if i % 50 == 0 else 10 for i in range(200)]
    lengths = [kernel.submit(len, f) for f in [kernel.submit(sized, i) for i in range(60)]]
    assert [f.result(60) for f in lengths] == [200_000 if i % 50 == 0 else 10 for i in range(60)]


def test_a_worker_that_forgot_a_function_gets_it_again(kernel: Any) -> None:
    def made(i: int) -> Any:
        return lambda: i

    functions = [made(i) for i in range(700)]
    assert [f.result(60) for f in [kernel.submit(f) for f in functions]] == list(range(700))
    assert [f.result(60) for f in [kernel.submit(f) for f in functions]] == list(range(700))


def test_cancelled_calls_do_not_run(kernel: Any, tmp_path: Path) -> None:
    gate, path = str(tmp_path / "gate"), str(tmp_path / "ran")

    def held(gate: str) -> None:
        import os

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
