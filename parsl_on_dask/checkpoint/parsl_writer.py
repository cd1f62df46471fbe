"""Parsl's checkpoint file, ``tasks.pkl``, as Parsl writes it: one record after another."""

from __future__ import annotations

import os
import threading
from typing import Any

from parsl_on_dask.checkpoint import parsl_pickles


class ParslWriter:
    """Appends results to a ``tasks.pkl`` such that Parsl reads them, each with one write.

    A directory that several programs write at once needs a file system that appends atomically, which NFS does not;
    Parsl itself writes into a directory of each run.

    - `path`: the file; it and its directory are made when there is something to write, for the user alone (0600, 0700).
    - `sync`: whether a record is on disk, not only with the operating system, when ``append`` returns.
    """

    def __init__(self, path: str | os.PathLike[str], *, sync: bool = False) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self._sync = sync
        self._file: int | None = None
        self._lock = threading.Lock()

    def append(self, key: str, value: Any) -> None:
        """Record a result.

        - `key`: 32 hexadecimal digits.
        - `value`: what pickle or cloudpickle can pickle.

        Raises OSError when it cannot be written, because the disk is full for example. The file is then as it was
        before. Raises Exception: what pickling raised; nothing has been written.
        """
        self.append_record(parsl_pickles.record(key, value))

    def append_record(self, record: bytes) -> None:
        """Write a record that has been made already; the rest as for :meth:`append`."""
        with self._lock:
            file = self._opened()
            done = os.write(file, record)
            start = os.lseek(file, 0, os.SEEK_CUR) - done
            try:
                while done < len(record):
                    done += os.write(file, record[done:])
                if self._sync:
                    os.fsync(file)
            except OSError:
                # Parsl would refuse the whole file over the torn record
                if os.fstat(file).st_size == start + done:
                    os.ftruncate(file, start)
                raise

    def create(self) -> None:
        """Make the file and its directory, though there is nothing to write yet.

        Raises OSError when they cannot be made.
        """
        with self._lock:
            self._opened()

    def _opened(self) -> int:
        if self._file is None:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return self._file

    def sync(self) -> None:
        """Return when everything that was written is on disk."""
        with self._lock:
            if self._file is not None:
                os.fsync(self._file)

    def close(self) -> None:
        """Close the file; a later ``append`` opens it again."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def __enter__(self) -> ParslWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
