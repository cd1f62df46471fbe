"""Writes the results of a store: to segments of this process, and from there onto the disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

from parsl_on_dask.checkpoint import frames, index
from parsl_on_dask.checkpoint.entry import logger, warn
from parsl_on_dask.checkpoint.segment_writer import SegmentWriter
from parsl_on_dask.checkpoint.segments import Segment
from parsl_on_dask.checkpoint.syncing import Syncer
from parsl_on_dask.remote import children

#: A segment that has grown to this many bytes is finished, and another one begun.
SEGMENT_LIMIT = 1 << 36

#: Copies of records of other segments are written when there are so many of them, or so many bytes.
COPIES = 256
COPIES_BYTES = 65536

#: A segment to be indexed: itself, its end, its rows, its damaged records.
Unindexed = tuple[Segment, int, bytes, int]


class Appender:
    """Appends records for a store, from any thread, also after a fork.

    - `directory`: the checkpoint directory.
    - `sync`: whether :meth:`append` returns only when the record is on disk.
    - `segments`: where new segments are added; a segment's number is its place in the list.
    - `unindexed`: segments of others that have no index; they get one when this directory is first written to.

    - `places`: key to place of what has been appended.
    """

    def __init__(self, directory: str, sync: bool, segments: list[Segment], unindexed: list[Unindexed]) -> None:
        self.directory = directory
        self.places: dict[bytes, int] = {}
        self._sync = sync
        self._segments = segments
        self._unindexed = unindexed
        self._lock = threading.Lock()
        self._writer: SegmentWriter | None = None
        self._number = 0
        self._copies: dict[bytes, bytes] = {}
        self._copies_bytes = 0
        self._syncer: Syncer | None = None
        self._process = children.process
        self._made = False
        self._closed = False

    def append(
        self,
        key: bytes,
        kind: int,
        app: str = "",
        identity: str = "",
        parts: Sequence[Sequence[str]] = (),
        written: float | None = None,
        value: bytes = b"",
        side: str = "",
        size: int = 0,
        value_crc: int = 0,
    ) -> None:
        """Write a record; the arguments are those of :func:`~parsl_on_dask.checkpoint.frames.pack`.

        Raises OSError when it cannot be written, or, with ``sync``, not be put on disk.
        """
        if self._process != children.process:
            self._after_fork()
        if written is None:
            written = time.time()
        with self._lock:
            writer = self._open_writer()
            at = writer.append(
                frames.pack(writer.mark, key, kind, written, app, identity, parts, value, side, size, value_crc)
            )
            end = writer.end
            place = self._number << index.SEGMENT_SHIFT | at
            self.places[key] = place | index.TOMBSTONE if kind == frames.REMOVED else place
        if not self._sync:
            self._wake()
            return
        try:
            writer.sync(end)
        except OSError:
            self._give_up(writer)
            raise

    def copy(self, frame: bytes) -> None:
        """Write a record that another segment has, soon: together with others, and within a second in any case.

        Nothing is lost when this process ends before: the other segment is still there.

        `frame`: the whole record, as it is there.

        Raises OSError when what has gathered cannot be written; none of it is then.
        """
        if self._process != children.process:
            self._after_fork()
        key = frames.key_of(frame)
        with self._lock:
            if key not in self._copies:
                self._copies[key] = frame
                self._copies_bytes += len(frame)
                if len(self._copies) >= COPIES or self._copies_bytes >= COPIES_BYTES:
                    self._write_copies()
        self._wake()

    def has(self, key: bytes) -> bool:
        """Whether a record of a key has been, or will be, written by this."""
        return key in self.places or key in self._copies

    def _write_copies(self) -> None:
        # the lock is held
        copies, self._copies, self._copies_bytes = self._copies, {}, 0
        if not copies:
            return
        writer = self._open_writer()
        found = [frames.with_mark(frame, writer.mark) for frame in copies.values()]
        place = self._number << index.SEGMENT_SHIFT | writer.append(b"".join(found))
        for key, frame in zip(copies, found, strict=True):
            self.places[key] = place
            place += len(frame)

    def _wake(self) -> None:
        syncer = self._syncer or self._start_syncer()
        if syncer is not None:
            syncer.wake()

    def make_directory(self) -> None:
        """Make the directory, once."""
        # once: a directory that vanishes later was taken away by somebody, or its disk was
        if not self._made:
            os.makedirs(self.directory, 0o700, exist_ok=True)
            self._made = True

    def _open_writer(self) -> SegmentWriter:
        # the lock is held
        writer = self._writer
        return self._next_writer() if writer is None or writer.end > SEGMENT_LIMIT else writer

    def _next_writer(self) -> SegmentWriter:
        if self._closed:
            raise ValueError(f"The store on {self.directory} is closed: open another one to put results")
        if self._writer is not None:
            self._finish(self._writer, self._number)
            self._writer = None
        self.make_directory()
        try:
            writer = SegmentWriter(self.directory)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"Checkpoint directory {self.directory} has vanished while it was in use: results are not recorded. "
                "Restore it, or start another run"
            ) from error
        self._number = len(self._segments)
        segment = Segment(self.directory, writer.name)
        segment.mark = writer.mark
        self._segments.append(segment)
        self._writer = writer
        return writer

    def _after_fork(self) -> None:
        # the segment is the parent's; its lock and its thread are as they happened to be
        self._process = children.process
        self._lock = threading.Lock()
        self._writer = None
        self._syncer = None
        self._copies, self._copies_bytes = {}, 0

    def _start_syncer(self) -> Syncer | None:
        with self._lock:
            if self._syncer is None and not self._closed:
                self._syncer = Syncer(self._sync_quietly)
            return self._syncer

    def flush(self) -> None:
        """Return when everything that was appended is on disk.

        Raises OSError when it cannot be, or when the file was deleted.
        """
        if self._process != children.process:
            return
        if self._copies:
            with self._lock:
                self._write_copies()
        writer = self._writer
        if writer is None:
            return
        try:
            writer.sync(writer.end)
        except OSError:
            self._give_up(writer)
            raise

    def _sync_quietly(self) -> None:
        try:
            self.flush()
        except OSError as error:
            warn(f"Results are not safe on disk: {error}")
        self._write_indexes()

    def _give_up(self, writer: SegmentWriter) -> None:
        # after a failure fsync may report success without having written, so this file is not trusted again
        with self._lock:
            if self._writer is writer:
                self._writer = None
        writer.close()

    def _write_indexes(self) -> None:
        # of segments whose writers did not come to it; done here since now the directory is known to be writable
        waiting, self._unindexed = self._unindexed, []
        for segment, end, rows, damaged in waiting:
            if segment.directory == self.directory and segment.mark is not None:
                try:
                    index.write_file(segment.path, segment.mark, end, rows, damaged)
                except OSError as error:
                    logger.debug("No index for %s: %s", segment.path, error)

    def _finish(self, writer: SegmentWriter, number: int) -> None:
        try:
            writer.append(frames.pack(writer.mark, frames.NO_KEY, frames.END, time.time()))
            writer.sync(writer.end)
            rows = [
                key + (place & index.PLACE_IN_SEGMENT).to_bytes(index.OFFSET_BYTES, "big")
                for key, place in self.places.items()
                if place >> index.SEGMENT_SHIFT == number
            ]
            if len(rows) >= index.WORTH_A_FILE:
                rows_settled = index.settle(rows, keep_removed=True)
                index.write_file(writer.path, writer.mark, writer.end, rows_settled)
        except OSError as error:
            warn(f"Results may not be safe on disk: {writer.path}: {error}")
        finally:
            writer.close()

    def close(self) -> None:
        """Have everything put on disk, and let go of the file; what fails is a warning."""
        if self._process != children.process:
            self._after_fork()
        with self._lock:
            if self._closed:
                return
            try:
                self._write_copies()
            except OSError as error:
                warn(f"Results that were taken from elsewhere cannot be copied to {self.directory}: {error}")
            self._closed = True
            syncer, self._syncer = self._syncer, None
        if syncer is not None:
            syncer.stop()
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is None:
                return
            if writer.end:
                self._finish(writer, self._number)
                self._write_indexes()
            else:
                writer.close()
