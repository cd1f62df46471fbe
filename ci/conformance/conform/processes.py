"""The processes that a run started: they carry its name in their environment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

__all__ = ["MARK", "end_all", "stopped"]

MARK = "PARSL_CONFORMANCE_RUN"


def end_all(run: str, patience: float = 2.0) -> int:
    """End what is left of a run, or of a part of it, first politely; return how many processes that were."""
    left = _of(run)
    if not left:
        return 0
    _send(left, signal.SIGTERM)
    until = time.monotonic() + patience
    while _of(run) and time.monotonic() < until:
        time.sleep(0.05)
    _send(_of(run), signal.SIGKILL)
    return len(left)


def stopped(pid: int) -> bool:
    """Whether a process stands still: a test that stops a worker's parent can hit pytest itself."""
    return _state(pid) == "T"


def _of(run: str) -> list[int]:
    mark = f"{MARK}={run}/".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                marked = any((entry + b"/").startswith(mark) for entry in file.read().split(b"\0"))
        except OSError:
            continue
        if marked and _state(int(name)) != "Z":
            found.append(int(name))
    return found


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
