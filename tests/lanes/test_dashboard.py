"""What Dask's dashboard shows: the names of apps, and how many calls a batch holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.clusters.bootstrap import KEY_MARK
from parsl_on_dask.lanes.queues import ALONE, LONG
from tests.helpers import WAIT, eventually
from tests.lanes.traffic import Traffic, at_rest, occupied

WARM = True

CONFIG = {"initialize_logging": False}
pytestmark = pytest.mark.usefixtures("kernel")


@pytest.fixture(scope="module", params=["processes"])
def config_name(request: pytest.FixtureRequest) -> str:
    """The names are given by code that existing clusters share."""
    name: str = request.param
    return name


@python_app
def double(x: int, gate: str = "") -> int:
    import os
    import time

    while gate and not os.path.exists(gate):
        time.sleep(0.005)
    return 2 * x


@python_app
def stall(seconds: float) -> None:
    import time

    time.sleep(seconds)


def lane_of(kernel: Any) -> Any:
    return next(iter(kernel.executors.values())).lane


def on_the_scheduler(lane: Any) -> list[tuple[str, str]]:
    """Key, and name on the dashboard, of each task that the scheduler has."""

    def tasks(dask_scheduler: Any) -> list[tuple[str, str]]:
        return [(str(key), task.prefix.name) for key, task in dask_scheduler.tasks.items()]

    found: list[tuple[str, str]] = lane.client.run_on_scheduler(tasks)
    return found


def test_a_call_alone_has_its_apps_name(kernel: Any, tmp_path: Path) -> None:
    lane = lane_of(kernel)
    with occupied(lane, tmp_path, 1):
        assert "hold" in {name for _, name in on_the_scheduler(lane)}


def test_a_batch_says_how_many(kernel: Any, tmp_path: Path) -> None:
    lane = lane_of(kernel)
    for _ in range(2):
        assert [f.result(WAIT) for f in [double(i) for i in range(100)]] == [2 * i for i in range(100)]
    eventually(lambda: not lane.open_shifts, "no worker waits for more calls")
    gate = str(tmp_path / "gate")
    with Traffic(lane) as traffic:
        with at_rest(lane):
            futures = [double(i, gate) for i in range(100)]
        eventually(lambda: traffic.names and not lane.steps, "what can be sent was sent")
        # the name that Dask makes of a key is what its pages show
        eventually(lambda: set(traffic.names) <= {name for key, name in on_the_scheduler(lane) if KEY_MARK in key}, "")
        Path(gate).touch()
        assert [f.result(WAIT) for f in futures] == [2 * i for i in range(100)]
    assert all(re.fullmatch(r"double( x\d+)?", name) for name in traffic.names)
    number = len(traffic.groups[0])
    assert number > 1 and traffic.names[0] == f"double x{number}"


def test_long_calls_are_shown_one_by_one(kernel: Any) -> None:
    lane = lane_of(kernel)
    stall(ALONE + 0.2).result(WAIT)
    with Traffic(lane) as traffic:
        for future in [stall(0.1) for _ in range(4)]:
            future.result(WAIT)
    assert traffic.names == ["stall"] * 4 and traffic.fed == 0


def test_nothing_waits_behind_a_call_that_takes_a_moment(kernel: Any) -> None:
    lane = lane_of(kernel)
    stall(3 * LONG).result(WAIT)
    with Traffic(lane) as traffic:
        for future in [stall(0.1) for _ in range(8)]:
            future.result(WAIT)
    assert all(len(group) == 1 for group in traffic.groups)
