"""What this process and its children use, read by psutil, which every Dask worker has.

A quick sample, of which each call has two, is of the process alone: ``getrusage`` and, on Linux, two files of ``/proc``
that stay open take a tenth of the time that psutil takes.

A sample is a tuple of numbers: seconds since the epoch, pid, percent of the memory, number of children, seconds of CPU
time in user mode and in the system, bytes of virtual and of resident memory, bytes read and written, the letter of the
state, number of the CPU, voluntary and involuntary context switches. Of all but pid, state and CPU it is the sum over
the process and its children, and of CPU time, bytes and switches also over the children that have ended.
"""

from __future__ import annotations

import os
import platform
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

from .reaper import REAPER

try:
    import resource
except ImportError:  # workers that are asked for samples are on systems that have it
    resource = None  # type: ignore[assignment]

Sample = tuple[float, ...]

#: How a sample travels, and waits to be written.
PACKED = struct.Struct("<14d")

#: Seconds for which what was read of memory and disk is good enough.
FRESH = 0.005

#: Seconds for which the sample at the end of a call is good enough for the begin of the next one.
NEXT = 0.0005

#: psutil's words for the states.
STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "disk-sleep",
    "T": "stopped",
    "t": "tracing-stop",
    "Z": "zombie",
    "X": "dead",
    "I": "idle",
}
RUNNING = ord("R")
_LETTERS = {word: ord(letter) for letter, word in STATES.items()}


class Meter:
    """Measures this process.

    Examples
    --------
    >>> meter = Meter()
    >>> meter.quick()[1] == os.getpid()
    True
    """

    def __init__(self) -> None:
        import psutil

        self.psutil: Any = psutil
        self.process: Any = psutil.Process()
        self.pid = os.getpid()
        self.memory = psutil.virtual_memory().total
        self.page = os.sysconf("SC_PAGE_SIZE")
        self.statm = _open("/proc/self/statm")
        self.io = _open("/proc/self/io")
        self.read_at = 0.0
        self.held = (0.0, 0.0, 0.0, 0.0)
        self.cpu = 0
        self.last: Sample = (0.0,)

    def first(self) -> Sample:
        """A quick sample at the begin of a call, which often is the end of another one."""
        last, now = self.last, time.time()
        return (now, *last[1:]) if 0 <= now - last[0] < NEXT else self.quick()

    def quick(self) -> Sample:
        """A sample of the process without children that run now. Takes microseconds."""
        now = time.time()
        if not 0 <= now - self.read_at < FRESH:
            self.held = self._read()
            self.read_at = now
        virtual, resident, read, written = self.held
        own = resource.getrusage(resource.RUSAGE_SELF)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.last = sample = (
            now,
            self.pid,
            100 * resident / self.memory,
            0,
            own.ru_utime + ended.ru_utime,
            own.ru_stime + ended.ru_stime,
            virtual,
            resident,
            read,
            written,
            RUNNING,
            self.cpu,
            own.ru_nvcsw + ended.ru_nvcsw,
            own.ru_nivcsw + ended.ru_nivcsw,
        )
        return sample

    def _read(self) -> tuple[float, float, float, float]:
        """Virtual and resident memory, bytes read and written."""
        if self.statm is None:
            memory = self.process.memory_info()
            return memory.vms, memory.rss, *_transferred(self.process)
        pages = os.pread(self.statm, 200, 0).split()
        lines = os.pread(self.io, 400, 0).split(b"\n", 2) if self.io is not None else []
        read, written = (float(lines[0][7:]), float(lines[1][7:])) if len(lines) > 1 else (0.0, 0.0)
        return int(pages[0]) * self.page, int(pages[1]) * self.page, read, written

    def full(self) -> Sample:
        """A sample with children, from a thread that does not run the call."""
        self.read_at = 0.0
        if hasattr(self.process, "cpu_num"):
            self.cpu = self.process.cpu_num()
        now, pid, _, count, user, system, virtual, resident, read, written, _, cpu, voluntary, forced = self.quick()
        for child in self._children():
            try:
                with child.oneshot():
                    times, memory, switches = child.cpu_times(), child.memory_info(), child.num_ctx_switches()
                    transferred = _transferred(child)
            except self.psutil.Error:  # it has just ended, or is somebody else's
                continue
            count += 1
            # with the children that it has waited for
            user += times.user + getattr(times, "children_user", 0.0)
            system += times.system + getattr(times, "children_system", 0.0)
            virtual += memory.vms
            resident += memory.rss
            read += transferred[0]
            written += transferred[1]
            voluntary += switches.voluntary
            forced += switches.involuntary
        state = _LETTERS.get(self.process.status(), RUNNING)
        percent = 100 * resident / self.memory
        return now, pid, percent, count, user, system, virtual, resident, read, written, state, cpu, voluntary, forced

    def _children(self) -> Iterator[Any]:
        try:
            numbers = None if self.statm is None else list(descendants(self.pid))
        except FileNotFoundError:
            numbers = None
        if numbers is None:  # a system that does not list them: psutil looks at all processes that there are
            yield from (child for child in self.process.children(recursive=True) if child.pid != REAPER.pid)
            return
        for number in numbers:
            if number != REAPER.pid:
                try:
                    yield self.psutil.Process(number)
                except self.psutil.Error:  # it has just ended
                    continue


def descendants(pid: int) -> Iterator[int]:
    """The processes below one, as Linux lists them; FileNotFoundError from a kernel that does not."""
    todo = [pid]
    while todo:
        found = _children_of(todo.pop())
        todo += found
        yield from found


def _children_of(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                found += map(int, file.read().split())
        except FileNotFoundError:
            if thread == str(pid) and os.path.exists(f"/proc/{pid}/stat"):
                raise
        except OSError:
            continue
    return found


def _transferred(process: Any) -> tuple[float, float]:
    """Bytes that a process of psutil's has read and written; nothing where that is not told."""
    try:
        io = process.io_counters()
    except Exception:  # not of this system, or not of this process
        return 0.0, 0.0
    return getattr(io, "read_chars", io.read_bytes), getattr(io, "write_chars", io.write_bytes)


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # not on this system, or not in this container
        return None


def machine() -> tuple[str, int, int, str]:
    """Name of this host, its number of CPUs, its bytes of memory, and the version of this Python."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = 0
    return socket.gethostname(), os.cpu_count() or 1, memory, platform.python_version()
