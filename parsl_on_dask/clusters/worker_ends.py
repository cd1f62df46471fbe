"""What the nannies of an existing cluster tell of workers that they are about to end."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from parsl_on_dask.clusters.base import End

#: Seconds after which a worker that bears the name is another one.
STALE = 10.0


class Told(NamedTuple):
    """What was told of a worker: the call that it runs and its last reports, and why it is ended."""

    when: float
    last: tuple[int, list[bytes]]
    end: End


#: By client, as labels may share one, and by the worker's name.
_told: dict[str, dict[str, Told]] = {}


def heard(client: str, message: dict[str, Any]) -> None:
    """A nanny ends its worker. In the client's event loop."""
    number, records = message["last"]
    end = End("signal SIGKILL", **message["why"])
    known = {name: told for name, told in _told.get(client, {}).items() if not _is_stale(told)}
    _told[client] = {**known, message["worker"]: Told(time.monotonic(), (number, list(records)), end)}


def of(client: str, worker: str) -> Told | None:
    """What was told of a worker that has died; None when nothing was."""
    told = _told.get(client, {}).get(worker)
    return None if told is None or _is_stale(told) else told


def forget(client: str) -> None:
    """A client has left the cluster."""
    _told.pop(client, None)


def _is_stale(told: Told) -> bool:
    return time.monotonic() - told.when > STALE
