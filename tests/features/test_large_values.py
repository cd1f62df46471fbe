"""Large values go from worker to worker; the client sees only what it asks for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from tests.helpers import WAIT, text_of

WARM = True

np = pytest.importorskip("numpy")
pytestmark = pytest.mark.usefixtures("kernel")
SIZE = 50_000_000


def rebuild(payload: Any, log: str) -> Tripwire:
    with open(log, "a") as f:
        f.write(f"{os.getpid()}\n")
    return Tripwire(payload, log)


class Tripwire:
    """A value that writes down every process in which it is unpickled."""

    def __init__(self, payload: Any, log: str) -> None:
        self.payload = payload
        self.log = log

    def __reduce__(self) -> Any:
        return rebuild, (self.payload, self.log)


@python_app
def make(log: str) -> Any:
    return Tripwire(np.zeros(SIZE, dtype=np.uint8), log)


@python_app
def step(x: Any) -> Any:
    payload = x.payload.copy()
    payload[0] += 1
    return Tripwire(payload, x.log)


@python_app
def look(x: Any) -> int:
    return int(x.payload[0]) * 1000 + x.payload.nbytes // 1_000_000


def test_a_large_value_through_ten_apps_never_visits_the_client(tmp_path: Path, config_name: str) -> None:
    log = str(tmp_path / "log")
    x = make(log)
    for _ in range(10):
        x = step(x)
    assert look(x).result(WAIT) == 10_050
    if config_name == "threads":
        assert text_of(log) == "", "handed over by reference, never pickled"
    else:
        assert str(os.getpid()) not in text_of(log).split()
    result = x.result(WAIT)
    assert result.payload.nbytes == SIZE and result.payload[0] == 10


def test_nested_and_keyword_large_values_stay_away_too(tmp_path: Path, config_name: str) -> None:
    log = str(tmp_path / "log")

    @python_app
    def total(xs: Any, extra: Any = None, inputs: Any = ()) -> int:
        return sum(x.result().payload.nbytes for x in xs) + extra.payload.nbytes + inputs[0].payload.nbytes

    source = make(log)
    assert total([source, step(source)], extra=step(source), inputs=[source]).result(WAIT) == 4 * SIZE
    assert str(os.getpid()) not in text_of(log).split()


def test_looking_at_a_future_does_not_fetch_its_value(tmp_path: Path, config_name: str) -> None:
    log = str(tmp_path / "log")
    x = make(log)
    assert look(x).result(WAIT) == 50
    assert x.done() and x.exception(WAIT) is None and x.task_status() == "exec_done"
    assert "AppFuture" in repr(x)
    assert str(os.getpid()) not in text_of(log).split()


def test_a_large_result_arrives_unharmed() -> None:
    @python_app
    def random(n: int) -> Any:
        return np.random.default_rng(0).integers(0, 255, n, dtype=np.uint8)

    assert np.array_equal(random(SIZE).result(WAIT), np.random.default_rng(0).integers(0, 255, SIZE, dtype=np.uint8))


def test_a_large_argument_arrives_unharmed() -> None:
    array = np.arange(2_000_000)
    apps = [python_app(lambda a, k: int(a[k]))(array, k) for k in range(5)]
    assert [f.result(WAIT) for f in apps] == list(range(5))


def test_values_of_all_sizes_around_the_limit() -> None:
    for size in (0, 1, 1000, 65_000, 65_535, 65_536, 65_537, 70_000, 1_000_000):
        made = python_app(lambda n: b"v" * n)(size)
        assert python_app(len)(made).result(WAIT) == size
        assert made.result(WAIT) == b"v" * size


def test_large_values_are_let_go(config_name: str, kernel: Any) -> None:
    """Workers do not keep the results of futures that nobody holds: 20 times 50 MB would be seen."""

    @python_app
    def resident() -> int:
        import psutil

        return int(psutil.Process().memory_info().rss)

    @python_app
    def block(i: int) -> Any:
        return np.ones(SIZE, dtype=np.uint8)

    @python_app
    def size(x: Any) -> int:
        return int(x.nbytes)

    before = max(f.result(WAIT) for f in [resident() for _ in range(8)])
    for i in range(20):
        assert size(block(i)).result(WAIT) == SIZE
    after = max(f.result(WAIT) for f in [resident() for _ in range(8)])
    assert after - before < 12 * SIZE


def test_the_clients_memory_stays_flat(script: Any, config_name: str, request: pytest.FixtureRequest) -> None:
    if config_name == "threads":
        pytest.skip("the client is the worker")
    address = request.getfixturevalue("existing_cluster") if config_name == "existing" else ""
    run = script(
        """
        import resource, sys
        import numpy as np
        import parsl_on_dask as parsl
        from parsl_on_dask import python_app
        from parsl_on_dask.config import Config
        from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor

        address = sys.argv[1]
        executor = DaskExecutor(address) if address else HighThroughputExecutor(max_workers_per_node=2)

        @python_app
        def make(n):
            return np.ones(n, dtype=np.uint8)

        @python_app
        def step(x):
            return x + 1

        @python_app
        def total(x):
            return int(x.sum())

        with parsl.load(Config(executors=[executor])):
            assert total(step(make(1_000_000))).result() == 2_000_000
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            x = make(50_000_000)
            for _ in range(10):
                x = step(x)
            assert total(x).result() == 550_000_000
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print("grown", grown // 1024)
        """,
        address,
    )
    assert run.ends() == 0, run.stderr
    [line] = [x for x in run.stdout.splitlines() if x.startswith("grown")]
    assert int(line.split()[1]) < 35, "MiB"
    run.leaves_nothing()
