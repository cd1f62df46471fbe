"""The end of a lane while calls wait, and its growth."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes import batches
from tests.helpers import WAIT, eventually
from tests.lanes.traffic import at_rest, know, lane_of, occupied, ran, same, wait_or_pass

WARM = True


@pytest.fixture(scope="module", params=["threads", "processes"])
def config_name(request: pytest.FixtureRequest) -> str:
    """The two kinds of lanes."""
    name: str = request.param
    return name


OPTIONS = {"initialize_logging": False}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Many calls fail here, as they should; pytest would keep the traceback of each."""
    caplog.set_level("CRITICAL", "parsl")


def test_clean_up_with_many_that_wait(
    load: Callable[..., Any], config_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes and clusters: they fail at once. Threads finish what they were given."""
    monkeypatch.setattr(batches, "READY", 64)
    kernel = load(**OPTIONS)
    lane = lane_of(kernel)
    assert same(1).result(WAIT) == 1
    gate = tmp_path / "gate"
    number = 500
    with occupied(lane, tmp_path, 2):
        waiting = [same(i) for i in range(number)]
        behind = [same(f) for f in waiting[:100]]
        if config_name == "threads":
            gate.touch()
        kernel.cleanup()
        assert all(f.done() for f in [*waiting, *behind]), "no future stays pending"
        gate.touch()
    if config_name == "threads":
        assert [f.result(0) for f in waiting] == list(range(number))
        return
    errors = [f.exception(0) for f in waiting]
    assert all(isinstance(e, ExecutorError) for e in errors)
    others = {str(e) for e in errors if "before this task was done" not in str(e)}
    assert not others, "whether they were ready or not"
    assert all(f.exception(0) is not None for f in behind)


def test_calls_behind_a_blocked_worker_run_on_a_new_block(
    load: Callable[..., Any], make_executor: Callable[..., Any], config_name: str, tmp_path: Path
) -> None:
    if config_name != "processes":
        pytest.skip("only these have blocks")
    from parsl_on_dask.executors import HighThroughputExecutor
    from parsl_on_dask.providers import LocalProvider

    provider = LocalProvider(init_blocks=1, min_blocks=1, max_blocks=2)
    executor = HighThroughputExecutor(label="growing", max_workers_per_node=1, provider=provider)
    load(executors=[executor], **OPTIONS)
    know(tmp_path, wait_or_pass)
    with at_rest(executor.lane):
        futures = [wait_or_pass(str(tmp_path), i, 1) for i in range(100)]
    eventually(lambda: 0 in ran(tmp_path), "the only worker is blocked", WAIT)
    assert len(executor.scale_out_facade(1)) == 1
    assert [f.result(WAIT) for f in futures[1:]] == list(range(1, 100))
    assert not futures[0].done()
    (tmp_path / "gate0").touch()
    assert futures[0].result(WAIT) == 0
    assert Counter(ran(tmp_path)) == dict.fromkeys(range(100), 1)


def test_calls_that_come_after_the_end_of_the_lane(load: Callable[..., Any]) -> None:
    kernel = load(**OPTIONS)
    lane = lane_of(kernel)
    assert same(1).result(WAIT) == 1
    lane.close(wait=False)
    errors = [same(i).exception(10) for i in range(20)]
    assert all(isinstance(e, ExecutorError) for e in errors)
    alone: list[int] = []
    lane.later("same", alone.append, 5)
    assert alone == [5], "done by whoever asks"
    # by many threads at the same moment, too
    start = threading.Barrier(8)
    taken: list[int] = []

    def step(i: int) -> None:
        time.sleep(0.0001)  # lets another thread in
        taken.append(i)

    def leave(n: int) -> None:
        start.wait(WAIT)
        for i in range(50):
            lane.later("same", step, 50 * n + i)

    threads = [threading.Thread(target=leave, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert sorted(taken) == list(range(400)), "some were done twice, and others never"


def test_a_call_may_be_made_while_the_lane_ends(load: Callable[..., Any], tmp_path: Path) -> None:
    """Every future is completed, whatever the moment."""
    kernel = load(**OPTIONS)
    lane = lane_of(kernel)
    assert same(1).result(WAIT) == 1
    futures: list[Any] = []
    enough = threading.Event()

    def submit() -> None:
        i = 0
        while not lane.closing or i % 100:
            futures.append(same(i))
            i += 1
            if i >= 100:
                enough.set()
                time.sleep(0.001)  # lets the thread that closes have its turn

    threads = [threading.Thread(target=submit) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert enough.wait(WAIT)
    lane.close(wait=False)
    for thread in threads:
        thread.join(WAIT)
    done, left = concurrent.futures.wait(futures, WAIT)
    assert not left and len(done) >= 100
    assert all(isinstance(e, ExecutorError) for e in (f.exception() for f in done) if e is not None)
