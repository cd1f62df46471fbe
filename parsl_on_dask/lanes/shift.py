"""A shift, from the client's side: calls that are with Dask as one task."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.links import Link


class Batch:
    """Calls that are with Dask as one task: a shift, from the client's side.

    Attributes
    ----------
    calls : dict of int to Call
        Those that have not reported yet.
    initial : set of int
        Numbers of those that are part of the Dask task itself.
    feed : bool
        Whether more calls can be sent after it.
    keeps : bool
        Whether large values stay in its result.
    over : bool
        Whether its Dask task has ended.
    """

    __slots__ = (
        "calls",
        "ended_at",
        "feed",
        "future",
        "host",
        "id",
        "initial",
        "keeps",
        "link",
        "name",
        "over",
        "several",
        "started",
        "worker",
    )

    def __init__(self, number: str, name: str, calls: list[Call], feed: bool) -> None:
        self.id = number
        self.name = name
        self.calls = {c.number: c for c in calls}
        self.initial = set(self.calls)
        self.feed = feed
        self.several = feed or len(calls) > 1
        self.future: Any = None
        self.link: Link | None = None
        self.started = False
        self.over = False
        self.ended_at = 0.0
        self.keeps = False
        self.worker = ""
        self.host = ""

    @property
    def open(self) -> bool:
        """Whether calls can be sent to it now."""
        return self.feed and self.started and not self.over and self.link is not None and self.link.ready
