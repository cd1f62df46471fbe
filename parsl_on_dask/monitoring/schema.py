"""The tables of the monitoring database: names, columns, types and keys are those of Parsl's.

``parsl-visualize``, ``parsl.monitoring.queries.pandas`` and everybody's own queries read them. Importing this module
imports SQLAlchemy.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()


def _table(name: str, key: tuple[str, ...], *columns: sa.Column[Any]) -> sa.Table:
    # SQLite would keep the key, with the long id of the run, in the table and in an index, too
    return sa.Table(name, METADATA, *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=name == "node")


def _needed(name: str, kind: Any, *more: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, nullable=False, **options)


def _maybe(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True, **options)


WORKFLOW = _table(
    "workflow",
    ("run_id",),
    _needed("run_id", sa.Text),
    _maybe("workflow_name", sa.Text),
    _maybe("workflow_version", sa.Text),
    _needed("time_began", sa.DateTime),
    _maybe("time_completed", sa.DateTime),
    _needed("host", sa.Text),
    _needed("user", sa.Text),
    _needed("rundir", sa.Text),
    _needed("tasks_failed_count", sa.Integer),
    _needed("tasks_completed_count", sa.Integer),
)

STATUS = _table(
    "status",
    ("task_id", "run_id", "task_status_name", "timestamp"),
    _needed("task_id", sa.Integer),
    _needed("task_status_name", sa.Text),
    _needed("timestamp", sa.DateTime),
    _needed("run_id", sa.Text, sa.ForeignKey("workflow.run_id")),
    _needed("try_id", sa.Integer),
)

TASK = _table(
    "task",
    ("task_id", "run_id"),
    _needed("task_id", sa.Integer),
    _needed("run_id", sa.Text),
    _maybe("task_depends", sa.Text),
    _needed("task_func_name", sa.Text),
    _needed("task_memoize", sa.Text),
    _maybe("task_hashsum", sa.Text, index=True),
    _maybe("task_inputs", sa.Text),
    _maybe("task_outputs", sa.Text),
    _maybe("task_stdin", sa.Text),
    _maybe("task_stdout", sa.Text),
    _maybe("task_stderr", sa.Text),
    _maybe("task_time_invoked", sa.DateTime),
    _maybe("task_time_returned", sa.DateTime),
    _needed("task_fail_count", sa.Integer),
    _needed("task_fail_cost", sa.Float),
)

TRY = _table(
    "try",
    ("try_id", "task_id", "run_id"),
    _needed("try_id", sa.Integer),
    _needed("task_id", sa.Integer),
    _needed("run_id", sa.Text),
    _maybe("block_id", sa.Text),
    _maybe("hostname", sa.Text),
    _needed("task_executor", sa.Text),
    _maybe("task_try_time_launched", sa.DateTime),
    _maybe("task_try_time_running", sa.DateTime),
    _maybe("task_try_time_returned", sa.DateTime),
    _maybe("task_fail_history", sa.Text),
    _maybe("task_joins", sa.Text),
)

NODE = _table(
    "node",
    ("id",),
    _needed("id", sa.Integer, autoincrement=True),
    _needed("run_id", sa.Text),
    _needed("hostname", sa.Text),
    _needed("uid", sa.Text),
    _needed("block_id", sa.Text),
    _needed("cpu_count", sa.Integer),
    _needed("total_memory", sa.BigInteger),
    _needed("active", sa.Boolean),
    _needed("worker_count", sa.Integer),
    _needed("python_v", sa.Text),
    _needed("timestamp", sa.DateTime),
    _needed("last_heartbeat", sa.DateTime),
)

BLOCK = _table(
    "block",
    ("run_id", "block_id", "executor_label", "timestamp"),
    _needed("run_id", sa.Text),
    _needed("executor_label", sa.Text),
    _needed("block_id", sa.Text),
    _maybe("job_id", sa.Text),
    _needed("timestamp", sa.DateTime),
    _needed("status", sa.Text),
)

RESOURCE = _table(
    "resource",
    ("try_id", "task_id", "run_id", "timestamp"),
    _needed("try_id", sa.Integer),
    _needed("task_id", sa.Integer),
    _needed("run_id", sa.Text, sa.ForeignKey("workflow.run_id")),
    _needed("timestamp", sa.DateTime),
    _maybe("resource_monitoring_interval", sa.Float),
    _maybe("psutil_process_pid", sa.Integer),
    _maybe("psutil_process_memory_percent", sa.Float),
    _maybe("psutil_process_children_count", sa.Float),
    _maybe("psutil_process_time_user", sa.Float),
    _maybe("psutil_process_time_system", sa.Float),
    _maybe("psutil_process_memory_virtual", sa.Float),
    _maybe("psutil_process_memory_resident", sa.Float),
    _maybe("psutil_process_disk_read", sa.Float),
    _maybe("psutil_process_disk_write", sa.Float),
    _maybe("psutil_process_status", sa.Text),
    _maybe("psutil_cpu_num", sa.Text),
    _maybe("psutil_process_num_ctx_switches_voluntary", sa.Float),
    _maybe("psutil_process_num_ctx_switches_involuntary", sa.Float),
)
