"""What happens in a run, for sinks of the user's own: ``MonitoringHub(sinks=[...])``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

__all__ = ["BlockState", "Event", "NodeState", "ResourceSample", "Sink", "TaskState"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run: a row of the monitoring database that is never changed.

    Attributes
    ----------
    run_id : str
        :attr:`DataFlowKernel.run_id`.
    timestamp : datetime
        When; local, without a zone, as in the database.
    """

    run_id: str
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class TaskState(Event):
    """A task, or its try, has come to a state.

    Attributes
    ----------
    task_id, try_id : int
        Both count from 0.
    state : str
        Name of one of :class:`~parsl_on_dask.dataflow.states.States`, such as ``"running"``.
    app : str
        Name of the app; empty for tasks of executors of somebody else's making.

    Examples
    --------
    >>> TaskState("run", datetime(2026, 3, 9, 12), task_id=7, try_id=0, state="running", app="simulate").state
    'running'
    """

    task_id: int
    try_id: int
    state: str
    app: str = ""


@dataclass(frozen=True, slots=True)
class ResourceSample(Event):
    """What the worker process of a try, and all processes below it, use at one moment.

    Attributes
    ----------
    task_id, try_id : int
    pid : int
        Of the worker process.
    memory_resident, memory_virtual : float
        Bytes.
    time_user, time_system : float
        Seconds of CPU time since the process began.
    disk_read, disk_write : float
        Bytes since the process began.
    children_count : float
        Processes below the worker's.
    """

    task_id: int
    try_id: int
    pid: int
    memory_resident: float
    memory_virtual: float
    time_user: float
    time_system: float
    disk_read: float
    disk_write: float
    children_count: float


@dataclass(frozen=True, slots=True)
class BlockState(Event):
    """A block has come to a state.

    Attributes
    ----------
    executor_label, block_id : str
    job_id : str or None
        As its batch system calls it.
    status : str
        Name of one of :class:`~parsl_on_dask.jobs.states.JobState`, such as ``"PENDING"``.
    """

    executor_label: str
    block_id: str
    job_id: str | None
    status: str


@dataclass(frozen=True, slots=True)
class NodeState(Event):
    """A node with workers has come or gone, or has another number of workers.

    Attributes
    ----------
    hostname, block_id : str
    active : bool
        Whether it has workers.
    worker_count, cpu_count : int
    total_memory : int
        Bytes.
    python_v : str
        Version of its Python.
    """

    hostname: str
    block_id: str
    active: bool
    worker_count: int
    cpu_count: int
    total_memory: int
    python_v: str


#: Takes the events of one transaction, in their order.
Sink = Callable[[Sequence[Event]], object]

_KINDS: Mapping[str, type[Event]] = {
    "status": TaskState,
    "resource": ResourceSample,
    "block": BlockState,
    "node": NodeState,
}


def of_rows(
    rows: Mapping[str, Sequence[tuple[Any, ...]]], columns: Mapping[str, Sequence[str]], apps: Mapping[int, str]
) -> Iterator[Event]:
    """The events that rows of the database tell of, table by table.

    Parameters
    ----------
    rows : mapping of str to sequence of tuple
        By table.
    columns : mapping of str to sequence of str
        What is in the rows.
    apps : mapping of int to str
        Names of apps by task, as far as they are known.
    """
    for table, kind in _KINDS.items():
        names = [field.name for field in fields(kind)]
        for row in rows.get(table, ()):
            known = {
                column.removeprefix("psutil_process_"): value for column, value in zip(columns[table], row, strict=True)
            }
            known["timestamp"] = _datetime(known["timestamp"])
            if kind is TaskState:
                known.update(state=known["task_status_name"], app=apps.get(known["task_id"], ""))
            yield kind(**{name: known[name] for name in names})


def _datetime(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
