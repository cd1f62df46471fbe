"""What the parts of a batch lane ask of it, and of each other."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, Protocol

from parsl_on_dask.clusters.base import Cluster
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.queues import Queues
from parsl_on_dask.lanes.shift import Shift

if TYPE_CHECKING:
    from distributed import Client


class Sender(Protocol):
    """A lane, as what makes Dask tasks of its calls sees it."""

    client: Client
    cluster: Cluster
    executor: Any
    topic: str
    watch: Any


class Lane(Sender, Protocol):
    """A batch lane, as each of its parts sees it."""

    inbox: queue.SimpleQueue[tuple[str, Any]]
    label: str
    live: dict[int, Call]
    open_shifts: dict[str, Shift]
    queues: Queues
    shifts: dict[str, Shift]

    def finish(self, call: Call, outcome: Outcome) -> None: ...
