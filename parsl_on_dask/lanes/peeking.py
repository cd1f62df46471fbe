"""For whom a thread looks at the results of tasks: what it may find is then left where it is, or promised."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parsl_on_dask.lanes.base import Lane
    from parsl_on_dask.lanes.call import Call

#: ``lane`` and ``leaders``, of the thread.
peeking = threading.local()


class values_for:  # a generator would cost more than what it surrounds
    """While this lasts, ``AppFuture.peek()`` leaves those values where they are which ``lane`` can use there."""

    __slots__ = ("before", "lane")

    def __init__(self, lane: Lane | None) -> None:
        self.lane = lane

    def __enter__(self) -> None:
        self.before = getattr(peeking, "lane", None)
        peeking.lane = self.lane

    def __exit__(self, *ending: object) -> None:
        peeking.lane = self.before


@contextmanager
def promises() -> Iterator[list[Call]]:
    """While this lasts, ``AppFuture.peek()`` gives promises of the values of calls under way; lists these calls."""
    leaders: list[Call] = []
    peeking.leaders = leaders
    try:
        yield leaders
    finally:
        peeking.leaders = None
