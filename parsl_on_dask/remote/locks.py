"""Locks by files, which the system takes away from a process that ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

try:
    import fcntl
except ImportError:  # no such locks on this system: every writer writes, and copies are kept
    fcntl = None  # type: ignore[assignment]

#: Seconds between two looks at a lock that another one holds: the first, and the longest.
LOOK, LONGEST_LOOK = 0.005, 0.1


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Keep others, on this host and where the file system carries locks also on others, out of a block.

    Parameters
    ----------
    path : str
        The lock's file. It is made, and removed afterwards.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with locked(folder + "/lock"):
    ...         inside = os.listdir(folder)
    ...     inside, os.listdir(folder)
    (['lock'], [])
    """
    while True:
        fd = take(path)
        if fd is None or is_linked(fd, path):
            break
        release(fd)
    try:
        yield
    finally:
        if fd is not None:
            with suppress(OSError):
                os.unlink(path)
            release(fd)


def take(path: str) -> int | None:
    """Open and lock a file; None where there are no locks."""
    if fcntl is None:
        return None
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    look = LOOK
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return fd
            except BlockingIOError:
                # not a blocking call: an exception that is meant for this thread would not get through
                time.sleep(look)
                look = min(2 * look, LONGEST_LOOK)
            except OSError:  # this file system has none
                with suppress(OSError):
                    os.unlink(path)
                os.close(fd)
                return None
    except BaseException:
        os.close(fd)
        raise


def release(fd: int) -> None:
    with suppress(OSError):
        # closing alone would leave it with a process that was forked in the meantime
        fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def is_linked(fd: int, path: str) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(fd))


@contextmanager
def kept_while_used(path: str) -> Iterator[None]:
    """Keep a file for the length of a block; the last of those on this host that use it so removes it."""
    users = os.path.join(os.path.dirname(path), ".users")
    fd = _share(users) if fcntl is not None else None
    try:
        yield
    finally:
        if fd is not None:
            with suppress(OSError):  # others use it
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for name in (path, users):
                    with suppress(OSError):
                        os.unlink(name)
                with suppress(OSError):
                    os.rmdir(os.path.dirname(path))
            os.close(fd)


def _share(path: str) -> int | None:
    """Open a file, and hold a lock on it that others may hold, too; None where there are no locks."""
    while True:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # the folder was removed in between
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)
        except OSError:  # this file system has none: better a copy too many than one too few
            os.close(fd)
            with suppress(OSError):
                os.unlink(path)
            return None
        if is_linked(fd, path):
            return fd
        os.close(fd)
