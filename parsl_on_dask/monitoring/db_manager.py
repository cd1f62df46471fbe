"""The monitoring database by classes of SQLAlchemy's, for programs that query or fill it themselves.

A run is written by this package's own writer. Importing this module imports SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parsl_on_dask.errors import OptionalModuleMissing
from parsl_on_dask.old_spellings.legacy import refused

try:
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Session
except ImportError as e:
    raise OptionalModuleMissing(["sqlalchemy"], "the monitoring database needs it: pip install sqlalchemy") from e

from parsl_on_dask.monitoring import schema

WORKFLOW, TASK, TRY, STATUS, RESOURCE, NODE, BLOCK = (
    "workflow",
    "task",
    "try",
    "status",
    "resource",
    "node",
    "block",
)

_INSTEAD = (
    "A run is recorded by the kernel. Give Config monitoring=MonitoringHub(), and read the database with "
    "parsl.monitoring.db_manager.Database, or with SQL."
)
__getattr__ = refused(__name__, dict.fromkeys(("DatabaseManager", "dbm_starter"), _INSTEAD))


class Database:
    """The tables of a monitoring database, which are made if they are not there.

    Parameters
    ----------
    url : str
        SQLAlchemy's URL of the database. Default ``"sqlite:///runinfomonitoring.db"``, as in Parsl.

    Attributes
    ----------
    eng : sqlalchemy.Engine
    meta : sqlalchemy.MetaData
    session : sqlalchemy.orm.Session

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        When there is no such database.

    Examples
    --------
    >>> database = Database("sqlite://")
    >>> database.session.query(Database.Task.task_func_name).all()
    []
    """

    class Base(DeclarativeBase):
        """Of all tables."""

        metadata = schema.METADATA

    class Workflow(Base):
        """A run."""

        __table__ = schema.WORKFLOW

    class Status(Base):
        """A state that a task came to."""

        __table__ = schema.STATUS

    class Task(Base):
        """A task."""

        __table__ = schema.TASK

    class Try(Base):
        """An attempt at a task."""

        __table__ = schema.TRY

    class Node(Base):
        """A node with workers."""

        __table__ = schema.NODE

    class Block(Base):
        """A state that a block came to."""

        __table__ = schema.BLOCK

    class Resource(Base):
        """What a task used, at one moment."""

        __table__ = schema.RESOURCE

    def __init__(self, url: str = "sqlite:///runinfomonitoring.db") -> None:
        self.eng = sa.create_engine(url)
        self.meta = schema.METADATA
        self.meta.create_all(self.eng)
        self.session = Session(self.eng)

    def insert(self, *, table: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to a table; what is no column is left out.

        Parameters
        ----------
        table : str
            Such as ``"task"``.
        messages : sequence of mapping
            Column to value.
        """
        self.session.bulk_insert_mappings(*self._rows(table, messages))
        self.session.commit()

    def update(self, *, table: str, columns: Sequence[str], messages: Sequence[Mapping[str, Any]]) -> None:
        """Change columns of rows that are found by their primary key.

        Parameters
        ----------
        table : str
            Such as ``"task"``.
        columns : sequence of str
            The key's columns, and those to change.
        messages : sequence of mapping
            Column to value.
        """
        self.session.bulk_update_mappings(*self._rows(table, messages, columns))
        self.session.commit()

    def rollback(self) -> None:
        """Undo what is not committed, after an error."""
        self.session.rollback()

    def _rows(
        self, table: str, messages: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None
    ) -> tuple[Any, list[dict[str, Any]]]:
        kind = next(mapper for mapper in self.Base.registry.mappers if mapper.local_table is self.meta.tables[table])
        names = set(self.meta.tables[table].columns.keys()).intersection(columns or kind.columns.keys())
        return kind, [{name: message[name] for name in names if name in message} for message in messages]
