"""What Dask logs about connections and clusters of ours is for our log, in a script that need not know of Dask.

Dask's own clients, workers and clusters of the same process, which belong to the user, go on logging where they did.
Dask's loggers are those of its modules, and its records do not say whom they are about; so the objects in the frames of
a record's code and of its exception are looked at. ``tests/lanes/test_dask_noise.py`` notices when that finds nothing.
"""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from parsl_on_dask.dask_internals.clients import clients

logger = logging.getLogger("parsl.lanes.dask_noise")

#: Loggers that distributed and what is below it use in a process with a client or an in-process cluster.
_LOGGERS = (
    *(f"distributed.{name}" for name in ("client", "core", "utils", "batched", "comm.core", "comm.tcp", "comm.inproc")),
    *(f"distributed.{name}" for name in ("worker", "worker.state_machine", "scheduler", "worker_memory")),
    *("tornado.application", "asyncio"),
)
#: How the ids of our clients begin, since each is named after its executor.
_OUR_CLIENTS = "Client-parsl-"
#: How many frames of the code that logs are looked at.
_DEPTH = 12

_ours: weakref.WeakSet[Any] = weakref.WeakSet()


def is_ours(*servers: Any) -> None:
    """Take what schedulers, workers and connections in this process log to our log."""
    _ours.update(server for server in servers if server is not None)


def to_our_log() -> None:
    """Begin with that, for this process."""
    for name in _LOGGERS:
        theirs = logging.getLogger(name)
        if _elsewhere not in theirs.filters:
            theirs.addFilter(_elsewhere)


def _elsewhere(record: logging.LogRecord) -> bool:
    try:
        if not any(map(_belongs_to_us, _involved(record))):
            return True
        logger.debug("Dask: %s", record.getMessage(), exc_info=record.exc_info)
    except Exception:  # a record must not be lost for being odd
        return True
    return False


def _involved(record: logging.LogRecord) -> Iterator[Any]:
    """The objects whose methods log a record, or raised what it is about."""
    frame: Any = sys._getframe(2)
    for _ in range(_DEPTH):
        if frame is None:
            break
        yield frame.f_locals.get("self")
        frame = frame.f_back
    trace: Any = record.exc_info[2] if record.exc_info else None
    while trace is not None:
        yield trace.tb_frame.f_locals.get("self")
        trace = trace.tb_next


def _belongs_to_us(value: Any) -> bool:
    kind = type(value)
    if kind.__module__.partition(".")[0] != "distributed":
        return False
    if kind.__name__ == "BatchedSend" and any(value is client.scheduler_comm for client in _our_clients()):
        return True
    client_id = getattr(value, "id", None)
    return (isinstance(client_id, str) and client_id.startswith(_OUR_CLIENTS)) or value in _ours


def _our_clients() -> list[Any]:
    return [client for client in clients() if client.id.startswith(_OUR_CLIENTS)]
