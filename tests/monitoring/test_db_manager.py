"""The monitoring database by classes, for programs that query or fill it themselves."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from parsl_on_dask.errors import ConfigurationError

sa = pytest.importorskip("sqlalchemy")

from parsl_on_dask.monitoring import db_manager  # noqa: E402
from parsl_on_dask.monitoring.db_manager import STATUS, WORKFLOW, Database  # noqa: E402
from parsl_on_dask.monitoring.tables import Tables  # noqa: E402

NOW = datetime(2026, 1, 2, 3, 4, 5)
RUN = {
    "run_id": "r",
    "time_began": NOW,
    "host": "h",
    "user": "u",
    "rundir": "d",
    "tasks_failed_count": 0,
    "tasks_completed_count": 0,
    "python_version": "what is no column is left out",
}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/monitoring.db")


def test_rows_are_added_and_changed(database: Database) -> None:
    database.insert(table=WORKFLOW, messages=[RUN])
    end = {"run_id": "r", "tasks_completed_count": 3, "host": "not this one"}
    database.update(table=WORKFLOW, columns=["run_id", "tasks_completed_count"], messages=[end])
    (run,) = database.session.query(Database.Workflow).all()
    assert (run.run_id, run.tasks_completed_count, run.host, run.workflow_name) == ("r", 3, "h", None)


def test_after_an_error_it_can_be_used_on(database: Database) -> None:
    status = {"task_id": 1, "task_status_name": "pending", "timestamp": NOW, "run_id": "r", "try_id": 0}
    with pytest.raises(sa.exc.IntegrityError):
        database.insert(table=STATUS, messages=[status, status])
    database.rollback()
    database.insert(table=STATUS, messages=[status])
    assert database.session.execute(sa.select(Database.Status.task_status_name)).all() == [("pending",)]


def test_the_database_of_a_run_can_be_queried(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/monitoring.db"
    Tables(url).open().close()
    assert Database(url).session.query(Database.Try, Database.Node, Database.Block, Database.Resource).all() == []


@pytest.mark.parametrize("name", ["DatabaseManager", "dbm_starter"])
def test_the_process_that_writes_it_says_what_to_use(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"MonitoringHub\(\)"):
        getattr(db_manager, name)
