"""One record of a segment as bytes: the frame. ``docs/reference/checkpoint-format.md`` has the layout, byte by byte."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple
from zlib import crc32

#: First bytes of every segment; a change of the layout changes the number.
MAGIC = b"parsl_on_dask seg 1\n"
#: What the marks of all segments begin with; four random bytes follow, the same in the whole segment.
MARK = b"\xf7\x1aPd"
MARK_SIZE = 8
HEADER_SIZE = 32
#: Bytes of a frame before its first text.
HEAD_SIZE = 64

#: The value is in the frame.
INLINE = 0
#: The value is in a file of its own.
SIDE = 1
#: What earlier segments of the directory have under this key is removed.
REMOVED = 2
#: The writer has finished the segment.
END = 3

_HEAD = struct.Struct("<8sII16sdQIBBHHHI")
_TO_CHECK = struct.Struct("<I16sdQIBBHHHI")
#: At byte 8 of a frame.
CRC_AND_LENGTH = struct.Struct("<II")
_CHECKED_FROM = 12
_LENGTH_COUNTS_FROM = 16

NO_KEY = bytes(16)


class Head(NamedTuple):
    """The fixed part of a frame."""

    mark: bytes
    crc: int
    length: int
    key: bytes
    written: float
    size: int
    value_crc: int
    kind: int
    spare: int
    app_size: int
    identity_size: int
    side_size: int
    parts_size: int

    @property
    def texts_size(self) -> int:
        """Bytes between the head and the value."""
        return self.app_size + self.identity_size + self.side_size + self.parts_size

    @property
    def frame_size(self) -> int:
        """Bytes of the whole frame."""
        return _LENGTH_COUNTS_FROM + self.length


class Texts(NamedTuple):
    """The texts of a frame."""

    app: str
    identity: str
    side: str
    parts: tuple[tuple[str, ...], ...]


def new_mark() -> bytes:
    """A mark for a new segment."""
    return MARK + os.urandom(MARK_SIZE - len(MARK))


def pack_header(mark: bytes) -> bytes:
    """The header of a segment."""
    return MAGIC + mark + crc32(MAGIC + mark).to_bytes(4, "little")


def read_header(data: bytes) -> bytes | None:
    """The mark of the segment that begins with these bytes; None when they are no whole header of this format."""
    if len(data) < HEADER_SIZE or crc32(data[:28]).to_bytes(4, "little") != data[28:HEADER_SIZE]:
        return None
    return data[len(MAGIC) : 28] if data.startswith(MAGIC) else None


def other_version(data: bytes) -> bool:
    """Whether these bytes are the undamaged header of another version of the format."""
    name = MAGIC[: MAGIC.index(b"1\n")]
    whole = len(data) >= HEADER_SIZE and crc32(data[:28]).to_bytes(4, "little") == data[28:HEADER_SIZE]
    return whole and data.startswith(name) and not data.startswith(MAGIC)


def pack(
    mark: bytes,
    key: bytes,
    kind: int,
    written: float,
    app: str = "",
    identity: str = "",
    parts: Sequence[Sequence[str]] = (),
    value: bytes = b"",
    side: str = "",
    size: int = 0,
    value_crc: int = 0,
) -> bytes:
    """A frame.

    - `mark`, `key`: 8 and 16 bytes.
    - `kind`: INLINE, SIDE, REMOVED or END.
    - `written`: seconds since 1970.
    - `app`, `identity`, `parts`: what :class:`~parsl_on_dask.checkpoint.entry.Entry` says about the call.
    - `value`: the pickled value, when it is in the frame.
    - `side`, `size`, `value_crc`: name, size in bytes and CRC-32 of the file that has the value, when it is not.

    Examples
    --------
    >>> frame = pack(new_mark(), NO_KEY, INLINE, 0.0, app="fib", value=b"...")
    >>> head = read_head(frame)
    >>> head.app_size, head.size, head.frame_size == len(frame), intact(frame)
    (3, 3, True, True)
    """
    app_bytes, identity_bytes = _short(app), _short(identity)
    side_bytes, parts_bytes = side.encode() if side else b"", pack_parts(parts)
    texts = app_bytes + identity_bytes + side_bytes + parts_bytes
    rest = _TO_CHECK.pack(
        HEAD_SIZE - _LENGTH_COUNTS_FROM + len(texts) + len(value),
        key,
        written,
        len(value) if kind == INLINE else size,
        value_crc,
        kind,
        0,
        len(app_bytes),
        len(identity_bytes),
        len(side_bytes),
        len(parts_bytes),
    )
    rest += texts + value
    return mark + crc32(rest, crc32(mark)).to_bytes(4, "little") + rest


@lru_cache  # there are few apps and many records
def _short(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return data if len(data) <= 0xFFFF else data[:0xFFFF]


def read_head(data: bytes, at: int = 0) -> Head:
    """The fixed part of the frame that begins at ``at``; nothing is checked.

    Raises struct.error when there are not enough bytes.
    """
    return Head._make(_HEAD.unpack_from(data, at))


def key_of(frame: bytes) -> bytes:
    """The key in a frame."""
    return frame[_LENGTH_COUNTS_FROM : _LENGTH_COUNTS_FROM + len(NO_KEY)]


def read_texts(data: bytes, head: Head, at: int = 0) -> Texts:
    """The texts of the frame that begins at ``at`` and has this head."""
    app = at + HEAD_SIZE
    identity = app + head.app_size
    side = identity + head.identity_size
    parts = side + head.side_size
    return Texts(
        str(data[app:identity], "utf-8", "replace"),
        str(data[identity:side], "utf-8", "replace"),
        str(data[side:parts], "utf-8", "replace") if head.side_size else "",
        unpack_parts(data[parts : parts + head.parts_size]),
    )


def with_mark(frame: bytes, mark: bytes) -> bytes:
    """A frame of one segment as a frame of another."""
    rest = frame[_CHECKED_FROM:]
    return mark + crc32(rest, crc32(mark)).to_bytes(4, "little") + rest


def intact(frame: bytes, head: Head | None = None) -> bool:
    """Whether these bytes are one whole, undamaged frame; its head need not be read again when it is given."""
    if len(frame) < HEAD_SIZE:
        return False
    crc, length = CRC_AND_LENGTH.unpack_from(frame, MARK_SIZE) if head is None else (head.crc, head.length)
    if len(frame) != _LENGTH_COUNTS_FROM + length:
        return False
    return bool(crc32(frame[_CHECKED_FROM:], crc32(frame[:MARK_SIZE])) == crc)


_BETWEEN = "\x1f"
_SPARE_BETWEEN = "\u241f"


def pack_parts(parts: Sequence[Sequence[str]]) -> bytes:
    """The parts of a key as text, which unlike a pickle runs nothing when it is read.

    Examples
    --------
    >>> parts = [("argument 0", "0123456789ab", "17"), ("seed", "ba9876543210", "'a\\x1fb'")]
    >>> unpack_parts(pack_parts(parts))
    (('argument 0', '0123456789ab', '17'), ('seed', 'ba9876543210', "'a␟b'"))
    """
    if not parts:
        return b""
    texts = list(chain.from_iterable(parts))
    joined = _BETWEEN.join(texts)
    if joined.count(_BETWEEN) != len(texts) - 1:
        joined = _BETWEEN.join(text.replace(_BETWEEN, _SPARE_BETWEEN) for text in texts)
    try:
        return joined.encode()
    except UnicodeEncodeError:
        return joined.encode("utf-8", "surrogatepass")


def unpack_parts(data: bytes) -> tuple[tuple[str, ...], ...]:
    """The parts that :func:`pack_parts` has packed."""
    if not data:
        return ()
    texts = iter(str(data, "utf-8", "replace").split(_BETWEEN))
    return tuple(zip(texts, texts, texts))  # noqa: B905 (one iterator thrice: what strict checks cannot differ)
