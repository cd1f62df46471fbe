"""What a worker did last, in a file that outlives it.

A process that is killed takes the reports with it that it had not sent. A journal is a small file that is mapped
into memory: the number of the running call, and the last reports. Writing to it costs a microsecond, and the
operating system keeps it whatever happens to the process. Who finds the worker dead reads which call killed it, and
the results of calls that had ended, which then need not run again. It works where both can see the same file.

Layout: the running call's number, the half in use, then two halves, each with its length and records of length and
bytes. When a half is full the other one begins anew.
"""

from __future__ import annotations

import mmap
import struct

#: Bytes of each half.
HALF = 1 << 18

_HEAD = struct.Struct("<qq")
_NUMBER = struct.Struct("<q")
_LENGTH = struct.Struct("<I")


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

    def running(self, number: int) -> None:
        """Note which call runs now; 0 for none."""
        _NUMBER.pack_into(self._map, 0, number)

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
