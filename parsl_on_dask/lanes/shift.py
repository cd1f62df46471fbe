"""A shift, from the client's side: calls that are with Dask as one task."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.links import Link


class Shift:
    """Calls that are with Dask as one task: a shift, from the client's side.

    - `calls`: those that have not reported yet.
    - `initial`: numbers of those that are part of the Dask task itself.
    - `feed`: whether more calls can be sent after it.
    - `keeps`: whether large values stay in its result.
    - `over`: whether its Dask task has ended.
    - `ended`: how: Dask's status of it.
    - `held`: numbers of its calls that are done as soon as Dask has their large results.
    - `place`: address of the worker that it was meant for, when not every one would do.
    - `since`: when it was heard of last, by :func:`time.monotonic`; 0.0 before that.
    - `next`: number of the call that waits behind a long one; 0 when none does.
    - `stuck`: whether the call that it runs takes so long that the calls behind it were handed back.
    """

    __slots__ = (
        "calls",
        "ended",
        "ended_at",
        "feed",
        "future",
        "held",
        "host",
        "id",
        "initial",
        "keeps",
        "link",
        "name",
        "next",
        "over",
        "place",
        "several",
        "since",
        "started",
        "stuck",
        "worker",
    )

    def __init__(self, number: str, name: str, feed: bool) -> None:
        self.id = number
        self.name = name
        self.feed = feed
        self.calls: dict[int, Call] = {}
        self.initial: set[int] = set()
        self.several = feed
        self.future: Any = None
        self.link: Link | None = None
        self.started = False
        self.since = 0.0
        self.place = ""
        self.stuck = False
        self.next = 0
        self.over = False
        self.ended = ""
        self.ended_at = 0.0
        self.held: list[int] = []
        self.keeps = False
        self.worker = ""
        self.host = ""

    def begin_with(self, calls: list[Call]) -> None:
        """Set the calls that are part of the Dask task itself."""
        self.calls = {c.number: c for c in calls}
        self.initial = set(self.calls)
        self.several = self.feed or len(calls) > 1

    @property
    def alone(self) -> bool:
        """Whether the call that has not reported is the one that runs."""
        return not self.several or (self.stuck and len(self.calls) == 1)

    @property
    def open(self) -> bool:
        """Whether calls can be sent to it now."""
        if self.stuck or self.next or not self.started or self.over or not self.feed:
            return False
        return self.link is not None and self.link.ready
