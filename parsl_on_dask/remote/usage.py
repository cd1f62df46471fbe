"""What this process and its children use, read as cheaply as can be.

On Linux everything comes from ``/proc`` and ``getrusage``, which takes a tenth of the time that psutil takes; elsewhere
it comes from psutil, which every Dask worker has.

A sample is a tuple of numbers: seconds since the epoch, pid, percent of the memory, number of children, seconds of CPU
time in user mode and in the system, bytes of virtual and of resident memory, bytes read and written, the letter of the
state, number of the CPU, voluntary and involuntary context switches. Of all but pid, state and CPU it is the sum over
the process and its children, and of CPU time, bytes and switches also over the children that have ended.
"""

from __future__ import annotations

import os
import platform
import resource
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

from .reaper import REAPER

Sample = tuple[float, ...]

#: How a sample travels, and waits to be written.
PACKED = struct.Struct("<14d")

#: Seconds for which what /proc says of memory and disk is good enough.
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


def meter() -> ProcMeter | PsutilMeter:
    """What measures this process."""
    return ProcMeter() if os.path.exists("/proc/self/statm") else PsutilMeter()


class ProcMeter:
    """Reads Linux's files.

    Examples
    --------
    >>> meter = ProcMeter()  # doctest: +SKIP
    >>> meter.quick()[1] == os.getpid()  # doctest: +SKIP
    True
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.page = os.sysconf("SC_PAGE_SIZE")
        self.tick = os.sysconf("SC_CLK_TCK")
        self.memory = self.page * os.sysconf("SC_PHYS_PAGES")
        self.statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
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
        pages = os.pread(self.statm, 200, 0).split()
        read = written = 0.0
        if self.io is not None:
            read, written = _io_of(os.pread(self.io, 400, 0))
        return int(pages[0]) * self.page, int(pages[1]) * self.page, read, written

    def full(self) -> Sample:
        """A sample with children, from a thread that does not run the call."""
        self.read_at = 0.0
        now, _, _, _, user, system, virtual, resident, read, written, _, _, voluntary, forced = self.quick()
        pid = self.pid
        fields = _stat_of(pid)
        state = RUNNING
        if fields is not None:
            state = fields[0][0]
            self.cpu = int(fields[36])
        count = 0
        for child in descendants(pid):
            of_child = _stat_of(child) if child != REAPER.pid else None
            if of_child is None:
                continue
            count += 1
            # with the children that it has waited for
            user += (int(of_child[11]) + int(of_child[13])) / self.tick
            system += (int(of_child[12]) + int(of_child[14])) / self.tick
            virtual += int(of_child[20])
            resident += int(of_child[21]) * self.page
            more = _io_of(_bytes_of(f"/proc/{child}/io"))
            read += more[0]
            written += more[1]
            switches = _switches_of(_bytes_of(f"/proc/{child}/status"))
            voluntary += switches[0]
            forced += switches[1]
        percent = 100 * resident / self.memory
        return (
            now,
            pid,
            percent,
            count,
            user,
            system,
            virtual,
            resident,
            read,
            written,
            state,
            self.cpu,
            voluntary,
            forced,
        )


class PsutilMeter:
    """Asks psutil."""

    def __init__(self) -> None:
        import psutil

        self.psutil: Any = psutil
        self.process: Any = psutil.Process()
        self.pid = os.getpid()

    def first(self) -> Sample:
        """A sample at the begin of a call."""
        return self.quick()

    def quick(self) -> Sample:
        """A sample of the process without children that run now."""
        return self._sample([])

    def full(self) -> Sample:
        """A sample with children."""
        return self._sample([c for c in self.process.children(recursive=True) if c.pid != REAPER.pid])

    def _sample(self, children: list[Any]) -> Sample:
        process = self.process
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        user, system = ended.ru_utime, ended.ru_stime
        voluntary, forced = float(ended.ru_nvcsw), float(ended.ru_nivcsw)
        percent = virtual = resident = read = written = 0.0
        count = 0
        for one in [process, *children]:
            try:
                with one.oneshot():
                    times, memory, switches = one.cpu_times(), one.memory_info(), one.num_ctx_switches()
                    percent += one.memory_percent()
                    io = one.io_counters() if hasattr(one, "io_counters") else None
            except self.psutil.Error:  # it has just ended
                continue
            count += 1
            user += times.user
            system += times.system
            virtual += memory.vms
            resident += memory.rss
            voluntary += switches.voluntary
            forced += switches.involuntary
            if io is not None:
                read += getattr(io, "read_chars", io.read_bytes)
                written += getattr(io, "write_chars", io.write_bytes)
        cpu = process.cpu_num() if hasattr(process, "cpu_num") else 0
        state = process.status()
        return (
            time.time(),
            self.pid,
            percent,
            count - 1,
            user,
            system,
            virtual,
            resident,
            read,
            written,
            next((ord(letter) for letter, word in STATES.items() if word == state), RUNNING),
            cpu,
            voluntary,
            forced,
        )


def descendants(pid: int) -> Iterator[int]:
    """The processes below one."""
    todo = [pid]
    while todo:
        parent = todo.pop()
        found = _children_of(parent)
        if found is None:  # a kernel that does not list them
            yield from _descendants_by_parents(parent)
            continue
        todo += found
        yield from found


def _children_of(pid: int) -> list[int] | None:
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
                return None
        except OSError:
            continue
    return found


def _descendants_by_parents(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat_of(int(name))
            if fields is not None:
                parents[int(name)] = int(fields[1])
    below = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in below} - below
        if not more:
            return [*(below - {pid})]
        below |= more


def _stat_of(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat from the state on; the name before it may have spaces and brackets."""
    data = _bytes_of(f"/proc/{pid}/stat")
    fields = data[data.rfind(b")") + 2 :].split()
    return fields if len(fields) > 36 else None


def _io_of(data: bytes) -> tuple[float, float]:
    """Bytes read and written, of /proc/PID/io."""
    lines = data.split(b"\n", 2)
    if len(lines) < 2:
        return 0.0, 0.0
    return float(lines[0][7:]), float(lines[1][7:])


def _switches_of(data: bytes) -> tuple[float, float]:
    """Voluntary and involuntary context switches, of /proc/PID/status."""
    at = data.find(b"voluntary_ctxt_switches:")
    numbers = [line.partition(b":")[2] for line in data[at:].split(b"\n") if b"ctxt_switches" in line] if at > 0 else []
    return (float(numbers[0]), float(numbers[1])) if len(numbers) == 2 else (0.0, 0.0)


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # not in every container
        return None


def _bytes_of(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4096)
    except OSError:  # it has just ended, or is somebody else's
        return b""


def machine() -> tuple[str, int, int, str]:
    """Name of this host, its number of CPUs, its bytes of memory, and the version of this Python."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = 0
    return socket.gethostname(), os.cpu_count() or 1, memory, platform.python_version()
