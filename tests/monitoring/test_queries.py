"""parsl.monitoring.queries.pandas on a run's record, and on that of a SQLAlchemy engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.monitoring import MonitoringHub
from tests import kernels

pytest.importorskip("pandas", reason="no pandas: pip install pandas")


@pytest.fixture(scope="module")
def config_name() -> str:
    return "processes"


@python_app
def double(x):
    return 2 * x


@python_app
def triple(x):
    return 3 * x


@pytest.mark.parametrize("through", ["sqlalchemy", "sqlite3"])
def test_queries(load: Callable[..., Any], tmp_path: Path, through: str) -> None:
    from parsl_on_dask.monitoring.queries import pandas as queries

    executor = HighThroughputExecutor(label="p", max_workers_per_node=1, address="127.0.0.1")
    kernel = load(executors=[executor], monitoring=MonitoringHub(), run_dir=str(tmp_path))
    futures = [double(1), double(2), triple(3)]
    for future in futures:
        future.result()
    kernels.unload()
    path = tmp_path / "monitoring.db"
    if through == "sqlite3":
        db: Any = sqlite3.connect(path)
        close = db.close
    else:
        import sqlalchemy

        db = sqlalchemy.create_engine(f"sqlite:///{path}")
        close = db.dispose
    try:
        run = kernel.run_id
        counts = queries.app_counts_for_workflow(run, db)
        assert dict(zip(counts["task_func_name"], counts["frequency"], strict=True)) == {"double": 2, "triple": 1}
        assert len(queries.nodes_for_workflow(run, db)) >= 2
        assert len(queries.resources_for_workflow(run, db)) >= 6
        assert set(queries.resources_for_task(run, "1", db)["task_id"]) == {1}
        assert list(queries.status_for_workflow(run, db).columns) == [
            "run_id",
            "task_id",
            "task_status_name",
            "timestamp",
        ]
        assert len(queries.completion_times_for_workflow(run, db)) == 3
        assert len(queries.tasks_for_workflow(run, db)) == 3
        assert list(queries.tries_for_workflow(run, db)["task_func_name"]) == ["double", "double", "triple"]
        assert queries.tasks_for_workflow("' OR 1=1 --", db).empty
    finally:
        close()
