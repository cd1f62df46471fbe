"""Writes segments. Only the process that has begun a segment ever writes to it, at offsets of its own."""

from __future__ import annotations

import calendar
import os
import re
import socket
import threading
import time

from parsl_on_dask.checkpoint import frames
from parsl_on_dask.checkpoint.segments import ENDING, segment_names
from parsl_on_dask.remote.sidefiles import sync_directory

#: How a name begins: the day, the second and the nanosecond.
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\.(\d{9})Z-")


def new_name(after: str = "") -> str:
    """A name for a segment of this process, which sorts behind those that are there.

    Names have the time in them. Clocks of hosts differ, and some go back; the order of what was recorded and removed
    must not hang on that.

    `after`: the last name that is there.

    Examples
    --------
    >>> new_name() < new_name()
    True
    >>> new_name(after="99991231T000000.000000007Z-host-1-abcdef01.seg")[:26]
    '99991231T000000.000000008Z'
    """
    now = max(time.time_ns(), _nanoseconds(after) + 1)
    when = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9))
    host = re.sub(r"[^A-Za-z0-9.]+", "_", socket.gethostname())[:40] or "host"
    return f"{when}.{now % 10**9:09d}Z-{host}-{os.getpid()}-{os.urandom(4).hex()}{ENDING}"


def _nanoseconds(name: str) -> int:
    """The time in a segment's name, in nanoseconds since 1970; 0 when there is none."""
    found = _TIME.match(name)
    if found is None:
        return 0
    try:
        *moment, rest = map(int, found.groups())
        return calendar.timegm((*moment, 0, 0, 0)) * 10**9 + rest
    except ValueError:
        return 0


class SegmentWriter:
    """A segment of this process, for writing. The caller sees to it that one thread writes at a time.

    `directory`: the checkpoint directory, which must exist.

    Raises OSError when the file cannot be made.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.name = new_name(next(filter(_nanoseconds, reversed(segment_names(directory))), ""))
        self.path = os.path.join(directory, self.name)
        self.mark = frames.new_mark()
        self.end = 0
        self.synced = 0
        self.pid = os.getpid()
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        self._sync_lock = threading.Lock()
        self.closed = False

    def append(self, frame: bytes) -> int:
        """Write a frame; where it begins.

        Raises OSError when it cannot be written. The file is then as it was before.
        """
        start = self.end or frames.HEADER_SIZE
        if self.end == 0:
            frame = frames.pack_header(self.mark) + frame
        at = self.end
        done = os.pwrite(self._fd, frame, at)
        if done != len(frame):
            self._write_rest(frame, at, done)
        self.end = at + len(frame)
        return start

    def _write_rest(self, frame: bytes, at: int, done: int) -> None:
        try:
            while done < len(frame):
                done += os.pwrite(self._fd, frame[done:], at + done)
        except OSError:
            try:
                os.ftruncate(self._fd, at)
            except OSError:
                pass  # the next frame goes over it, and what then sticks out behind is skipped by its checksum
            raise

    def sync(self, upto: int) -> None:
        """Return when everything before an offset is on disk; threads that come together share one fsync.

        Raises OSError when it cannot be, or the file has been deleted meanwhile.
        """
        if self.synced >= upto:
            return
        with self._sync_lock:
            if self.synced >= upto:
                return
            if self.closed:
                raise OSError(f"Checkpoint segment {self.path} was given up before all of it was on disk")
            end = self.end
            if os.fstat(self._fd).st_nlink == 0:
                raise FileNotFoundError(
                    f"Checkpoint segment {self.path} has been deleted while it was written: "
                    "its results are lost for later runs. Leave the directory alone while a run uses it"
                )
            os.fsync(self._fd)
            if self.synced == 0:
                sync_directory(self.directory)
            self.synced = end

    def close(self) -> None:
        """Close the file; if nothing has been written, delete it."""
        with self._sync_lock:
            if self.closed:
                return
            self.closed = True
            os.close(self._fd)
        if self.end == 0 and self.pid == os.getpid():
            try:
                os.unlink(self.path)
            except OSError:
                pass
