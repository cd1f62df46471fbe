"""Nothing grows for ever: closures made in loops, kernels loaded and cleared on one cluster, workers that die.

Each round does the same. After the first ones, memory, threads and descriptors of all processes stay where they are.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from statistics import linear_regression
from typing import Any, NamedTuple

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from tests.helpers import WAIT, eventually

pytestmark = pytest.mark.timeout(1800)

#: How often something is done, and how often for the caches of Python, Dask and ours to be as full as they get.
ROUNDS, WARM = 60, 20
#: The same for kernels that are loaded and cleared: Dask remembers the last hundred graphs, and some thousand events.
LOADS, LOADS_WARM = 160, 110
#: Bytes that a process may grow by in a round. A page here and there is the allocator's.
BYTES = 40_000
#: The same for a scheduler, in a round in which a client comes and goes: Dask keeps a timer, a topic and a span of it,
#: and of each worker the last thousand messages with the tasks in them (``distributed.admin.low-level-log-length``).
BYTES_OF_A_CLIENT = 250_000


class Sample(NamedTuple):
    """What all processes that a test looks at have together."""

    memory: float
    threads: float
    descriptors: float


def sample(processes: list[psutil.Process]) -> Sample:
    gc.collect()
    found = [(p.memory_info().rss, p.num_threads(), p.num_fds()) for p in processes if p.is_running()]
    return Sample(*[sum(column) for column in zip(*found, strict=True)])


def slope(values: list[float]) -> float:
    """By how much a line through values rises from one to the next.

    Of three lines through every third value the flattest one counts: a garbage collection is no growth.
    """
    lines = []
    for begin in range(3):
        some = values[begin::3]
        lines.append(linear_regression(range(len(some)), some).slope / 3)
    return min(lines, key=abs)


def assert_flat(act: Callable[[int], Any], rounds: int = ROUNDS, warm: int = WARM, more: int = 0) -> None:
    samples = []
    for number in range(rounds):
        act(number)
        samples.append(sample(family()))
    after = samples[warm:]
    count = len(family())
    assert slope([s.memory for s in after]) < BYTES * count + more, [round(s.memory / 1e6, 1) for s in samples]
    assert slope([s.threads for s in after]) < 0.05, [s.threads for s in samples]
    assert slope([s.descriptors for s in after]) < 0.05, [s.descriptors for s in samples]


def family() -> list[psutil.Process]:
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def test_the_slope_of_values() -> None:
    assert slope([5.0] * 12) == 0
    assert slope([float(i) for i in range(12)]) == pytest.approx(1)


def test_closures_made_in_loops(tmp_path: Path) -> None:
    def some(number: int) -> None:
        futures = []
        for i in range(40):

            @python_app
            def closure(x: int, i: int = i, weight: bytes = os.urandom(1000)) -> int:
                return x + i + len(weight)

            futures.append(closure(number))
        assert [f.result(WAIT) for f in futures] == [number + i + 1000 for i in range(40)]

    executor = HighThroughputExecutor(label="two", max_workers_per_node=2)
    with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path), initialize_logging=False)):
        assert_flat(some)
        lane: Any = executor.lane
        kept, _ = lane.packer.kept()
        assert kept <= 1024 and len(lane.queues.times) <= 4096
        assert all(len(link.known) <= 256 for link in lane.links.links.values())
    parsl.clear()


def test_kernels_loaded_and_cleared_on_one_cluster(existing_cluster: str, tmp_path: Path) -> None:
    def add(x: int) -> int:
        return x + 1

    def load(number: int) -> None:
        executor = DaskExecutor(existing_cluster, label="existing")
        with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path), initialize_logging=False)):
            app = python_app(add)
            assert [f.result(WAIT) for f in [app(i) for i in range(30)]] == [i + 1 for i in range(30)]
        parsl.clear()

    assert_flat(load, LOADS, LOADS_WARM, BYTES_OF_A_CLIENT)


def test_workers_that_die(tmp_path: Path) -> None:
    @python_app
    def die() -> None:
        os._exit(3)

    @python_app
    def add(x: int) -> int:
        return x + 1

    executor = HighThroughputExecutor(label="two", max_workers_per_node=2)
    with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path), initialize_logging=False)) as kernel:

        def one_dies(number: int) -> None:
            with pytest.raises(WorkerLost):
                die().result(WAIT)
            eventually(lambda: len(kernel.executors["two"].lane.workers()) == 2, "another worker has come", WAIT)
            assert [f.result(WAIT) for f in [add(i) for i in range(30)]] == [i + 1 for i in range(30)]

        assert_flat(one_dies)
        lane: Any = executor.lane
        links = lane.links.links
        eventually(
            lambda: sum(not link.failed for link in list(links.values())) <= 3, "those of the dead are gone", WAIT
        )
        assert len(lane.shifts) <= 2
    parsl.clear()
