"""Reading segments: single frames, and all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from zlib import crc32

from parsl_on_dask.checkpoint import frames
from parsl_on_dask.checkpoint.index import OFFSET_BYTES, TOMBSTONE

ENDING = ".seg"
#: Bytes that a scan reads at a time.
CHUNK = 1 << 22
#: Bytes of a frame that are read to learn what is in it; more are read for longer texts.
GLANCE = 512


def segment_names(directory: str) -> list[str]:
    """The segments in a directory, oldest first; none when there is no directory.

    Raises OSError when the directory cannot be read, or is a file.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        raise NotADirectoryError(
            f"{directory} is not a directory: give the directory in which checkpoints are, not a file"
        ) from error
    return sorted(name for name in names if name.endswith(ENDING))


class _Opened:
    """A file descriptor that is closed when nobody holds this any more: neither a segment nor a thread that reads."""

    __slots__ = ("fd",)

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # without one when the file could not be opened
        fd = getattr(self, "fd", None)
        if fd is not None:
            close(fd)


class Segment:
    """A segment, for reading; any number of threads may.

    Nothing is mapped into memory: a file that is cut off or goes stale on a network file system would then end the
    process instead of raising an error.

    - `directory`: the checkpoint directory.
    - `name`: of the file in it.
    - `keep_open`: whether the file stays open between readings.
    """

    __slots__ = ("_opened", "directory", "keep_open", "mark", "name")

    def __init__(self, directory: str, name: str, keep_open: bool = True) -> None:
        self.directory = directory
        self.name = name
        self.keep_open = keep_open
        self.mark: bytes | None = None
        self._opened: _Opened | None = None

    @property
    def path(self) -> str:
        """Of the file."""
        return os.path.join(self.directory, self.name)

    def read(self, at: int, size: int) -> bytes:
        """Up to ``size`` bytes from an offset.

        Raises OSError when the file cannot be read or is there no longer.
        """
        opened = self._opened
        if opened is None:
            opened = _Opened(self.path)
            if self.keep_open:
                self._opened = opened
        if size > CHUNK:  # a damaged frame may say any length, and memory is taken before anything is read
            size = min(size, max(0, os.fstat(opened.fd).st_size - at))
        return os.pread(opened.fd, size, at)

    def _glance(self, at: int) -> bytes | None:
        """The beginning of the frame at an offset; None when there is none."""
        data = self.read(at, GLANCE)
        # another mark: the file has been compacted meanwhile, and its offsets are others
        return data if len(data) >= frames.HEAD_SIZE and data.startswith(self.mark or frames.MARK) else None

    def head(self, at: int) -> tuple[frames.Head, bytes] | None:
        """The head of the frame at an offset, and bytes that hold all its texts; None when there is no frame."""
        data = self._glance(at)
        if data is None:
            return None
        head = frames.read_head(data)
        wanted = frames.HEAD_SIZE + head.texts_size
        if wanted > head.frame_size:
            return None
        if wanted > len(data):
            data = self.read(at, wanted)
            if len(data) < wanted:
                return None
        return head, data

    def frame(self, at: int) -> bytes | None:
        """The whole frame at an offset; None when there is none, or a damaged one."""
        found = self.whole(at)
        return None if found is None else found[1]

    def whole(self, at: int) -> tuple[frames.Head, bytes] | None:
        """As :meth:`frame`, with the frame's head."""
        data = self._glance(at)
        if data is None:
            return None
        head = frames.read_head(data)
        size = head.frame_size
        if size > len(data):
            data = self.read(at, size)
        data = data[:size]
        return (head, data) if frames.intact(data, head) else None

    def size(self) -> int:
        """Bytes of the file."""
        return os.stat(self.path).st_size

    def close(self) -> None:
        """Close the file; a later reading opens it for as long as it takes."""
        self.keep_open = False
        self._opened = None


class Scan:
    """All frames of a segment, or those from an offset on. What is damaged is skipped and counted.

    - `rows`: a row of an index for each record, in the order of the file.
    - `end`: where the last whole record ends. What follows may be torn, or may be being written just now.
    - `damaged`: records that were skipped.
    - `damaged_before_end`: those of them that a later scan, from ``end`` on, does not meet again.
    - `newer`: the file is of another version of the format and has not been read.
    """

    def __init__(self, segment: Segment, start: int = 0) -> None:
        self.rows: list[bytes] = []
        self.damaged = self.damaged_before_end = 0
        self.newer = False
        self._segment = segment
        self._size = segment.size()
        self.end = start
        if self._size == 0:
            return
        begin = segment.read(0, frames.HEADER_SIZE)
        mark = frames.read_header(begin)
        if mark is None:
            self.newer = frames.other_version(begin)
            if self.newer:
                return
            self.damaged += 1
            mark = self._first_mark()
        if mark is not None:
            segment.mark = mark
            self._walk(mark, max(start, frames.HEADER_SIZE))

    def _first_mark(self) -> bytes | None:
        # the header is damaged: any frame has the mark, too
        at = 0
        while at < self._size:
            data = self._segment.read(at, CHUNK)
            if not data:
                return None
            found = data.find(frames.MARK, 1 if at == 0 else 0)
            while found >= 0:
                mark = data[found : found + frames.MARK_SIZE]
                if len(mark) == frames.MARK_SIZE and self._segment.frame(at + found) is not None:
                    return mark
                found = data.find(frames.MARK, found + 1)
            at += max(1, len(data) - frames.MARK_SIZE)
            if len(data) <= frames.MARK_SIZE:
                return None
        return None

    def _walk(self, mark: bytes, start: int) -> None:
        unpack, head_size, first = frames.CRC_AND_LENGTH.unpack_from, frames.HEAD_SIZE, crc32(mark)
        base, at, data = start, 0, b""
        lost = False
        while True:
            if len(data) - at < head_size:
                data, base, at = self._more(data, base, at, head_size)
                if len(data) < head_size:
                    self.damaged += bool(data) and not lost
                    return
            if data.startswith(mark, at):
                crc, length = unpack(data, at + 8)
                size = 16 + length
                if len(data) - at < size and base + at + size <= self._size:
                    data, base, at = self._more(data, base, at, size)
                end = at + size
                if head_size <= size <= len(data) - at and crc32(data[at + 12 : end], first) == crc:
                    kind = data[at + 52]
                    if kind <= frames.REMOVED:
                        place = base + at | TOMBSTONE if kind == frames.REMOVED else base + at
                        self.rows.append(data[at + 16 : at + 32] + place.to_bytes(OFFSET_BYTES, "big"))
                    at, lost = end, False
                    self.end = base + end
                    self.damaged_before_end = self.damaged
                    continue
                self.damaged += 1
            elif not lost:
                self.damaged += 1
            lost = True
            found = data.find(mark, at + 1)
            while found < 0:
                # the mark may begin in the last bytes
                at = max(at + 1, len(data) - frames.MARK_SIZE + 1)
                data, base, at = self._more(data, base, at, head_size)
                if len(data) < head_size:
                    return
                found = data.find(mark)
            at = found

    def _more(self, data: bytes, base: int, at: int, need: int) -> tuple[bytes, int, int]:
        have = data[at:]
        return have + self._segment.read(base + at + len(have), max(CHUNK, need - len(have))), base + at, 0
