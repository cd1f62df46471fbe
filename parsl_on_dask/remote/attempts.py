"""Tries again what may go better: from the start, or from where a broken connection left a file."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import BinaryIO, TypeVar

T = TypeVar("T")

#: Seconds between two attempts: the first, and the longest.
PAUSE, LONGEST_PAUSE = 0.2, 30.0

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ENOENT, errno.EACCES)


class FetchBroken(OSError):
    """The connection ended before the file did.

    - `pause`: seconds that the server asks for before the next attempt.
    """

    pause = 0.0


class FetchRefused(OSError):
    """The server will not give the file, however often it is asked."""


def retried(step: Callable[[], T], attempts: int, pause: float, may_pass: Callable[[Exception], bool]) -> T:
    """The result of a step that is tried so many times, while its exceptions may pass.

    `pause`: seconds before the second attempt; each further one waits twice as long.
    """
    while True:
        try:
            return step()
        except Exception as e:
            attempts -= 1
            if attempts <= 0 or not may_pass(e):
                raise
            time.sleep(pause)
            pause *= 2


def fetch(
    attempt: Callable[[BinaryIO], None], part: str, retries: int, passing: tuple[type[Exception], ...] = (OSError,)
) -> None:
    """Write a file by attempts, of which each appends what is missing.

    - `attempt`: is given the open file.
    - `part`: where it goes.
    - `retries`: how many attempts in a row may fail to bring anything, after the first.
    - `passing`: exceptions after which another attempt may have better luck.

    Raises OSError when it could not be had.
    """
    best = failures = 0
    with open(part, "wb") as file:
        while True:
            try:
                attempt(file)
                return
            except FetchRefused:
                raise
            except passing as e:
                if isinstance(e, OSError) and e.errno in _DISK:  # it is the disk here that is to blame
                    raise
                have = file.tell()
                failures = 1 if have > best else failures + 1
                best = max(best, have)
                if failures > retries:
                    raise _as_error(e, failures) from e
                asked = e.pause if isinstance(e, FetchBroken) else 0.0
                time.sleep(min(max(PAUSE * 2 ** (failures - 1), asked), LONGEST_PAUSE))


def restart(file: BinaryIO) -> int:
    """Drop what is there; returns 0, the number of bytes that are left."""
    file.seek(0)
    file.truncate()
    return 0


def _as_error(error: BaseException, failures: int) -> OSError:
    what = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        what = "the server did not answer in time (the provider's timeout= says how long it may take)"
    elif isinstance(error, OSError) and error.strerror:
        what = error.strerror
    return FetchBroken(f"{what}; {failures} attempt{'s' if failures > 1 else ''} brought nothing")
