"""A run's record as DataFrames. Names and columns: Parsl's ``parsl.monitoring.queries.pandas``.

``db`` is whatever :func:`pandas.read_sql_query` takes: a SQLAlchemy engine or connection, a URL, or a ``sqlite3``
connection. ``workflow_id`` is the run's id, :attr:`DataFlowKernel.run_id`.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

DB = Any


def app_counts_for_workflow(workflow_id: Any, db: DB) -> pd.DataFrame:
    """How often each app was called: task_func_name, frequency."""
    return _read(
        db,
        'SELECT task_func_name, count(*) AS "frequency" FROM task WHERE run_id = {run} GROUP BY task_func_name',
        workflow_id,
    )


def nodes_for_workflow(workflow_id: Any, db: DB) -> pd.DataFrame:
    """The node table: a row whenever a node came, went, or had another number of workers."""
    return _read(db, "SELECT * FROM node WHERE run_id = {run}", workflow_id)


def resources_for_workflow(workflow_id: Any, db: DB) -> pd.DataFrame:
    """The resource table: all samples."""
    return _read(db, "SELECT * FROM resource WHERE run_id = {run}", workflow_id)


def resources_for_task(workflow_id: Any, task_id: Any, db: DB) -> pd.DataFrame:
    """The samples of one task."""
    return _read(db, "SELECT * FROM resource WHERE run_id = {run} AND task_id = {task}", workflow_id, int(task_id))


def status_for_workflow(workflow_id: Any, db: DB) -> pd.DataFrame:
    """Every change of a task's state: run_id, task_id, task_status_name, timestamp."""
    return _read(
        db, "SELECT run_id, task_id, task_status_name, timestamp FROM status WHERE run_id = {run}", workflow_id
    )


def completion_times_for_workflow(workflow_id: Any, db: DB) -> pd.DataFrame:
    """When tasks came back: task_id, task_func_name, task_time_returned."""
    return _read(db, "SELECT task_id, task_func_name, task_time_returned FROM task WHERE run_id = {run}", workflow_id)


def tasks_for_workflow(workflow_id: Any, db: DB) -> pd.DataFrame:
    """The task table."""
    return _read(db, "SELECT * FROM task WHERE run_id = {run}", workflow_id)


def tries_for_workflow(workflow_id: Any, db: DB) -> pd.DataFrame:
    """Tries: task_id, task_func_name, task_time_returned, task_try_time_running, task_try_time_returned."""
    return _read(
        db,
        "SELECT task.task_id, task_func_name, task_time_returned, task_try_time_running, task_try_time_returned "
        'FROM task JOIN "try" ON task.task_id = "try".task_id AND task.run_id = "try".run_id '
        "WHERE task.run_id = {run}",
        workflow_id,
    )


def _read(db: DB, query: str, run: Any, task: int | None = None) -> pd.DataFrame:
    import pandas as pd

    if isinstance(db, sqlite3.Connection):
        values: list[Any] = [str(run)] + ([] if task is None else [task])
        return pd.read_sql_query(query.format(run="?", task="?"), db, params=values)
    from sqlalchemy import text

    named = {"run": str(run)} | ({} if task is None else {"task": task})
    return pd.read_sql_query(text(query.format(run=":run", task=":task")), db, params=named)
