"""Which process of this machine is meant, by more than an id, which another process may have by now."""

from __future__ import annotations

import os

#: The id of a process, and when it began.
Process = list[int]


def this_process() -> Process:
    """This process."""
    found = process_of(os.getpid())
    assert found is not None
    return found


def process_of(pid: int) -> Process | None:
    """A process of this machine by its id; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # behind the name, which may hold anything: the state is the third field, the start the twenty-second
            parts = file.read().rpartition(b")")[2].split()
        return None if parts[0] in b"ZX" else [pid, int(parts[19])]
    except OSError:
        if os.path.exists("/proc/self/stat"):
            return None
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else [pid, int(process.create_time() * 100)]
    except psutil.Error:
        return None


def alive(process: Process | None) -> bool:
    """Whether a process of this machine is still the one that it was."""
    return process is not None and process_of(process[0]) == list(process)


def boot() -> str:
    """What tells this start of this machine from others, and containers of one machine from each other."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""
