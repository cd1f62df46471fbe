"""Directories for what a run needs on disk while it lasts; those of processes that were killed are removed later.

Each has a file with the name of its host, which its owner keeps locked. The system takes the lock away with the last
process that holds it, whatever ended that. So a later run of the same user knows which directories are nobody's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import tempfile

try:
    import fcntl
except ImportError:  # on Windows: nothing is locked there, and so nothing of others removed
    fcntl = None  # type: ignore[assignment]

PREFIX = "parsl-on-dask-"
#: Name of the file that is locked.
OWNER = "owner"

#: Bytes of the path of a folder below which sockets can be: the path of a socket has about a hundred.
FAR = 50

#: The directories of this process, and the open files that keep them locked.
_mine: dict[str, int] = {}
#: Where this process has looked for what others have left.
_swept: set[str] = set()


def make(where: str | None = None, purpose: str = "", sockets: bool = False) -> str:
    """Make a directory for this process, after removing those that are nobody's any more.

    - `where`: where it is to be. Default: the folder for temporary files.
    - `purpose`: a word for its name.
    - `sockets`: whether sockets will be in it. Their paths may not be long, so that it is in `/tmp` if need be.

    Returns its path. To be given to :func:`remove` in the end.

    Raises OSError when it cannot be made.

    Examples
    --------
    >>> path = make()
    >>> os.listdir(path) in (["owner"], [])
    True
    >>> remove(path)
    >>> os.path.exists(path)
    False
    """
    if where is None:
        where = tempfile.gettempdir()
        if sockets and len(os.fsencode(where)) > FAR:
            where = "/tmp"
    if where not in _swept:
        _swept.add(where)
        sweep(where)
    path = tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}{'-' if purpose else ''}", dir=where)
    with contextlib.suppress(OSError):  # a file system without locks: then nobody else removes it, either
        _own(path)
    return path


def remove(path: str) -> None:
    """Remove a directory and all that is in it; nothing happens when it is gone."""
    shutil.rmtree(path, ignore_errors=True)
    held = _mine.pop(path, None)
    if held is not None:
        os.close(held)


def sweep(where: str) -> list[str]:
    """Remove the directories of this user and this host that nobody holds any more; returns their paths.

    `where`: in which directory they are.
    """
    removed: list[str] = []
    if fcntl is None:
        return removed
    with contextlib.suppress(OSError):
        with os.scandir(where) as found:
            paths = [entry.path for entry in found if entry.name.startswith(PREFIX) and _is_ours(entry)]
        for path in paths:
            with contextlib.suppress(OSError):
                if path not in _mine and _sweep_one(path):
                    removed.append(path)
    return removed


def _is_ours(entry: os.DirEntry[str]) -> bool:
    try:
        about = entry.stat(follow_symlinks=False)
    except OSError:  # somebody else was faster
        return False
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()


def _sweep_one(path: str) -> bool:
    fd = os.open(os.path.join(path, OWNER), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        # hosts may share the directory, and a lock need not be seen on the others
        if os.read(fd, 1024) != _host():
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
        return not os.path.exists(path)
    finally:
        os.close(fd)


def _own(path: str) -> None:
    if fcntl is None:
        return
    # complete before it has its name: what has no owner yet is not looked at
    fd, unnamed = tempfile.mkstemp(dir=path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(fd, _host())
        os.rename(unnamed, os.path.join(path, OWNER))
    except OSError:
        os.close(fd)
        os.unlink(unnamed)
        raise
    _mine[path] = fd


def _host() -> bytes:
    return socket.gethostname().encode()
