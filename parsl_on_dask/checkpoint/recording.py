"""The recorded results that a run can use, and where it records its own."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from parsl_on_dask.checkpoint.directories import distrusted
from parsl_on_dask.checkpoint.entry import DamagedEntry, Entry, logger, warn
from parsl_on_dask.checkpoint.parsl_files import FILE_NAME, ParslFile, open_parsl_file
from parsl_on_dask.checkpoint.parsl_writer import ParslWriter
from parsl_on_dask.checkpoint.store import Store
from parsl_on_dask.remote import sidefiles
from parsl_on_dask.remote.packing import loads
from parsl_on_dask.remote.trust import distrust

Parts = Sequence[Sequence[str]]


class Recording:
    """Checkpoint directories of both layouts, as one.

    - `directory`: where results are recorded; it is made with the first one.
    - `read`: directories with results of other runs.
    - `sync`: whether a result is on disk when :meth:`put` returns.
    - `parsl_layout`: whether Parsl's ``tasks.pkl`` is written, too.
    - `trust`: whether results are used that somebody else may have put there. They are pickles, which can run anything.

    Raises BadCheckpoint when there are no results in one of ``read``.
    """

    def __init__(
        self, directory: str, read: Sequence[str], *, sync: bool, parsl_layout: bool, trust: bool = False
    ) -> None:
        self.directory = os.path.abspath(directory)
        self.trust = trust
        places = [place for place in read if os.path.abspath(place) != self.directory and self._trusted(place)]
        files = [open_parsl_file(place) for place in places]
        own = os.path.join(self.directory, FILE_NAME)
        read_own = self._trusted(self.directory)
        if read_own and os.path.exists(own):
            files.append(ParslFile(own))
        # the last one counts
        self.parsl_files = [file for file in reversed(files) if file is not None]
        self.store = Store(self.directory, read=places, sync=sync, read_own=read_own)
        self.writer = ParslWriter(own, sync=sync) if parsl_layout else None

    def _trusted(self, place: str) -> bool:
        why = "" if self.trust else distrusted(place)
        if why:
            warn(
                f"Checkpoint directory {place} is left out: {why}. Results are pickles, and reading a pickle can run "
                "anything as you. If you trust everybody who can write there, write BasicMemoizer(trust=True); "
                "otherwise, remove the others' permission to write"
            )
        return not why

    def __len__(self) -> int:
        return len(self.store) + sum(len(file) for file in self.parsl_files)

    def entries(self) -> Iterator[Entry]:
        """All recorded results, without their values."""
        yield from self.store.entries()
        for file in self.parsl_files:
            yield from file.entries()

    def find(self, key: str) -> tuple[Any, Entry] | None:
        """Where the result of a key is recorded, if it is: what :meth:`load` takes."""
        entry = self.store.find(key)
        if entry is not None:
            return self.store, entry
        for file in self.parsl_files:
            entry = file.find(key)
            if entry is not None:
                return file, entry
        return None

    def load(self, found: tuple[Any, Entry]) -> Any:
        """The value of a recorded result.

        Raises DamagedEntry when it has gone, or is damaged.
        """
        place, entry = found
        path = self.side_path(found)
        why = distrust(path) if path and not self.trust else ""
        if why:
            raise DamagedEntry(f"The result of app {entry.app!r} is not read: {why}")
        return place.load(entry)

    def side_path(self, found: tuple[Any, Entry]) -> str:
        """The file that holds the value alone; "" when there is none."""
        entry = found[1]
        return os.path.join(os.path.dirname(entry.where), sidefiles.FOLDER, entry.side) if entry.side else ""

    def put(self, key: str, value: Any, app: str, identity: str, parts: Parts) -> None:
        """Record a result.

        Raises OSError when it cannot be written; nothing is left of it. Raises Exception: what pickling it raised.
        """
        self.store.put(key, value, app=app, identity=identity, parts=parts)
        if self.writer is not None:
            self.writer.append(key, value)

    def put_pickled(self, key: str, data: bytes, app: str, identity: str, parts: Parts) -> None:
        """Record a result that has been pickled; arguments and errors as for :meth:`put`."""
        self.store.put_pickled(key, data, app=app, identity=identity, parts=parts)
        if self.writer is not None:
            self.writer.append(key, loads(data))

    def put_side(self, key: str, written: tuple[str, int, int], app: str, identity: str, parts: Parts) -> None:
        """Record a result whose value a worker has written to a file; arguments and errors as for :meth:`put`."""
        self.store.put_side(key, *written, app=app, identity=identity, parts=parts)
        if self.writer is not None:
            self.writer.append(key, sidefiles.read_value(self.directory, *written))

    def put_again(self, key: str, value: Any, app: str, identity: str, parts: Parts) -> None:
        """Record a result that was found here, so that the newest directory holds all that its run used."""
        if self.store.holds(key):
            return
        found = self.find(key)
        path = self.side_path(found) if found is not None else ""
        if found is None or os.path.dirname(found[1].where) != self.directory:
            if path and found is not None:
                entry = found[1]
                self.put_side(key, (self._adopt(path, key), entry.size, entry.crc), app, identity, parts)
            else:
                self.put(key, value, app, identity, parts)

    def _adopt(self, path: str, key: str) -> str:
        """Give a value's file of another directory a name in this one."""
        self.store.make_directory()
        folder = os.path.join(self.directory, sidefiles.FOLDER)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        name = f"{key}-{uuid.uuid4().hex[:12]}{sidefiles.ENDING}"
        target = os.path.join(folder, name)
        try:
            os.link(path, target)
        except OSError:  # another file system, or one without links
            with sidefiles.replacing(target) as unfinished:
                shutil.copyfile(path, unfinished)
                os.chmod(unfinished, 0o600)
        return name

    def flush(self) -> None:
        """Return when all that was recorded is on disk."""
        self.store.flush()
        if self.writer is not None:
            self.writer.sync()

    def close(self) -> None:
        """Have everything on disk and close the files."""
        self.store.close()
        if self.writer is not None:
            self.writer.close()
        for file in self.parsl_files:
            file.close()


__all__ = ["DamagedEntry", "Entry", "Recording", "logger"]
