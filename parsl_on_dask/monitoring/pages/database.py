"""Reading a monitoring database: whose it is, which version made it, and in what state it is left open here."""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime
from typing import Any
from urllib.parse import quote

from parsl_on_dask.errors import OptionalModuleMissing, ParslError

#: Seconds to wait for a writer that holds the database.
PATIENCE = 3.0

_EPOCH = datetime(1970, 1, 1)


class DatabaseProblem(ParslError):
    """A monitoring database cannot be shown; the text says why, and what to do."""


def find(given: str | None = None) -> str:
    """The URL of the database that somebody means.

    Parameters
    ----------
    given : str, optional
        A URL as SQLAlchemy writes them, the path of a SQLite file, or a run directory (``runinfo``, or one run's
        ``runinfo/003``). Default: ``runinfo``.

    Raises
    ------
    DatabaseProblem
        When there is no such file.
    """
    if given and "://" in given:
        if given.startswith("sqlite:///"):
            path = given.removeprefix("sqlite:///")
            if path and not path.startswith("file:"):
                return "sqlite:///" + _existing(path, given)
        return given
    return "sqlite:///" + _existing(given or "runinfo", given)


def _existing(path: str, given: str | None) -> str:
    path = os.path.abspath(os.path.expanduser(path))
    if os.path.isdir(path):
        # one run's directory is inside of the one that has the database
        tried = [os.path.join(folder, "monitoring.db") for folder in (path, os.path.dirname(path))]
        for candidate in tried:
            if os.path.isfile(candidate):
                return candidate
        raise DatabaseProblem(
            f"there is no monitoring database in {path}: a run writes one when its Config has "
            "monitoring=MonitoringHub(). Name the file, or its URL, if it is elsewhere"
        )
    if os.path.isfile(path):
        return path
    hint = (
        "run a workflow with Config(monitoring=MonitoringHub()) here first, or name the database: " if not given else ""
    )
    raise DatabaseProblem(
        f"no such file or folder: {path} ({hint}give a run directory such as runinfo, the path of a monitoring.db, or "
        "a URL such as postgresql://user@host/name)"
    )


class Database:
    """A monitoring database, opened for each question and closed after it, so that it is in nobody's way.

    SQLite files are read with the standard library; everything else with SQLAlchemy.

    Parameters
    ----------
    url : str
        As :func:`find` returns it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else None
        self._columns: dict[str, list[str]] = {}
        self._engine: Any = None

    @property
    def name(self) -> str:
        """The database as people see it; without a password."""
        if self.path is not None:
            return self.path
        scheme, _, rest = self.url.partition("://")
        user, at, place = rest.rpartition("@")
        return f"{scheme}://{user.partition(':')[0]}{at}{place}"

    def version(self) -> Any:
        """Something that changes when the database may have changed; None when that cannot be told."""
        if self.path is None:
            return None
        found = []
        for path in (self.path, self.path + "-wal"):
            try:
                info = os.stat(path)
                found.append((info.st_mtime_ns, info.st_size))
            except OSError:
                found.append((0, 0))
        return tuple(found)

    def columns(self, table: str) -> list[str]:
        """Names of a table's columns; none when there is no such table."""
        if not self._columns.get(table):  # a table may come later
            if self.path is not None:
                self._columns[table] = [row[1] for row in self._sqlite(f'PRAGMA table_info("{table}")', {})]
            else:
                self._columns[table] = self._foreign_columns(table)
        return self._columns[table]

    def rows(
        self,
        table: str,
        columns: str,
        where: str = "",
        order: str = "",
        group: str = "",
        **values: Any,
    ) -> list[tuple[Any, ...]]:
        """Rows of a table; none when there is no such table. A column that this database lacks is None in each row.

        Parameters
        ----------
        columns, where, order, group : str
            SQL, with ``:name`` for values. Columns are names, or ``function(name)``.
        """
        asked = columns.split(", ")
        there = set(self.columns(table))
        if not there:
            return []
        wanted = [c for c in asked if c.rpartition("(")[2].rstrip(")") in there]
        if not wanted:
            return []
        sql = f"SELECT {', '.join(wanted)} FROM {self._quoted(table)}"
        for word, text in (("WHERE", where), ("GROUP BY", group), ("ORDER BY", order)):
            if text:
                sql += f" {word} {text}"
        found = self._sqlite(sql, values) if self.path is not None else self._foreign(sql, values)
        if len(wanted) == len(asked):
            return found
        at = [wanted.index(c) if c in wanted else None for c in asked]
        return [tuple(None if i is None else row[i] for i in at) for row in found]

    def of_run(
        self, run_id: str, table: str, columns: str, where: str = "", order: str = "", group: str = "", **values: Any
    ) -> list[tuple[Any, ...]]:
        """The rows of one run; the rest as for :meth:`rows`."""
        where = "run_id = :run" + (f" AND {where}" if where else "")
        return self.rows(table, columns, where, order, group, run=run_id, **values)

    def check(self) -> None:
        """Raise a DatabaseProblem unless this is a monitoring database that can be read.

        Raises
        ------
        DatabaseProblem
        """
        if not self.columns("workflow"):
            what = "is empty" if self.path is not None and not os.path.getsize(self.path) else "has no table 'workflow'"
            raise DatabaseProblem(
                f"{self.name} {what}, so it is no monitoring database, or its run has not begun to write it yet"
            )

    # -- SQLite ----------------------------------------------------------------------------------------------------

    def _sqlite(self, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        assert self.path is not None
        if not os.path.isfile(self.path):
            raise DatabaseProblem(f"{self.path} is gone: it was there before")
        uri = f"file:{quote(self.path)}?mode=ro"
        try:
            try:
                return self._ask(uri, sql, values)
            except sqlite3.OperationalError as e:
                if "unable to open" not in str(e) and "readonly" not in str(e):
                    raise
                # a write-ahead log beside it cannot be taken part in, in a folder that we may not write
                return self._ask(uri + "&immutable=1", sql, values)
        except sqlite3.Error as e:
            raise DatabaseProblem(self._explained(str(e))) from e

    def _ask(self, uri: str, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def _explained(self, text: str) -> str:
        if "locked" in text or "busy" in text:
            return f"{self.path} is locked by another process, which did not let go for {PATIENCE:g} s; try again"
        if "not a database" in text:
            return f"{self.path} is not a SQLite database"
        if "malformed" in text or "disk image" in text:
            return f"{self.path} is damaged ({text}); 'sqlite3 {self.path} .recover' saves what can be saved"
        if "unable to open" in text and not os.access(str(self.path), os.R_OK):
            return f"{self.path} may not be read by this user"
        return f"{self.path} cannot be read: {text}"

    # -- others ------------------------------------------------------------------------------------------------------

    def _connect(self) -> Any:
        try:
            import sqlalchemy
        except ImportError:
            raise OptionalModuleMissing(
                ["sqlalchemy"], "databases other than SQLite are read with it: pip install 'parsl-on-dask[monitoring]'"
            ) from None
        if self._engine is None:
            try:
                self._engine = sqlalchemy.create_engine(self.url, pool_pre_ping=True)
            except ImportError as e:  # the driver
                raise OptionalModuleMissing([e.name or "?"], f"{self.name} needs it: pip install {e.name}") from None
            except Exception as e:
                raise DatabaseProblem(f"{self.name} is no database URL: {e}") from e
        return self._engine

    def _foreign(self, sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        engine = self._connect()
        import sqlalchemy

        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(sqlalchemy.text(sql), values)]
        except sqlalchemy.exc.SQLAlchemyError as e:
            raise DatabaseProblem(f"{self.name} cannot be read: {str(e).splitlines()[0]}") from e

    def _foreign_columns(self, table: str) -> list[str]:
        engine = self._connect()
        import sqlalchemy

        try:
            return [column["name"] for column in sqlalchemy.inspect(engine).get_columns(table)]
        except sqlalchemy.exc.NoSuchTableError:
            return []
        except sqlalchemy.exc.SQLAlchemyError as e:
            raise DatabaseProblem(f"{self.name} cannot be read: {str(e).splitlines()[0]}") from e

    def _quoted(self, name: str) -> str:
        if self.path is not None:
            return f'"{name}"'
        return str(self._connect().dialect.identifier_preparer.quote(name))


def seconds(value: Any) -> float | None:
    """A time of the database as seconds; they are local times without a zone, and are left that.

    Examples
    --------
    >>> seconds("1970-01-02 00:00:01.5")
    86401.5
    >>> seconds(None)
    """
    if value is None:
        return None
    if not isinstance(value, datetime):
        try:
            value = datetime.fromisoformat(str(value))
        except ValueError:
            return None
    return float((value.replace(tzinfo=None) - _EPOCH).total_seconds())


def now() -> float:
    """The present, on the clock of :func:`seconds`."""
    return (datetime.now() - _EPOCH).total_seconds()
