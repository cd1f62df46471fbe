"""Parsl's checkpoint file, ``tasks.pkl``: which results are in it, and what they are."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from parsl_on_dask.checkpoint import parsl_pickles, segments
from parsl_on_dask.checkpoint.entry import DamagedEntry, Entry, warn
from parsl_on_dask.checkpoint.index import KEY_BYTES, ROW, Table
from parsl_on_dask.checkpoint.parsl_scan import scan
from parsl_on_dask.checkpoint.parsl_writer import ParslWriter
from parsl_on_dask.common.task_errors import BadCheckpoint
from parsl_on_dask.remote.sidefiles import FOLDER, PROBE

__all__ = ["FILE_NAME", "ParslFile", "ParslWriter", "flatten_checkpoint_files", "open_parsl_file"]

logger = logging.getLogger("parsl.dataflow.memoization")

#: Name of the file in a checkpoint directory.
FILE_NAME = "tasks.pkl"

_LENGTH_BITS = 24
_LONG = (1 << _LENGTH_BITS) - 1
_LONGEST_FILE = 1 << (64 - _LENGTH_BITS)


def flatten_checkpoint_files(files: Any) -> list[str]:
    """The directories in a ``checkpoint_files`` argument, which may hold lists, as in ``[get_last_checkpoint(d)]``.

    `files`: directories. None and empty lists name none.

    Raises TypeError for anything else.

    Examples
    --------
    >>> flatten_checkpoint_files(["runinfo/000/checkpoint", [], ["runinfo/001/checkpoint"]])
    ['runinfo/000/checkpoint', 'runinfo/001/checkpoint']
    """
    if files is None:
        return []
    if isinstance(files, (list, tuple)):
        return [path for entry in files for path in flatten_checkpoint_files(entry)]
    if isinstance(files, (str, os.PathLike)):
        return [os.fsdecode(files)]
    raise TypeError(
        f"checkpoint_files holds {files!r} of type {type(files).__name__}: list the paths of checkpoint directories, "
        "for example checkpoint_files=get_all_checkpoints('runinfo')"
    )


def open_parsl_file(directory: str | os.PathLike[str]) -> ParslFile | None:
    """Open Parsl's file in a checkpoint directory that a user has listed.

    `directory`: a checkpoint directory, ``runinfo/000/checkpoint``.

    Returns None when the directory has no such file, but files of this package; also when it is missing in the
    directory of a run, which is then one that recorded nothing.

    Raises BadCheckpoint when it has neither, or its ``tasks.pkl`` cannot be read at all.
    """
    path = os.path.join(os.fspath(directory), FILE_NAME)
    if os.path.lexists(path):
        return ParslFile(path)
    try:
        names = os.listdir(directory)
    except OSError:
        names = []
    # what its run left may be just a beginning, if that was killed before the first result was recorded
    if any(name.endswith(segments.ENDING) or name == FOLDER or name.startswith(PROBE) for name in names):
        return None
    if _of_a_run_without_results(os.path.abspath(os.fspath(directory))):
        logger.info("The run of %s recorded no results", os.fspath(directory))
        return None
    raise BadCheckpoint(
        f"Checkpoint file was not found: {path}. "
        + _what_is_there(os.fspath(directory))
        + " List directories such as runinfo/000/checkpoint, or write checkpoint_files=get_all_checkpoints('runinfo')"
    )


def _of_a_run_without_results(directory: str) -> bool:
    # its directory is made with the first result
    run, name = os.path.split(directory)
    missing = os.path.isdir(run) and not os.path.lexists(directory)
    return missing and name == "checkpoint" and os.path.basename(run).isdigit()


def _what_is_there(directory: str) -> str:
    if os.path.isfile(directory):
        return f"{directory} is a file, and a checkpoint directory is wanted."
    if not os.path.isdir(directory):
        return f"There is no directory {directory}."
    if os.path.isdir(os.path.join(directory, "checkpoint")):
        return f"{directory} is the directory of a run; its checkpoint is {os.path.join(directory, 'checkpoint')}."
    return f"Nothing has been recorded in {directory}."


class ParslFile:
    """A ``tasks.pkl``, for reading. Opening it finds the records; a value is unpickled when it is asked for.

    Torn and damaged records are skipped, counted, and reported in one warning (Parsl refuses the whole file). Of
    several records with one key the last counts, as in Parsl. Reading a pickle can run anything: open only files
    that you would run as programs.

    `path`: the file itself.

    Raises BadCheckpoint when the file cannot be read at all: no permission, a directory, or no checkpoint file.

    - `damaged`: places in the file where there is no usable record.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with ParslWriter(os.path.join(folder.name, "tasks.pkl")) as out:
    ...     out.append("00112233445566778899aabbccddeeff", {"mean": 1.5})
    >>> file = ParslFile(out.path)
    >>> file.load(file.find("00112233445566778899aabbccddeeff"))
    {'mean': 1.5}
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self.damaged = 0
        self._long: dict[int, int] = {}  # lengths that have no room in the table, by offset
        rows: list[bytes] = []
        try:
            status = os.stat(self.path)
            if status.st_size >= _LONGEST_FILE:
                raise OSError(errno.EFBIG, "it is larger than a TiB")
            for offset, length, key in scan(self.path):
                if key is None:
                    self.damaged += 1
                    continue
                if length >= _LONG:
                    self._long[offset] = length
                    length = _LONG
                rows.append(key + (offset << _LENGTH_BITS | length).to_bytes(8, "big"))
        except OSError as error:
            raise BadCheckpoint(
                f"Failed to load checkpoint: {self.path}: {error.strerror or error}. "
                "Make it readable, or take its directory out of checkpoint_files"
            ) from error
        self.written = status.st_mtime
        if not rows and self.damaged and not self._looks_torn():
            raise BadCheckpoint(
                f"Failed to load checkpoint: {self.path} holds no record of a checkpoint. "
                "If it is something else, take its directory out of checkpoint_files"
            )
        rows.sort()
        rows.append(b"")
        # records of one key are in the order of the file now
        self._rows = b"".join([row for row, after in pairwise(rows) if row[:KEY_BYTES] != after[:KEY_BYTES]])
        self._table = Table(self._rows)
        if self.damaged:
            warn(
                f"{self.path}: {self.damaged} damaged or torn record{'s' * (self.damaged != 1)} skipped, {len(self)} "
                "results usable. What is missing is computed again"
            )
        logger.info("Completed loading checkpoint: %s with %d tasks", self.path, len(self))

    def __len__(self) -> int:
        return len(self._table)

    def find(self, key: str) -> Entry | None:
        """What the file has under a key of 32 hexadecimal digits; None when it has nothing."""
        place = self._table.find(bytes.fromhex(key))
        return None if place is None else self._entry(key, place)

    def load(self, entry: Entry) -> Any:
        """The value of an entry of this file.

        Raises DamagedEntry when it is there no longer, damaged, or made of something that cannot be imported here.
        """
        return self._result(self.record(entry), entry.key)

    def record(self, entry: Entry) -> bytes:
        """The bytes of an entry's record.

        Raises DamagedEntry when they cannot be read.
        """
        try:
            file = os.open(self.path, os.O_RDONLY)
            try:
                found = os.pread(file, entry.size, entry.at)
                while len(found) < entry.size:  # one read of the system gives 2 GiB at most
                    more = os.pread(file, entry.size - len(found), entry.at + len(found))
                    if not more:
                        break
                    found += more
            finally:
                os.close(file)
        except OSError as error:
            raise DamagedEntry(f"{self.path}: the result {entry.key} cannot be read: {error}") from error
        if len(found) < entry.size:
            raise DamagedEntry(f"{self.path}: the result {entry.key} is there no longer: the file has become shorter")
        return found

    def entries(self) -> Iterator[Entry]:
        """All entries, in the order of their keys. Parsl's file does not say which app they are of."""
        rows = self._rows
        for at in range(0, len(rows), ROW):
            key, place = rows[at : at + KEY_BYTES], rows[at + KEY_BYTES : at + ROW]
            yield self._entry(key.hex(), int.from_bytes(place, "big"))

    def close(self) -> None:
        """Nothing is held open."""

    def _entry(self, key: str, place: int) -> Entry:
        offset, length = place >> _LENGTH_BITS, place & _LONG
        return Entry(
            key=key,
            app="",
            identity="name",
            written=self.written,
            size=self._long[offset] if length == _LONG else length,
            side="",
            parts=(),
            where=self.path,
            at=offset,
        )

    def _result(self, data: bytes, key: str) -> Any:
        try:
            return parsl_pickles.result(data, key)
        except Exception as error:
            raise DamagedEntry(
                f"{self.path}: the result {key} cannot be unpickled: {type(error).__name__}: {error}"
            ) from error

    def _looks_torn(self) -> bool:
        with open(self.path, "rb") as file:
            begin = file.read(200)
        return b"\x04hash" in begin or (begin[:1] == b"\x80" and len(begin) < 20)
