"""Members of zip files, read and written by several tasks and processes at a time.

A zip file is extended in place, by writing over the directory at its end. What that directory was is kept in a file
beside it until the new one is there, so that a process which is killed in between loses what it was writing, and not
what others had written before. That and the lock are for those who go through this module: a program that reads the
zip file otherwise has to wait until nothing is written to it.
"""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from zlib import crc32

from .locks import locked
from .placing import place
from .staged import need_output, saying

LOCK = ".lock"
#: Ends the name of the file that holds the end of a zip file while it is extended.
KEPT = ".parsl-end"

_HEAD = struct.Struct("<QQI")


def _zip_stage_out(zip_file: str, inside_path: str, working_dir: str | None, inputs: Sequence[Any], **_: Any) -> None:
    """The task that puts an app's output into a zip file."""
    file = inputs[0]
    with saying("out", file.url, file.local_path):
        need_output(file.local_path)
        add(zip_file, inside_path, file.local_path)
        os.remove(file.local_path)


def _zip_stage_in(
    zip_file: str, inside_path: str, working_dir: str | None, outputs: Sequence[Any], version: str | None, **_: Any
) -> None:
    """The task that takes a file out of a zip file before those that need it."""
    file = outputs[0]
    with saying("in", file.url, file.local_path):
        place(file.local_path, lambda part: extract(zip_file, inside_path, part), key=file.url, version=version)


def extract(zip_file: str, member: str, part: str) -> None:
    """Write a member of a zip file to a file.

    Raises FileNotFoundError when there is no such zip file, or no such member in it. Raises IsADirectoryError when the
    member is a directory.
    """
    if not os.path.exists(zip_file):
        raise FileNotFoundError(2, "there is no such zip file", zip_file)
    with locked(zip_file + LOCK):
        repair(zip_file)
        with zipfile.ZipFile(zip_file) as archive:
            try:
                found = archive.getinfo(member)
            except KeyError:
                raise FileNotFoundError(2, f"there is no {member!r} in the zip file", zip_file) from None
            with archive.open(found) as source, open(part, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def add(zip_file: str, member: str, path: str) -> None:
    """Put a file into a zip file, which is made if need be. One of the same name hides that which was there.

    Raises OSError, zipfile.BadZipFile when it cannot be done; the zip file is then as it was.
    """
    folder = os.path.dirname(zip_file)
    if folder:
        os.makedirs(folder, exist_ok=True)
    with locked(zip_file + LOCK):
        repair(zip_file)
        if not os.path.lexists(zip_file):
            place(zip_file, lambda part: _write(part, "w", member, path))
            return
        keep_end(zip_file)
        try:
            _write(zip_file, "a", member, path)
        except BaseException:
            repair(zip_file)
            raise
        os.unlink(zip_file + KEPT)


def _write(archive: str, mode: Any, member: str, path: str) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name", UserWarning)
        with zipfile.ZipFile(archive, mode, compression=zipfile.ZIP_DEFLATED, strict_timestamps=False) as z:
            z.write(path, arcname=member)


def keep_end(zip_file: str) -> None:
    """Put aside what extending the zip file is going to write over."""
    with zipfile.ZipFile(zip_file) as archive:
        start = archive.start_dir
    with open(zip_file, "rb") as f:
        f.seek(start)
        end = f.read()

    def write(part: str) -> None:
        with open(part, "wb") as kept:
            kept.write(_HEAD.pack(start, len(end), crc32(end)) + end)
            kept.flush()
            os.fsync(kept.fileno())

    place(zip_file + KEPT, write)


def repair(zip_file: str) -> None:
    """Give a zip file its end back, if somebody was stopped while extending it."""
    try:
        with open(zip_file + KEPT, "rb") as f:
            start, size, crc = _HEAD.unpack(f.read(_HEAD.size))
            end = f.read()
    except FileNotFoundError:
        return
    if len(end) == size and crc32(end) == crc and os.path.getsize(zip_file) >= start:
        with open(zip_file, "r+b") as f:
            # what was appended goes first: that makes the room which the end needs
            f.truncate(start + size)
            f.seek(start)
            f.write(end)
            f.flush()
            os.fsync(f.fileno())
    with suppress(FileNotFoundError):
        os.unlink(zip_file + KEPT)
