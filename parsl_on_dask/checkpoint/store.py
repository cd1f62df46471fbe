"""The results of a checkpoint directory: find, load, put, remove."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from parsl_on_dask.checkpoint import frames, index
from parsl_on_dask.checkpoint.appending import Appender
from parsl_on_dask.checkpoint.entry import DamagedEntry, Entry, logger
from parsl_on_dask.checkpoint.opening import Opened, open_directories
from parsl_on_dask.remote import sidefiles
from parsl_on_dask.remote.packing import dumps, loads

__all__ = ["DamagedEntry", "Entry", "Store"]

#: Larger values do not go into a segment, whatever ``side_limit`` says: a frame's length has 32 bits.
LARGEST_INLINE = 1 << 30


class Store:
    """The recorded results of one or more checkpoint directories, and a place to record more.

    Any number of processes, on any number of hosts, may have one on the same directory at the same time. Each writes
    a file of its own, and there are no locks. A store sees what was there when it was opened, and what it puts itself.
    Threads may share one.

    Parameters
    ----------
    directory : str
        Where results are put. It is made, with permissions for its owner only, when the first one is.
    read : sequence of str, default ()
        More directories with results. ``directory`` has precedence, then the last one in the list.
    side_limit : int, default 65536
        Values that take more bytes than this when pickled go into files of their own.
    sync : bool, default False
        True: :meth:`put` returns when the result is on disk. False: when the operating system has it, so that the end
        of this process cannot harm it, and it is on disk within :data:`~parsl_on_dask.checkpoint.syncing.WITHIN`
        seconds.

    read_own : bool, default True
        Whether what is in ``directory`` already is found, too.

    Attributes
    ----------
    damaged : int
        Records that were skipped because they are damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Store(folder) as store:
    ...         store.put("0" * 31 + "1", {"answer": 42}, app="think")
    ...     with Store(folder) as store:
    ...         entry = store.find("0" * 31 + "1")
    ...         (entry.app, store.load(entry), len(store))
    ('think', {'answer': 42}, 1)
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        read: Sequence[str | os.PathLike[str]] = (),
        side_limit: int = 65536,
        sync: bool = False,
        read_own: bool = True,
    ) -> None:
        self.directory = os.path.abspath(directory)
        self.side_limit = side_limit
        self.sync = sync
        others = dict.fromkeys(os.path.abspath(other) for other in read)
        others.pop(self.directory, None)
        places = [*others, self.directory] if read_own else [*others]
        found: Opened = open_directories(places)
        self.damaged = found.damaged
        self._table = found.table
        self._segments = found.segments
        self._appender = Appender(self.directory, sync, self._segments, found.unindexed)
        self._append = self._appender.append
        self._copy = self._appender.copy
        self._mine = self._appender.places

    # -- reading

    def find(self, key: str) -> Entry | None:
        """The recorded result of a key, without its value.

        Parameters
        ----------
        key : str
            32 hexadecimal digits.
        """
        raw = _to_bytes(key)
        place = self._place(raw)
        entry = None if place is None else self._entry(place)
        return entry if entry is not None and entry.key == raw.hex() else None

    def fetch(self, key: str) -> tuple[bytes, int, str] | None:
        """The whole record of a key, in one reading.

        Parameters
        ----------
        key : str
            32 hexadecimal digits.

        Returns
        -------
        (bytes, int, str) or None
            The record, where in it the pickled value begins, and the directory it is in. None when there is none that
            is undamaged, holds its value, and says which app it is of: use :meth:`find` and :meth:`load`.
        """
        raw = bytes.fromhex(key)
        place = self._mine.get(raw)
        if place is None:
            place = self._table.find(raw)
        if place is None or place & index.TOMBSTONE:
            return None
        segment = self._segments[place >> index.SEGMENT_SHIFT]
        try:
            found = segment.whole(place & index.OFFSET_MASK)
        except OSError:
            return None
        if found is None:
            return None
        head, frame = found
        if head.key != raw or head.kind != frames.INLINE or not head.app_size:
            return None
        return frame, frames.HEAD_SIZE + head.texts_size, segment.directory

    def _place(self, key: bytes) -> int | None:
        place = self._mine.get(key)
        if place is None:
            place = self._table.find(key)
        return None if place is None or place & index.TOMBSTONE else place

    def _entry(self, place: int) -> Entry | None:
        segment, at = self._segments[place >> index.SEGMENT_SHIFT], place & index.OFFSET_MASK
        try:
            found = segment.head(at)
        except OSError as error:
            logger.warning("Cannot read checkpoint segment %s: %s", segment.path, error)
            return None
        if found is None:
            return None
        head, data = found
        app, identity, side, parts = frames.read_texts(data, head)
        return Entry(
            head.key.hex(), app, identity, head.written, head.size, side, parts, segment.path, place, head.value_crc
        )

    def load(self, entry: Entry) -> Any:
        """The value of a recorded result.

        Parameters
        ----------
        entry : Entry
            From this store.

        Raises
        ------
        DamagedEntry
            When it has gone, is damaged, or cannot be unpickled here.
        """
        data = self.read(entry)
        try:
            return loads(data)
        except (Exception, SystemExit) as error:
            raise DamagedEntry(
                f"The result of app {entry.app!r} in {self._file_of(entry)} cannot be unpickled here: "
                f"{type(error).__name__}: {error}. If a module has moved, make it importable under its old name"
            ) from error

    def read(self, entry: Entry) -> bytes:
        """The pickled value of a recorded result, checked and not unpickled; arguments and errors as for load."""
        try:
            if entry.side:
                return sidefiles.read_pickled(os.path.dirname(entry.where), entry.side, entry.size, entry.crc)
            segment = self._segments[entry.at >> index.SEGMENT_SHIFT]
            frame = segment.frame(entry.at & index.OFFSET_MASK)
            if frame is None:
                raise ValueError("its record is damaged")
            head = frames.read_head(frame)
            if head.key.hex() != entry.key:
                raise ValueError("another record is in its place")
            return frame[frames.HEAD_SIZE + head.texts_size :]
        except (OSError, ValueError) as error:
            raise DamagedEntry(
                f"The result of app {entry.app!r} in {self._file_of(entry)} cannot be read: {error}"
            ) from error

    @staticmethod
    def _file_of(entry: Entry) -> str:
        if entry.side:
            return os.path.join(os.path.dirname(entry.where), sidefiles.FOLDER, entry.side)
        return entry.where

    def entries(self) -> Iterator[Entry]:
        """All recorded results, those of each segment in the order in which they were written."""
        mine = dict(self._mine)
        places = [place for place in mine.values() if not place & index.TOMBSTONE]
        if not mine:
            places.extend(place for place in self._table.places() if not place & index.TOMBSTONE)
        else:
            places.extend(place for key, place in self._table.items() if key not in mine)
        places.sort()
        for place in places:
            entry = self._entry(place)
            if entry is not None:
                yield entry

    def __len__(self) -> int:
        count = len(self._table)
        for key, place in list(self._mine.items()):
            known = self._table.find(key) is not None
            count += (not place & index.TOMBSTONE) - known
        return count

    def __contains__(self, key: str) -> bool:
        return self._place(_to_bytes(key)) is not None

    # -- writing

    def put(
        self,
        key: str,
        value: Any,
        *,
        app: str,
        identity: str = "name",
        parts: Sequence[Sequence[str]] = (),
        written: float | None = None,
    ) -> None:
        """Record a result.

        Parameters
        ----------
        key : str
            32 hexadecimal digits.
        value
            What cloudpickle can pickle.
        app : str
            Name of the app.
        identity : str, default "name"
            The policy by which its function was identified.
        parts : sequence of tuples, default ()
            What went into the key: label, digest and text of each part.
        written : float, optional
            Seconds since 1970; now, if left out.

        Raises
        ------
        OSError
            When it cannot be written, on a full disk say. Nothing is left of it, and a later put may succeed.
        Exception
            What pickling the value raised; nothing has been written.
        """
        self.put_pickled(key, dumps(value), app=app, identity=identity, parts=parts, written=written)

    def put_pickled(
        self,
        key: str,
        data: bytes,
        *,
        app: str,
        identity: str = "name",
        parts: Sequence[Sequence[str]] = (),
        written: float | None = None,
    ) -> None:
        """Record a result that has been pickled; the rest as for :meth:`put`."""
        raw = _to_bytes(key)
        if len(data) <= self.side_limit and len(data) <= LARGEST_INLINE:
            self._append(raw, frames.INLINE, app, identity, parts, written, data)
            return
        self.make_directory()
        side, size, crc = sidefiles.write_pickled(self.directory, raw.hex(), data)
        self.put_side(key, side, size, crc, app=app, identity=identity, parts=parts, written=written)

    def put_copy(self, record: bytes) -> None:
        """Record a result of another directory as :meth:`fetch` has given it: soon, together with others.

        It is written within :data:`~parsl_on_dask.checkpoint.syncing.WITHIN` seconds, and by :meth:`flush`.

        Raises
        ------
        OSError
            When this one and those that wait with it cannot be written.
        """
        self._copy(record)

    def holds(self, key: str) -> bool:
        """Whether :attr:`directory` itself has a result, or will have it when its copy is written."""
        raw = _to_bytes(key)
        if self._appender.has(raw):
            return self._mine.get(raw, 0) & index.TOMBSTONE == 0
        place = self._place(raw)
        return place is not None and self._segments[place >> index.SEGMENT_SHIFT].directory == self.directory

    def put_side(
        self,
        key: str,
        file: str,
        size: int,
        crc: int,
        *,
        app: str,
        identity: str = "name",
        parts: Sequence[Sequence[str]] = (),
        written: float | None = None,
    ) -> None:
        """Record a result that a worker has written to a file with :func:`~parsl_on_dask.remote.sidefiles.write_value`.

        The other parameters, and what is raised, are as for :meth:`put`.

        Parameters
        ----------
        file, size, crc
            What that function returned. When the result cannot be recorded the file is deleted.
        """
        try:
            self._append(_to_bytes(key), frames.SIDE, app, identity, parts, written, b"", file, size, crc)
        except BaseException:
            sidefiles.remove(self.directory, file)
            raise

    def remove(self, keys: Iterable[str]) -> int:
        """Forget results of :attr:`directory`; how many there were.

        A record that says so is appended to this store's segment, and value files are deleted.
        :func:`~parsl_on_dask.checkpoint.compaction.compact` frees the space in the segments.

        Raises
        ------
        OSError
            When it cannot be written down; the results before that are forgotten.
        """
        count = 0
        for key in keys:
            entry = self.find(key)
            if entry is None or os.path.dirname(entry.where) != self.directory:
                continue
            self._append(_to_bytes(key), frames.REMOVED)
            sidefiles.remove(self.directory, entry.side)
            count += 1
        return count

    def make_directory(self) -> None:
        """Make the directory, which workers need before they can write value files; once only.

        Raises
        ------
        OSError
            When it cannot be made.
        """
        self._appender.make_directory()

    def flush(self) -> None:
        """Return when everything that was put is on disk.

        Raises
        ------
        OSError
            When it cannot be, or when the directory has vanished.
        """
        self._appender.flush()

    def close(self) -> None:
        """Have everything put on disk and let go of the files; results can still be found and loaded."""
        self._appender.close()
        for segment in self._segments:
            segment.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _to_bytes(key: str) -> bytes:
    try:
        raw = bytes.fromhex(key)
    except (TypeError, ValueError):
        raw = b""
    if len(raw) != index.KEY_BYTES:
        raise ValueError(f"{key!r} is not a key: a key is a string of 32 hexadecimal digits, as make_hash returns")
    return raw
