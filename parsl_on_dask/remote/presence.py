"""Counts the clients that have something on the workers of this process, and cleans up after the last of them."""

from __future__ import annotations

import threading
from typing import Any

from . import agent, guard, monitor, transfer

_present: set[tuple[int, str]] = set()
_lock = threading.Lock()


def clients_of(worker: Any) -> list[str]:
    """The clients that may send calls to a worker. Under the lock."""
    return [client for number, client in _present if number == id(worker)]


def enter(worker: Any, client: str) -> None:
    """A client will send calls to a worker."""
    with _lock:
        _present.add((id(worker), client))
        guard.note_clients(worker, clients_of(worker))


def leave(worker: Any, client: str) -> bool:
    """A client has left, or is gone: nobody is there to be told of its calls. Whether it was the last one here."""
    agent.mute(worker, client)
    with _lock:
        _present.discard((id(worker), client))
        others = clients_of(worker)
        guard.note_clients(worker, others)
        if not others:
            for operation in (agent.OPERATION, transfer.OPERATION):
                worker.handlers.pop(operation, None)
        last = not _present
    if last:
        monitor.end_all()
    return last
