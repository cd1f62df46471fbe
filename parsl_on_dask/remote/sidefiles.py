"""Large values in files of their own, beside the segments that name them.

A file appears under its name only when all of it is on disk, so there is no half of one to be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from zlib import crc32

from .packing import dumps, loads

#: Below a checkpoint directory: where the files are.
FOLDER = "values"
ENDING = ".val"
#: Of a file that is being written.
UNFINISHED = ".tmp"
#: Begins the names of files by which workers see whether they share a directory with the client.
PROBE = ".seen-by-workers-"

_CHUNK = 1 << 22


def write_value(directory: str, key: str, value: Any) -> tuple[str, int, int]:
    """Pickle a value into a file of its own.

    - `directory`: the checkpoint directory, which must exist; the file goes into the directory ``values`` in it, which
      is made if need be.
    - `key`: the call's key.
    - `value`: what cloudpickle can pickle.

    Returns the file's name without a directory, its size in bytes, and its CRC-32.

    Raises OSError when it cannot be written; nothing is left of it. Raises Exception: what pickling raised; nothing has
    been written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name, size, crc = write_value(folder, "00ff", [1, 2])
    ...     read_value(folder, name, size, crc)
    [1, 2]
    """
    return write_pickled(directory, key, dumps(value))


def write_pickled(directory: str, key: str, data: bytes) -> tuple[str, int, int]:
    """Put a value that has been pickled into a file of its own; the rest as for :func:`write_value`."""
    folder = os.path.join(directory, FOLDER)
    name = f"{key}-{os.urandom(6).hex()}{ENDING}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with replacing(os.path.join(folder, name)) as unfinished:
        try:
            fd = os.open(unfinished, flags, 0o600)
        except FileNotFoundError:
            # the directory itself is not made: a worker that does not see it must fail, not write where nobody reads
            try:
                os.mkdir(folder, 0o700)
                sync_directory(directory)
            except FileExistsError:
                pass
            fd = os.open(unfinished, flags, 0o600)
        try:
            view = memoryview(data)
            done = 0
            while done < len(data):
                done += os.write(fd, view[done : done + _CHUNK])
            os.fsync(fd)
        finally:
            os.close(fd)
    sync_directory(folder)
    return name, len(data), crc32(data)


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """The name under which to write what takes the place of a file at the end; nothing is left of it after an error."""
    unfinished = f"{path}-{os.urandom(4).hex()}{UNFINISHED}"
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        try:
            os.unlink(unfinished)
        except OSError:
            pass
        raise


@contextmanager
def replacing_file(path: str, sync: bool = True) -> Iterator[BinaryIO]:
    """A file for the user alone, which takes the place of the one at a path when it is there as a whole.

    - `sync`: whether it has to be on disk by then.
    """
    with replacing(path) as unfinished:
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(fd)


def write_private(path: str, data: str | bytes) -> None:
    """Write a file as a whole that only its owner can read."""
    with replacing_file(path, sync=False) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def sync_directory(directory: str) -> None:
    """Have the names in a directory put on disk, where the file system can be told to."""
    try:
        fd = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError:
        pass
    finally:
        os.close(fd)


def read_pickled(directory: str, name: str, size: int, crc: int) -> bytes:
    """The bytes of a value file, checked.

    - `directory`: the checkpoint directory.
    - `name`: the file's name without a directory.
    - `size`, `crc`: what :func:`write_value` returned.

    Raises OSError when it cannot be read. Raises ValueError when its bytes are not those that were written.
    """
    if os.path.basename(name) != name:
        raise ValueError(f"{name!r} is no name of a value file: it leads out of {directory}")
    path = os.path.join(directory, FOLDER, name)
    there = os.stat(path).st_size
    if there != size:  # before so much is read
        raise ValueError(f"it has {there} bytes, and {size} were written")
    with open(path, "rb") as file:
        data = file.read(size)
    if len(data) != size:
        raise ValueError(f"it has {len(data)} bytes, and {size} were written")
    if crc32(data) != crc:
        raise ValueError("its checksum is wrong")
    return data


def check(directory: str, name: str, size: int, crc: int) -> None:
    """Read a value file without keeping it; arguments and errors as for :func:`read_pickled`."""
    done, found = 0, 0
    with open(os.path.join(directory, FOLDER, os.path.basename(name)), "rb") as file:
        while chunk := file.read(_CHUNK):
            done, found = done + len(chunk), crc32(chunk, found)
    if done != size or found != crc:
        raise ValueError(f"it has {done} bytes, and {size} were written" if done != size else "its checksum is wrong")


def read_value(directory: str, name: str, size: int, crc: int) -> Any:
    """The value in a file; arguments and errors as for :func:`read_pickled`, and what unpickling raises."""
    return loads(read_pickled(directory, name, size, crc))


def remove(directory: str, name: str) -> None:
    """Delete a value file; quiet when it is not there or cannot be deleted."""
    if name and os.path.basename(name) == name:
        try:
            os.unlink(os.path.join(directory, FOLDER, name))
        except OSError:
            pass
