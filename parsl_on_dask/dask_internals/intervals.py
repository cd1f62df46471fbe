"""Shortens the time for which Dask's messages wait for others to travel with, and spaces out its heartbeats.

distributed gathers messages for 2 to 10 ms before it sends them (``BatchedSend``), three times on the way of one
call and its result. Calls of ours are gathered by the lanes already, so where the processes are ours the messages
leave almost at once. ``BatchedSend`` takes its interval from code, not from the configuration, hence this module;
``tests/dask_internals/test_intervals.py`` notices when that is no longer so.

A heartbeat takes some milliseconds of processor time from worker and scheduler together, and each of up to ten workers
sends two a second, beside calls that need the same processors. A scheduler says how often; that is code as well
(``distributed.scheduler.heartbeat_interval``). Heartbeats bring the dashboard its figures of workers; a worker that has
gone is noticed by its connection.
"""

from __future__ import annotations

from typing import Any

#: Milliseconds, as Dask writes times. Not zero: what one callback writes should still travel together.
INTERVAL = "0.2ms"
#: Seconds between two heartbeats of a worker, at least.
HEARTBEAT = 2.0


def shorten_in_this_process(interval: str = INTERVAL) -> None:
    """Give all connections that this process opens from now on a short interval. For processes that we start."""
    from distributed.batched import BatchedSend

    original: Any = BatchedSend.__init__
    if getattr(original, "is_short", False):
        return

    def __init__(self: Any, _: Any = None, *args: Any, **kwargs: Any) -> None:
        kwargs.pop("interval", None)
        original(self, interval, *args, **kwargs)

    __init__.is_short = True  # type: ignore[attr-defined]
    BatchedSend.__init__ = __init__  # type: ignore


def space_heartbeats(least: float = HEARTBEAT) -> None:
    """Have the workers of the scheduler of this process send heartbeats no more often. For processes that we start."""
    from distributed import scheduler

    original = scheduler.heartbeat_interval
    scheduler.heartbeat_interval = lambda n: max(least, original(n))


def shorten(client: Any, interval: str = INTERVAL) -> bool:
    """Give a client's connection to its scheduler a short interval. False when there is nothing to set."""
    connection: Any = getattr(client, "scheduler_comm", None)
    if not isinstance(getattr(connection, "interval", None), (int, float)):
        return False
    from dask.utils import parse_timedelta

    connection.interval = parse_timedelta(interval)
    return True
