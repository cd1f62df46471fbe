"""Finds where the records of Parsl's checkpoint file begin and end, without unpickling anything.

The file is one pickle after another, each of ``{"hash": str, "exception": None, "result": object}``. Since protocol 4
a pickle says in its frames how long it is, so that values are stepped over. What does not fit is damage; the next
record is then looked for by the bytes that every record begins with.
"""

from __future__ import annotations

import os
import pickletools
import re
from collections.abc import Iterator
from functools import lru_cache

#: Offset, length in bytes, and the key's 16 bytes; no key: these bytes are no usable record.
Found = tuple[int, int, bytes | None]

_PROTO, _FRAME, _STOP = 0x80, 0x95, 0x2E
_HEAD = re.compile(
    rb"\x80[\x04\x05](?:\x95(.{8}))?\}\x94?\(\x8c\x04hash\x94?\x8c ([0-9a-f]{32})\x94?"
    rb"\x8c\texception\x94?N\x8c\x06result\x94?",
    re.DOTALL,
)
# protocols 2 and 3 as well: Python's default until 3.7
_BEGIN = re.compile(rb"\x80[\x02-\x05](?:\x95.{8})?\}(?:\x94|q\x00)?\((?:\x8c\x04|X\x04\x00\x00\x00)hash", re.DOTALL)
_OLD_KEY = re.compile(rb"\((?:\x8c\x04|X\x04\x00\x00\x00)hash.{1,8}?([0-9a-f]{32})(?![0-9a-f])", re.DOTALL)
_IN_HEAD = b"\x04hash"
_HEAD_MAX = 128
_WINDOW = 1 << 20
# longer strings of bytes are looked into near their ends only: else every large value would have to be read
_BLOB = 64 * 1024


class Bytes:
    """A file's bytes by position, read in windows."""

    def __init__(self, file: int, size: int) -> None:
        self.size = size
        self._file = file
        self.base = 0
        self.window = b""

    def move(self, position: int, count: int = _WINDOW) -> None:
        """Let the window begin at `position`."""
        self.window = os.pread(self._file, max(count, _WINDOW), position)
        self.base = position

    def at(self, position: int, count: int) -> bytes:
        """Up to `count` bytes; fewer at the end of the file."""
        start = position - self.base
        if not (start >= 0 and start + count <= len(self.window)):
            if self.base + len(self.window) >= self.size and start >= 0:
                return self.window[start:]
            self.move(position, count)
            start = 0
        return self.window[start : start + count]


def scan(path: str | os.PathLike[str]) -> Iterator[Found]:
    """Find the records of a checkpoint file, in their order.

    `path`: the file. What is appended to it during the scan is not looked at.

    Raises OSError when the file cannot be read.

    Yields
    ------
    (offset, length, key)
        Of each record. Bytes that are none, a torn record or something else, come with None as key.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        data = Bytes(file, os.fstat(file).st_size)
        yield from _scan(data)
    finally:
        os.close(file)


def _scan(data: Bytes) -> Iterator[Found]:
    position, size = 0, data.size
    match, from_bytes, from_hex = _HEAD.match, int.from_bytes, bytes.fromhex
    while position < size:
        start = position - data.base
        if not 0 <= start <= len(data.window) - _HEAD_MAX and data.base + len(data.window) < size:
            data.move(position)
            start = 0
        head = match(data.window, start)
        end: int | None = None
        if head is not None:
            length, key = head.groups()
            if length is not None:
                end = position + 11 + from_bytes(length, "little")
                last = end - 1 - data.base
                # nearly always: one frame, in the window, with another record behind it and none in it
                if (
                    last + 1 >= len(data.window)
                    or data.window[last : last + 2] != b".\x80"
                    or data.window.find(_IN_HEAD, head.end(), last) >= 0
                ):
                    end = None
            if end is None:
                end = _checked_end(data, position, head.end() - start if length is None else 2)
            if end is not None:
                yield position, end - position, from_hex(key.decode())
        elif (end := _checked_end(data, position, 2)) is not None:
            old = _OLD_KEY.search(data.at(position, min(_HEAD_MAX, end - position)))
            yield position, end - position, from_hex(old[1].decode()) if old else None
        if end is None:
            end = _next_begin(data, position + 1)
            yield position, end - position, None
        position = end


def _end_after_frame(data: Bytes, end: int) -> int | None:
    """`end`, if a record can end there: a STOP before it, and after it nothing or another pickle."""
    if end > data.size:
        return None
    around = data.at(end - 1, 2)
    return end if around in (b".", b".\x80") else None


def _checked_end(data: Bytes, position: int, skip: int) -> int | None:
    """The end of the pickle at `position`, its first `skip` bytes being known; None when there is no whole one."""
    if data.at(position, 1) != b"\x80":
        return None
    found = _walk(data, position + skip) or _walk(data, position + skip, into_frames=True)
    if found is None:
        return None
    end, blobs = found
    starts, ends = [position + 1, *(stop for _, stop in blobs)], [*(start for start, _ in blobs), end]
    for start, stop in zip(starts, ends, strict=True):
        begin = _next_begin(data, start, stop)
        while begin < stop:
            # Either the value has a checkpoint file in it, or this record is torn and its lengths reach into records
            # after it. Those end where it seems to end.
            inner = _walk(data, begin + 2, into_frames=True)
            if inner is not None and inner[0] == end:
                return None
            begin = _next_begin(data, begin + 1, stop)
    return end


def _walk(data: Bytes, position: int, into_frames: bool = False) -> tuple[int, list[tuple[int, int]]] | None:
    """Step over opcodes to the end of a pickle; also, where in it there are long strings of bytes.

    The last part of such a string is left out. With `into_frames`, lengths of frames are not trusted, and the end may
    have anything behind it.
    """
    sizes = _argument_sizes()
    blobs: list[tuple[int, int]] = []
    size = data.size
    while position < size:
        code = data.at(position, 1)[0]
        if code == _FRAME and not into_frames:
            frame = data.at(position + 1, 8)
            position += 9 + int.from_bytes(frame, "little")
            if len(frame) < 8 or position > size:
                return None
            if _end_after_frame(data, position):
                return position, blobs
            continue
        kind = sizes[code]
        if kind is None:
            return None
        before = position
        position += 1
        if kind >= 0:
            position += kind
        elif code in b"ci":  # GLOBAL and INST: two lines
            position = _after_line(data, _after_line(data, position))
        elif kind == pickletools.UP_TO_NEWLINE:
            position = _after_line(data, position)
        else:
            width = _WIDTHS[kind]
            position += width + int.from_bytes(data.at(position, width), "little")
        if position > size:
            return None
        if position - before > 2 * _BLOB:
            blobs.append((before, position - _BLOB))
        if code == _STOP:
            whole = into_frames or position == size or data.at(position, 1) == b"\x80"
            return (position, blobs) if whole else None
    return None


_WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}


@lru_cache(maxsize=1)
def _argument_sizes() -> list[int | None]:
    """By opcode: bytes of its argument, or a negative number that says how its length is found, or None."""
    sizes: list[int | None] = [None] * 256
    for opcode in pickletools.opcodes:
        sizes[ord(opcode.code)] = opcode.arg.n if opcode.arg is not None else 0
    sizes[_PROTO] = None  # where it is not the first one, another pickle begins
    return sizes


def _after_line(data: Bytes, position: int) -> int:
    while chunk := data.at(position, 256):
        at = chunk.find(b"\n")
        if at >= 0:
            return position + at + 1
        position += len(chunk)
    return data.size + 1


def _next_begin(data: Bytes, position: int, end: int | None = None) -> int:
    """Where the next record seems to begin; the end of the file (or `end`) when there is none."""
    end = data.size if end is None else end
    while position < end:
        chunk = data.at(position, min(_WINDOW, end - position))
        found = _BEGIN.search(chunk)
        if found is not None:
            return position + found.start()
        if position + len(chunk) >= end or len(chunk) <= _HEAD_MAX:
            break
        position += len(chunk) - _HEAD_MAX  # one may begin in this window and go on in the next
    return end
