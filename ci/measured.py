"""What :mod:`coverage` needs to see processes that are killed, and modules that are sent to workers. For ci/branches.

Supervisors end workers and schedulers with SIGKILL, so that nothing holds them up. Under coverage these get a moment to
write down what they have seen, and die by SIGKILL all the same.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import CodeType, FrameType
from typing import Any

SAVE = signal.SIGRTMIN + 9
SECONDS = 3.0
"""That a process has to write its data."""


def coverage_init(registry: Any, options: Any) -> None:
    """Called in each process that coverage watches."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(SAVE, save_and_die)
    os.kill = kill


def save_and_die(number: int, frame: FrameType | None) -> None:
    from coverage import Coverage

    try:
        current = Coverage.current()
        if current is not None:
            current.stop()
            current.save()
    finally:
        real_kill(os.getpid(), signal.SIGKILL)


real_kill = os.kill


def kill(pid: int, number: int) -> None:
    asks = sys._getframe(1).f_globals.get("__name__")
    if number == signal.SIGKILL and asks == "parsl_on_dask.clusters.node" and catches(pid):
        real_kill(pid, SAVE)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and catches(pid):
            time.sleep(0.005)
    real_kill(pid, number)


def catches(pid: int) -> bool:
    """Whether a process lives and can be asked to write its data."""
    try:
        with open(f"/proc/{pid}/status") as file:
            lines = dict(line.split(":", 1) for line in file)
    except OSError:
        return False
    return lines["State"].split()[0] not in "ZX" and bool(int(lines["SigCgt"], 16) >> (SAVE - 1) & 1)


def pytest_configure() -> None:
    """What is sent to workers keeps the names of its files, by which coverage knows it."""
    import cloudpickle

    from parsl_on_dask.clusters import bootstrap

    table = cloudpickle.Pickler.dispatch_table
    reduce = table[CodeType]

    def with_file(code: CodeType) -> tuple[Any, ...]:
        make, parts, *rest = reduce(code)
        if code.co_filename.startswith(package):
            parts = tuple(code.co_filename if part == "<dynamic-code>" else part for part in parts)
        return make, parts, *rest

    package = os.path.dirname(os.path.dirname(bootstrap.__file__)) + os.sep
    table[CodeType] = with_file
    bootstrap._named = lambda code, _: code
