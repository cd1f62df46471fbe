"""Defers Ctrl-C while things are being shut down: the interrupt is raised when all is shut down.

An interrupt that cuts the shutting down short would leave half of a cluster: processes, or folders of temporary files.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_came = False
_deferring = False


def came() -> bool:
    """Whether somebody has pressed Ctrl-C and is waiting for the end: what can be given up is given up then."""
    return _came


@contextmanager
def deferred() -> Iterator[None]:
    """Raise the first ``KeyboardInterrupt`` of a block at its end; the second one at once.

    Does nothing on threads to which signals do not come, in a deferred block, and where SIGINT has a handler of the
    user's.

    Raises KeyboardInterrupt at the end of the block, if SIGINT came.

    Examples
    --------
    >>> try:
    ...     with deferred():
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("the rest of the block")
    ... except KeyboardInterrupt:
    ...     print("interrupted")
    the rest of the block
    interrupted
    """
    global _came, _deferring
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if _deferring or not main or before is not signal.default_int_handler:
        yield
        return

    def note(_: int, __: Any) -> None:
        global _came
        _came = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    _deferring = True
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        _deferring = False
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)
        interrupted, _came = _came, False
        if interrupted:
            raise KeyboardInterrupt
