"""Ends workers whose running call does not keep to its limits: the side of whoever keeps the workers.

A call says in its worker's journal what it is allowed. Nothing else is asked of the worker, since a call that sits in
C code may hold its interpreter.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from .journal import Allowed, Reader
from .usage import descendants

#: Seconds between two looks at the journals.
LOOK = 0.25


class Limits:
    """What the running calls of some workers are allowed.

    - `memory`: bytes that each worker may have whatever it runs; 0 for no limit.
    - `clock`: says the time, as :func:`time.monotonic` does.
    """

    def __init__(self, memory: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.memory = memory
        self.clock = clock
        self.readers: dict[int, Reader] = {}
        #: what the workers that were ended had not kept to
        self.exceeded: dict[int, dict[str, float | str]] = {}

    def look(self, journals: Mapping[int, str]) -> None:
        """Look at all workers, and end those that have to be.

        - `journals`: the journal's path for each worker's process id.
        """
        for pid in self.readers.keys() - journals.keys():
            del self.readers[pid]
        for pid, path in journals.items():
            reader = self.readers.get(pid)
            if reader is None:
                reader = self.readers[pid] = Reader(path)
            allowed = reader.allowed()
            if pid not in self.exceeded and self._found(pid, allowed):
                self._end(pid, reader, allowed)

    def _found(self, pid: int, allowed: Allowed) -> dict[str, float | str]:
        """What the running call of a worker does not keep to; empty when it does."""
        if not allowed.number:
            return {}
        if allowed.unwanted == allowed.number:
            return {"over": "kill"}
        if allowed.deadline and self.clock() > allowed.deadline:
            return {"over": "walltime", "allowed": allowed.seconds}
        limit = min(filter(None, (allowed.memory, self.memory)), default=0)
        if limit:
            used = memory_of(pid)
            if used > limit:
                return {"over": "memory", "allowed": limit, "used": used}
        return {}

    def _end(self, pid: int, reader: Reader, before: Allowed) -> None:
        # it may be at the next call by now, which must not pay: the worker stands still for the last look
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            allowed = reader.allowed()
            found = self._found(pid, allowed) if allowed.number == before.number else {}
            if found:
                self.exceeded[pid] = found
                self.end(pid)
            else:
                os.kill(pid, signal.SIGCONT)

    def end(self, pid: int) -> None:
        """End a worker, which stands still."""
        os.kill(pid, signal.SIGKILL)

    def reason(self, pid: int) -> dict[str, float | str]:
        """Why a worker was ended that is gone: fields of an :class:`~parsl_on_dask.clusters.base.End`."""
        return self.exceeded.pop(pid, {})


def memory_of(pid: int) -> int:
    """Bytes of memory that a process and all that it has started have resident; 0 where that cannot be known."""
    own = _resident(pid)
    with suppress(FileNotFoundError):  # the kernel does not list children
        own += sum(map(_resident, descendants(pid)))
    return own


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, resident, shared, *_ = file.read().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * mmap.PAGESIZE


def kills_for_memory() -> int:
    """How many processes of this machine its kernel has ended so far because memory had run out."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError), open("/proc/vmstat", "rb") as file:
            for line in file:
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
    return 0
