"""The ends of workers: signals, exit codes, and what their calls leave behind, which their supervisor finds and ends.

Where the kernel can be asked for it, a supervisor inherits every process below it whose parent has died. So nothing
that a call has started gets out of its sight, whatever it was forked or executed by. Elsewhere than on Linux, nothing
is found here.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Iterable

#: Variable by which the processes that a worker executes are known to be its own.
OWNER = "PARSL_ON_DASK_WORKER"

#: Signals by which a batch system tells a job that it is about to end: at preemption, at its time limit (SIGTERM), or
#: as long before that as a user has asked for.
NOTICES = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
#: Exit code of a worker or scheduler that an error ended.
FAILED = 77
#: Exit code of a worker that lost the connection to its scheduler.
CUT_OFF = 78
#: Exit code of a worker that was told to leave. Not 0: a call may end its process with that.
LEFT = 79

_SUBREAPER = 36


def worker_name(name: str, life: int) -> str:
    """Name of a worker in its n-th life; a replacement must not be taken for the one that died."""
    return name if life == 0 else f"{name}.{life}"


def inherit() -> None:
    """Make this process the parent of those below it that lose theirs."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)


def children() -> set[int]:
    """Ids of this process's children. It has one thread."""
    me = os.getpid()
    found = _children_of(me, me)
    return set(_by_parent().get(me, ())) if found is None else set(found)


def _children_of(pid: int, thread: int | str) -> list[int] | None:
    """The children that a thread of a process has started; None on a kernel that does not tell."""
    try:
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            return list(map(int, file.read().split()))
    except OSError:
        return None


def _by_parent() -> dict[int, list[int]]:
    """Ids of the children of each process of this machine, without those that have ended."""
    found: dict[int, list[int]] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return found
    for name in filter(str.isdigit, names):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # the name of the program comes before, in brackets, and may have brackets and spaces in it
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state not in (b"Z", b"X"):
            found.setdefault(int(parent), []).append(int(name))
    return found


def with_descendants(pids: Iterable[int]) -> list[int]:
    """Processes and all that are below them."""
    known = _by_parent()
    found = list(pids)
    for pid in found:  # which grows meanwhile
        found += known.get(pid, ())
    return found


def owner_of(pid: int) -> str:
    """Name of the worker that executed a process; "" when that cannot be told, as of those that were only forked."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return ""
    mark = OWNER.encode() + b"="
    return next((entry[len(mark) :].decode(errors="replace") for entry in entries if entry.startswith(mark)), "")


class Sweep:
    """Ends processes with all that is below them: SIGTERM first, SIGKILL to those that stay.

    - `deadline`: when SIGKILL is due.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._told: set[int] = set()

    def over(self, roots: Collection[int], now: float) -> bool:
        """Go on with it; True when there is nothing to end any more."""
        if not roots:
            return True
        for pid in with_descendants(roots):
            if now < self.deadline and pid in self._told:
                continue
            self._told.add(pid)
            try:
                os.kill(pid, signal.SIGTERM if now < self.deadline else signal.SIGKILL)
            except (ProcessLookupError, PermissionError):  # gone, or somebody else's by now
                pass
        return False
