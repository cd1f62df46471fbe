"""What processes take of memory and CPU, as seen from the client: imported by measured processes."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

STEADY = 300_000
"""Bytes by which a resident set may still move between two looks at it when it counts as settled."""


def resident() -> int:
    """Bytes of this process's resident set."""
    import psutil

    size: int = psutil.Process().memory_info().rss
    return size


def settled(limit: float = 15.0) -> int:
    """Bytes of this process's resident set, once what goes on in its other threads no longer moves it."""
    deadline = time.monotonic() + limit
    steady = 0
    gc.collect()
    size = resident()
    while steady < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
        before, size = size, resident()
        steady = steady + 1 if abs(size - before) < STEADY else 0
    gc.collect()
    return resident()


def peak(pid: int) -> int:
    """Bytes that the resident set of a process has reached at most; where that is not kept, those it has now.

    Raises
    ------
    psutil.Error, OSError
        When the process is gone.
    """
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import psutil

    size: int = psutil.Process(pid).memory_info().rss
    return size


def cpu_of_all() -> float:
    """Seconds of CPU time of this process and of all that run below it."""
    import psutil

    spent = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        # with the children that have ended
        spent += times.user + times.system + times.children_user + times.children_system
    return spent


def listener(port: int) -> int | None:
    """The process below this one that listens on a port; None when there is none, or it cannot be seen.

    A scheduler that was forked has the command line of its parent, and of the workers; its port is its own.
    """
    import psutil

    for child in psutil.Process().children(recursive=True):
        try:
            connections: Any = getattr(child, "net_connections", None) or child.connections
            if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections(kind="tcp")):
                return int(child.pid)
        except psutil.Error:
            continue
    return None
