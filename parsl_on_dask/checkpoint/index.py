"""Finds the record of each key: sorted rows of a fixed size, in memory and in files beside segments.

A row is the key (16 bytes) and a place (8 bytes, big-endian): the segment's number in the upper 24 bits, a bit that
says "removed", and the offset in the segment in the lower 39. In a file the number is 0.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from zlib import crc32

from parsl_on_dask.remote import sidefiles

KEY_BYTES = 16
OFFSET_BYTES = 8
ROW = KEY_BYTES + OFFSET_BYTES
TOMBSTONE = 1 << 39
OFFSET_MASK = TOMBSTONE - 1
SEGMENT_SHIFT = 40
PLACE_IN_SEGMENT = (1 << SEGMENT_SHIFT) - 1

ENDING = ".idx"
#: Segments with fewer records get no index file: to read them is as quick.
WORTH_A_FILE = 1000

MAGIC = b"parsl_on_dask idx 1\n"
_HEADER = struct.Struct("<20s8sQQQI")


class Table:
    """Rows in memory, sorted, one for each key.

    `rows`: what :func:`settle` has made.

    Examples
    --------
    >>> row = bytes(15) + b"k" + (77).to_bytes(8, "big")
    >>> table = Table(row)
    >>> table.find(bytes(15) + b"k"), table.find(bytes(16)), len(table)
    (77, None, 1)
    """

    __slots__ = ("_beginnings", "_count", "_rows")

    def __init__(self, rows: bytes = b"") -> None:
        self._rows = rows
        self._count = len(rows) // ROW
        self._beginnings: array[int] | None = None

    def find(self, key: bytes) -> int | None:
        """The place of a key's record."""
        beginnings = self._beginnings
        if beginnings is None:
            beginnings = self._beginnings = _beginnings(self._rows)
        wanted = int.from_bytes(key[:8], "big")
        number = bisect_left(beginnings, wanted)
        if number == self._count or beginnings[number] != wanted:
            return None
        rows = self._rows
        if rows[number * ROW : number * ROW + KEY_BYTES] != key:
            # keys are digests: no two begin with the same eight bytes, unless somebody made them up
            last = bisect_right(beginnings, wanted, number)
            number = bisect_left(range(last), key, number, key=lambda n: rows[n * ROW : n * ROW + KEY_BYTES])
            if rows[number * ROW : number * ROW + KEY_BYTES] != key:
                return None
        return int.from_bytes(rows[number * ROW + KEY_BYTES : number * ROW + ROW], "big")

    def __len__(self) -> int:
        return self._count

    def places(self) -> Iterator[int]:
        """All places, in the order of the keys."""
        rows = self._rows
        return (int.from_bytes(rows[at + KEY_BYTES : at + ROW], "big") for at in range(0, len(rows), ROW))

    def items(self) -> Iterator[tuple[bytes, int]]:
        """All keys with their places, in the order of the keys."""
        rows = self._rows
        for at, place in zip(range(0, len(rows), ROW), self.places(), strict=True):
            yield rows[at : at + KEY_BYTES], place


def _beginnings(rows: bytes) -> array[int]:
    """The first eight bytes of each key, as numbers, which are compared without making objects of them."""
    words = array("Q", rows)
    if sys.byteorder == "little":
        words.byteswap()
    return words[:: ROW // 8]


def has_removed(rows: bytes) -> bool:
    """Whether any of the rows says that its key is removed."""
    return max(rows[19::ROW], default=0) >= 0x80


def _has_numbers(rows: bytes) -> bool:
    """Whether any of the rows says which segment it is of. Those of a file do not, or it is no index of ours."""
    return any(max(rows[at::ROW], default=0) for at in range(KEY_BYTES, KEY_BYTES + 3))


def split(rows: bytes, segment: int = 0) -> list[bytes]:
    """Rows one by one, as rows of a segment with this number."""
    if segment == 0:
        return [rows[at : at + ROW] for at in range(0, len(rows), ROW)]
    number = segment.to_bytes(3, "big")
    return [rows[at : at + 16] + number + rows[at + 19 : at + 24] for at in range(0, len(rows), ROW)]


def settle(rows: list[bytes], keep_removed: bool = False) -> bytes:
    """Sort rows and leave the last one of each key; the list is used up.

    - `rows`: of segments whose numbers say which is later.
    - `keep_removed`: whether the rows stay that say that a key is removed.
    """
    rows.sort()
    # the bit for "removed" sorts above all offsets, so within one segment the order of the file has to decide
    last: list[bytes] = []
    previous = b""
    for row in rows:
        key = row[:KEY_BYTES]
        if key == previous:
            if not _is_before(row, last[-1]):
                last[-1] = row
        else:
            last.append(row)
            previous = key
    rows.clear()
    if not keep_removed:
        last = [row for row in last if not row[19] & 0x80]
    return b"".join(last)


def _is_before(row: bytes, other: bytes) -> bool:
    mask = ~TOMBSTONE
    return int.from_bytes(row[KEY_BYTES:], "big") & mask < int.from_bytes(other[KEY_BYTES:], "big") & mask


def file_of(segment_path: str) -> str:
    """Path of the index of a segment."""
    return os.path.splitext(segment_path)[0] + ENDING


def write_file(segment_path: str, mark: bytes, end: int, body: bytes, damaged: int = 0) -> None:
    """Write the index of a segment, or of its beginning.

    - `mark`: the segment's.
    - `end`: bytes of the segment that the index is about.
    - `body`: the rows, settled with ``keep_removed``.
    - `damaged`: records that had to be skipped.

    Raises OSError when it cannot be written; nothing is left of it.
    """
    head = _HEADER.pack(MAGIC, mark, end, len(body) // ROW, damaged, crc32(body))
    with sidefiles.replacing_file(file_of(segment_path)) as file:
        file.write(head + crc32(head).to_bytes(4, "little"))
        file.write(body)


def read_file(segment_path: str, mark: bytes, size: int) -> tuple[bytes, int, int] | None:
    """The index of a segment.

    - `mark`: the segment's. The index of another file that had the same name has another.
    - `size`: bytes of the segment now.

    Returns the rows, sorted; up to where in the segment they reach; how many records had to be skipped. None when there
    is no index, or one that is damaged or not this segment's.
    """
    path = file_of(segment_path)
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):  # opening a pipe would wait for somebody to write
            return None
        with open(path, "rb") as file:
            head = file.read(_HEADER.size + 4)
            if len(head) < _HEADER.size + 4 or crc32(head[:-4]).to_bytes(4, "little") != head[-4:]:
                return None
            magic, its_mark, end, count, damaged, crc = _HEADER.unpack_from(head)
            if magic != MAGIC or its_mark != mark or end > size:
                return None
            if count * ROW != about.st_size - len(head):  # before so much is read
                return None
            rows = file.read(count * ROW)
    except OSError:
        return None
    if len(rows) != count * ROW or crc32(rows) != crc or _has_numbers(rows):
        return None
    return rows, end, damaged
