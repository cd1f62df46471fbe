"""Calls that were sent ahead, and never ran, leave no trace of a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.monitoring import MonitoringHub
from tests.helpers import WAIT
from tests.monitoring.runs import Record

WARM = True


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Threads have no samples."""
    name: str = request.param
    return name


@python_app
def fails(x):
    time.sleep(0.2)
    return 1 / x


@python_app
def after(x):
    return x


def test_a_task_whose_dependency_failed(load: Callable[..., Any], tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/monitoring.db"
    kernel = load(monitoring=MonitoringHub(logging_endpoint=place, resource_monitoring_interval=0.05))
    root = fails(0)
    followers = [after(root) for _ in range(3)]
    assert all(f.exception(WAIT) for f in followers)
    kernel.cleanup()
    record = Record(tmp_path / "monitoring.db")
    assert {row["task_id"] for row in record.rows("resource")} == {root.tid}
    for follower in followers:
        one = record.one("try", task_id=follower.tid)
        assert one["hostname"] is None and one["block_id"] is None
        assert record.on_worker(follower.tid) == []
