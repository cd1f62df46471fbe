"""Runs whose record is looked at, and how it is looked at."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

ORDER = {
    "workflow": "time_began",
    "task": "task_id",
    "try": "task_id, try_id",
    "status": "timestamp",
    "resource": "timestamp",
    "node": "id",
    "block": "timestamp",
}
TABLES = tuple(ORDER)


class Record:
    """What a SQLite database says.

    Parameters
    ----------
    path
    run_id
        Of the run whose rows are wanted; None for all.
    """

    def __init__(self, path: str | Path, run_id: str | None = None) -> None:
        self.path = path
        self.run_id = run_id

    def rows(self, table: str, **wanted: Any) -> list[dict[str, Any]]:
        """Rows of a table with these values."""
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=20)
        connection.row_factory = sqlite3.Row
        try:
            found = [dict(row) for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY {ORDER[table]}')]
        finally:
            connection.close()
        if self.run_id is not None:
            wanted["run_id"] = self.run_id
        return [row for row in found if all(row[name] == value for name, value in wanted.items())]

    def one(self, table: str, **wanted: Any) -> dict[str, Any]:
        """The only row of a table with these values."""
        (row,) = self.rows(table, **wanted)
        return row

    def states(self, task: int) -> list[tuple[int, str]]:
        """Tries and states of a task, in the order of their times; those of the worker are left out."""
        rows = sorted(self.rows("status", task_id=task), key=lambda row: row["timestamp"])
        names = [(row["try_id"], row["task_status_name"]) for row in rows]
        return [pair for pair in names if pair[1] not in ("running", "running_ended")]

    def on_worker(self, task: int) -> list[tuple[int, str]]:
        """The same, of the worker."""
        rows = sorted(self.rows("status", task_id=task), key=lambda row: row["timestamp"])
        names = [(row["try_id"], row["task_status_name"]) for row in rows]
        return [pair for pair in names if pair[1] in ("running", "running_ended")]


def when(text: str) -> datetime:
    """A time of the database."""
    return datetime.fromisoformat(text)
