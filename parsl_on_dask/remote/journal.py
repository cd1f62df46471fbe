"""What a worker did last, in a file that outlives it.

A process that is killed takes the reports with it that it had not sent. A journal is a small file that is mapped
into memory: the number of the running call, and the last reports. Writing to it costs a microsecond, and the
operating system keeps it whatever happens to the process. Who finds the worker dead reads which call killed it, and
the results of calls that had ended, which then need not run again. It works where both can see the same file.

It also says what the running call is allowed: whoever keeps the workers reads that, and ends a worker whose call does
not keep to it.

Layout: the running call's number, its deadline, the seconds that this is from, the bytes that it may have, and the
number of a call that nobody wants any more; then two halves, each with its length and records of length and bytes. When
a half is full the other one begins anew.
"""

from __future__ import annotations

import mmap
import struct
import threading
from contextlib import suppress
from typing import NamedTuple

#: Bytes of each half.
HALF = 1 << 18

_HEAD = struct.Struct("<qddqq")
_LIMITS = struct.Struct("<dd")
_MEMORY = struct.Struct("<q")
#: Where the number of the call is that nobody wants.
_UNWANTED = _HEAD.size - 8
_NUMBER = struct.Struct("<q")
_LENGTH = struct.Struct("<I")


class Allowed(NamedTuple):
    """What a running call is allowed.

    `number`: of the call; 0 for none. `deadline`: when its worker is ended, by :func:`time.monotonic`, which all
    processes of a machine share; 0 for never. `seconds`: the walltime that this is from. `memory`: bytes that its
    process may have; 0 for no limit. `unwanted`: a call to be ended, if it runs.
    """

    number: int
    deadline: float
    seconds: float
    memory: int
    unwanted: int


class Journal:
    """A worker's journal, for writing.

    `path`: the file is made, or emptied.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = Journal(os.path.join(folder, "worker"))
    ...     journal.add(b"call 6 ended")
    ...     journal.running(7)
    ...     read(os.path.join(folder, "worker"))
    (7, [b'call 6 ended'])
    """

    def __init__(self, path: str) -> None:
        with open(path, "wb") as file:
            file.truncate(_HEAD.size + 2 * (_NUMBER.size + HALF))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._half = 0
        self._used = 0
        self.limit = (0.0, 0.0)
        self.memory = 0
        #: the thread that runs the calls
        self.thread = 0

    def running(self, number: int) -> None:
        """Note which call runs now, in this thread; 0 for none."""
        self.thread = threading.get_ident()
        _NUMBER.pack_into(self._map, 0, number)

    def limit_time(self, deadline: float, seconds: float) -> tuple[float, float]:
        """Note until when the running call may run, and its walltime; returns what was noted before."""
        before, self.limit = self.limit, (deadline, seconds)
        _LIMITS.pack_into(self._map, _NUMBER.size, deadline, seconds)
        return before

    def limit_memory(self, size: int) -> int:
        """Note how many bytes the process may have; returns what was noted before."""
        before, self.memory = self.memory, size
        _MEMORY.pack_into(self._map, _NUMBER.size + _LIMITS.size, size)
        return before

    def end(self, number: int) -> None:
        """Have a call ended, with this process, if it runs."""
        _NUMBER.pack_into(self._map, _UNWANTED, number)

    def add(self, record: bytes) -> None:
        """Note a report. One that is too large is left out."""
        size = _LENGTH.size + len(record)
        if size > HALF:
            return
        if self._used + size > HALF:
            self._half, self._used = 1 - self._half, 0
            _NUMBER.pack_into(self._map, self._start(), 0)
        at = self._start() + _NUMBER.size + self._used
        _LENGTH.pack_into(self._map, at, len(record))
        self._map[at + _LENGTH.size : at + size] = record
        self._used += size
        # last, so that a kill in the middle leaves a shorter journal, not a torn one
        _NUMBER.pack_into(self._map, self._start(), self._used)

    def _start(self) -> int:
        return _HEAD.size + self._half * (_NUMBER.size + HALF)


def path_of(folder: str, worker: str) -> str:
    """Path of a worker's journal in a folder.

    >>> path_of("/tmp/scratch", "htex-block0-1")
    '/tmp/scratch/htex-block0-1.journal'
    """
    return f"{folder}/{worker}.journal"


def end_call(path: str, number: int) -> None:
    """Have a call ended, if it runs, by the journal of its worker. Raises OSError when there is none."""
    with open(path, "r+b") as file:
        file.seek(_UNWANTED)
        file.write(_NUMBER.pack(number))


def read(path: str) -> tuple[int, list[bytes]] | None:
    """The running call and the last reports of a worker; None when there is no journal."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        number = _NUMBER.unpack_from(data, 0)[0]
        records = []
        for half in (0, 1):
            start = _HEAD.size + half * (_NUMBER.size + HALF)
            at, end = start + _NUMBER.size, start + _NUMBER.size + _NUMBER.unpack_from(data, start)[0]
            while at < end:
                length = _LENGTH.unpack_from(data, at)[0]
                records.append(data[at + _LENGTH.size : at + _LENGTH.size + length])
                at += _LENGTH.size + length
    except (OSError, struct.error):
        return None
    return number, records


class Reader:
    """Looks at a journal again and again, from another process of its machine.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = Journal(os.path.join(folder, "worker"))
    ...     journal.running(7)
    ...     before = journal.limit_time(1000.5, 3.0)
    ...     Reader(os.path.join(folder, "worker")).allowed()
    Allowed(number=7, deadline=1000.5, seconds=3.0, memory=0, unwanted=0)
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._map: mmap.mmap | None = None

    def allowed(self) -> Allowed:
        """What the running call is allowed; nothing runs where there is no journal yet."""
        if self._map is None:
            with suppress(OSError, ValueError), open(self.path, "rb") as file:  # it is still empty, or not there
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._map is None or len(self._map) < _HEAD.size:
            return Allowed(0, 0.0, 0.0, 0, 0)
        return Allowed(*_HEAD.unpack_from(self._map, 0))


#: The journal of this process; None where nobody would read it.
kept: Journal | None = None


def keep(journal: Journal | None) -> None:
    """Note from now on, where a kill of this process cannot erase it, which call runs and what the last ones gave."""
    global kept
    kept = journal
