"""Files that appear under their name when all of them is there, and are not fetched twice at a time."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from .locks import is_linked, release, take

#: Begins the names of files that are in work.
PREFIX = ".parsl-"
#: Extended attribute in which a file says for which version it was written.
MARK = "user.parsl_on_dask.version"

#: Errors of a disk, which do not say by themselves which file they are about.
_ABOUT_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})

_marks: dict[str, bytes] = {}


def place(target: str, write: Callable[[str], None], *, key: str | None = None, version: str | None = None) -> None:
    """Write a file so that nobody ever sees half of it.

    - `target`: where it goes. The directories above are made; a file of that name is replaced, and so is a symbolic
      link.
    - `write`: is called with the name of a file in the same directory, and writes that. It is then renamed, or, if
      `write` raises, removed.
    - `key`: identifies what is written, for example a URL. Of calls with equal keys for the same target that overlap
      on this host, in whatever processes and threads, one writes; the others wait for it and write only if it fails.
      When the one that writes is killed, another one takes over.
    - `version`: together with `key`: a file that was written for the same version and not changed since is taken as it
      is.

    Raises IsADirectoryError when there is a directory of that name. Raises OSError when it cannot be written; it names
    the target. Raises Exception: what `write` raised.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place(folder + "/a/b.txt", lambda path: open(path, "w").write("hello"))
    ...     open(folder + "/a/b.txt").read(), os.listdir(folder + "/a")
    ('hello', ['b.txt'])
    """
    folder, name = os.path.split(target)
    if name in ("", ".", ".."):
        raise IsADirectoryError(errno.EISDIR, "this names a directory, where a file is to be written", target)
    if folder:
        os.makedirs(folder, exist_ok=True)
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "there is a directory where a file is to be written", target)
    try:
        if key is None:
            _write(target, _beside(target, os.urandom(8).hex(), ".part"), write)
        else:
            _write_once(target, write, key.encode("utf-8", "surrogatepass"), version)
    except OSError as e:
        name = os.path.basename(e.filename) if isinstance(e.filename, str) else ""
        if name.startswith(PREFIX) or (e.filename is None and e.errno in _ABOUT_THE_DISK):
            raise OSError(e.errno, e.strerror, target) from e
        raise


def _beside(target: str, name: str, ending: str) -> str:
    return os.path.join(os.path.dirname(target), f"{PREFIX}{name}{ending}")


def _write(target: str, part: str, write: Callable[[str], None]) -> None:
    try:
        write(part)
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def _write_once(target: str, write: Callable[[str], None], key: bytes, version: str | None) -> None:
    full = os.path.abspath(target)
    lock = _beside(full, _name(full), ".lock")
    # the name is always the same: what a killed process leaves is overwritten by who comes next
    part = _beside(full, _name(socket.gethostname(), full), ".part")
    while True:
        fd = take(lock)
        if fd is None:
            _write(target, _beside(target, os.urandom(8).hex(), ".part"), write)
            return
        mine = False
        try:
            mine = is_linked(fd, lock)
            if not mine:  # somebody was here before, and has ended
                if os.pread(fd, len(key) + 1, 0) == key and os.path.isfile(target):
                    return
                continue
            os.ftruncate(fd, 0)
            if version is not None and _is_marked(full, version):
                return
            _write(target, part, write)
            if version is not None:
                _mark(full, version)
            os.pwrite(fd, key, 0)
            return
        finally:
            if mine:
                with suppress(OSError):
                    os.unlink(lock)
            release(fd)


def _name(*what: str) -> str:
    return hashlib.blake2b("\0".join(what).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _mark_for(path: str, version: str) -> bytes:
    status = os.stat(path)
    return f"{version} {status.st_ino} {status.st_size} {status.st_mtime_ns}".encode()


def _mark(path: str, version: str) -> None:
    mark = _mark_for(path, version)
    try:
        os.setxattr(path, MARK, mark)
    except (OSError, AttributeError):  # this file system has no attributes: at least this process knows
        if len(_marks) >= 10_000:
            _marks.clear()
        _marks[path] = mark


def _is_marked(path: str, version: str) -> bool:
    try:
        mark = _mark_for(path, version)
    except OSError:
        return False
    try:
        return os.getxattr(path, MARK) == mark
    except (OSError, AttributeError):
        return _marks.get(path) == mark
