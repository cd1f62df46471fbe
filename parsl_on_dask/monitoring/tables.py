"""Writing rows to the monitoring database, whichever SQLAlchemy URL it has."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, NoSuchModuleError, OperationalError

from parsl_on_dask.errors import OptionalModuleMissing
from parsl_on_dask.monitoring import schema
from parsl_on_dask.monitoring.errors import MonitoringHubStartError

logger = logging.getLogger("parsl.monitoring.tables")

#: Seconds that a SQLite file may be locked by somebody else before a write is tried again later.
PATIENCE = 2.0
#: Rows of one statement. The first one is as many as SQLite has room for with the widest table.
GROUPS = (1024, 64, 8, 1)

#: What becomes of a row whose key is there already, by table: columns that get their new value, and columns that get
#: it unless it is NULL. All other columns stay as they are.
_UPDATES: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "workflow": (("tasks_failed_count", "tasks_completed_count"), ("time_completed",)),
    "task": (("task_fail_count", "task_fail_cost"), ("task_time_invoked", "task_time_returned", "task_hashsum")),
    "try": (
        (),
        (
            "block_id",
            "hostname",
            "task_try_time_launched",
            "task_try_time_running",
            "task_try_time_returned",
            "task_fail_history",
            "task_joins",
        ),
    ),
}

#: In an order in which what others refer to comes first.
TABLES: Mapping[str, sa.Table] = {
    table.name: table
    for table in (
        schema.WORKFLOW,
        schema.TASK,
        schema.TRY,
        schema.STATUS,
        schema.RESOURCE,
        schema.NODE,
        schema.BLOCK,
    )
}

#: Columns of each table in the order of the rows; the node table numbers its rows itself.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    name: tuple(c.name for c in table.columns if not (name == "node" and c.name == "id"))
    for name, table in TABLES.items()
}

#: Milliseconds whose text is remembered.
MILLISECONDS = 16_384
#: Numbers of three digits, since formatting times is what making rows takes most of its time for.
_DIGITS = [f"{number:03d}" for number in range(1000)]

#: By table, one value after the other: no row is an object of its own.
Rows = Mapping[str, Sequence[Any]]


class Clock:
    """Makes what a DateTime column takes of times, which are local and without a zone, as Parsl's."""

    def stamp(self, seconds: float | None) -> Any:
        """Of seconds since the epoch."""
        return None if seconds is None else datetime.fromtimestamp(seconds)

    def moment(self, when: datetime | None) -> Any:
        """Of a datetime."""
        return when


class TextClock(Clock):
    """The same for SQLite, which has no such type: text in SQLAlchemy's form."""

    def __init__(self) -> None:
        #: the last milliseconds, which the times of many short tasks share
        self._texts: dict[int, str] = {}
        self._second, self._text = -1, ""

    def stamp(self, seconds: float | None) -> str | None:
        if seconds is None:
            return None
        micros = int(seconds * 1_000_000)
        milli = micros // 1000
        text = self._texts.get(milli)
        if text is None:
            if len(self._texts) >= MILLISECONDS:
                self._texts.clear()
            second, rest = divmod(milli, 1000)
            if second != self._second:
                self._second = second
                self._text = time.strftime("%Y-%m-%d %H:%M:%S.", time.localtime(second))
            text = self._texts[milli] = self._text + _DIGITS[rest]
        return text + _DIGITS[micros % 1000]

    def moment(self, when: datetime | None) -> str | None:
        return None if when is None else str(when)


class Tables:
    """The database of one run.

    `url`: as SQLAlchemy writes it.

    Raises MonitoringHubStartError when there is no such kind of database. Raises OptionalModuleMissing when its driver
    is not installed.
    """

    def __init__(self, url: str) -> None:
        parsed = checked_url(url)
        #: Without a password.
        self.shown = parsed.render_as_string(hide_password=True)
        options: dict[str, Any] = {}
        self.path: str | None = None
        if parsed.get_backend_name() == "sqlite":
            options = {"connect_args": {"timeout": PATIENCE, "check_same_thread": False}, "poolclass": sa.StaticPool}
            if parsed.database and parsed.database != ":memory:" and not parsed.database.startswith("file:"):
                self.path = os.path.abspath(parsed.database)
                parsed = parsed.set(database=self.path)  # the script may change its directory
        elif parsed.get_driver_name().startswith("psycopg"):
            options = {"connect_args": {"connect_timeout": 5, "tcp_user_timeout": 10_000, **parsed.query}}
        try:
            self.engine = sa.create_engine(parsed, **options)
        except ModuleNotFoundError as e:
            raise OptionalModuleMissing(
                [str(e.name)],
                f"MonitoringHub(logging_endpoint={self.shown!r}) needs this driver of the database. Install it with: "
                f"pip install {_package(str(e.name))}",
            ) from None
        self.clock: Clock = TextClock() if self.path or parsed.get_backend_name() == "sqlite" else Clock()
        self.connection: sa.Connection | None = None
        self._file: tuple[int, int] | None = None

    def open(self) -> sa.Connection:
        """The connection, with all tables in the database; a new one if the file was replaced meanwhile."""
        if self.connection is not None and self.path and self._file != _identity(self.path):
            self.release()
        if self.connection is None:
            if self.path:
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
            connection = self.engine.connect()
            try:
                with connection.begin():
                    schema.METADATA.create_all(connection)
            except BaseException:
                connection.close()
                self.engine.dispose()
                raise
            self.connection = connection
            self._file = _identity(self.path) if self.path else None
        return self.connection

    def release(self) -> None:
        """Let go of the connection; the next write makes another one."""
        connection, self.connection = self.connection, None
        try:
            if connection is not None:
                connection.close()
            self.engine.dispose()
        except Exception:  # it is broken, which is why we let go of it
            logger.debug("closing the connection to %s", self.shown, exc_info=True)

    def write(self, rows: Rows) -> None:
        """Write rows in one transaction.

        `rows`: with the columns of :data:`COLUMNS`. Within a table of :data:`_UPDATES`, each key once.
        """
        try:
            connection = self.open()
            with connection.begin():
                for name in TABLES:
                    given = rows.get(name)
                    if given:
                        self._put(connection, name, given)
                for row in rows.get("inputs", ()):  # which change at launch, of few tasks
                    connection.exec_driver_sql(_inputs(self.engine.dialect.paramstyle), row)
        except BaseException:
            self.release()
            raise

    def _put(self, connection: sa.Connection, name: str, values: Sequence[Any]) -> None:
        at, width = 0, len(COLUMNS[name])
        for size in GROUPS:
            sql = _statement(name, size, self.engine.dialect.paramstyle)
            # one statement for many rows: the interpreter is let go of, and taken back, once for all of them
            while len(values) - at >= size * width:
                connection.exec_driver_sql(sql, tuple(values[at : at + size * width]))
                at += size * width


@cache
def _statement(name: str, size: int, paramstyle: str) -> str:
    columns = COLUMNS[name]
    quoted = f'"{name}"'
    places = _places(paramstyle)
    groups = ", ".join("(" + ", ".join(next(places) for _ in columns) + ")" for _ in range(size))
    # "user" is a word of PostgreSQL's
    listed = ", ".join(f'"{c}"' for c in columns)
    sql = f"INSERT INTO {quoted} ({listed}) VALUES {groups}"
    if name == "node":
        return sql
    key = ", ".join(c.name for c in TABLES[name].primary_key.columns)
    if name not in _UPDATES:
        return f"{sql} ON CONFLICT ({key}) DO NOTHING"
    always, unless_null = _UPDATES[name]
    changes = [f"{c} = excluded.{c}" for c in always]
    changes += [f"{c} = COALESCE(excluded.{c}, {quoted}.{c})" for c in unless_null]
    return f"{sql} ON CONFLICT ({key}) DO UPDATE SET {', '.join(changes)}"


@cache
def _inputs(paramstyle: str) -> str:
    a, b, c = itertools.islice(_places(paramstyle), 3)
    return f"UPDATE task SET task_inputs = {a} WHERE task_id = {b} AND run_id = {c}"


def _places(paramstyle: str) -> Iterator[str]:
    """What stands for the values in a statement of a driver."""
    if paramstyle == "qmark":
        return itertools.repeat("?")
    if paramstyle in ("format", "pyformat"):
        return itertools.repeat("%s")
    mark = "$" if paramstyle == "numeric_dollar" else ":"
    return (f"{mark}{number}" for number in itertools.count(1))


def is_about_rows(error: BaseException) -> bool:
    """Whether an error is about what was written, and not about the database, which may come back."""
    return isinstance(error, (DataError, IntegrityError, ValueError, TypeError, OverflowError))


def is_lock(error: BaseException) -> bool:
    """Whether somebody else holds the database at the moment."""
    return isinstance(error, OperationalError) and "locked" in str(error.orig)


def checked_url(url: str) -> sa.URL:
    """A URL in its parts.

    Raises MonitoringHubStartError when it is not one.
    """
    try:
        parsed = sa.make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as e:
        raise MonitoringHubStartError(
            f"MonitoringHub(logging_endpoint={url!r}): this is no URL of a database ({e}). Write for example "
            "'sqlite:////home/me/monitoring.db' or 'postgresql+psycopg2://user:password@host/database'."
        ) from None
    except ModuleNotFoundError as e:
        raise OptionalModuleMissing([str(e.name)], f"the database {url.partition(':')[0]!r} needs it") from None
    return parsed


def _package(module: str) -> str:
    return {"psycopg2": "psycopg2-binary", "psycopg": "'psycopg[binary]'", "MySQLdb": "mysqlclient"}.get(module, module)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
