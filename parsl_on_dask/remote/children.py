"""Keeps the processes that a call forks away from the connections of their worker.

A forked child has copies of all connections of its parent. While it lives, nobody at their other ends sees that the
parent has died. So a child lets go of Dask's connections, and of what else was named here, as it begins. A child that
comes back from its call ends there: the rest of the process is its parent's business.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .internals import connections, listening_sockets
from .lasting import in_children

#: Seconds that a child may take to write what is in its streams.
LAST_WORDS = 5.0

_sockets: weakref.WeakSet[Any] = weakref.WeakSet()
_servers: weakref.WeakSet[Any] = weakref.WeakSet()
_watching = False

#: This process's id, without a system call each time that somebody looks.
process = os.getpid()


def _after_fork() -> None:
    global process
    process = os.getpid()


in_children(_after_fork)


def keep_socket(socket: Any) -> None:
    """Close a socket in the children that this process forks from now on."""
    _sockets.add(socket)
    _watch()


def keep_connections(server: Any) -> None:
    """Close the same way what a worker listens on, and all connections of Dask's in this process."""
    _servers.add(server)
    _watch()


def _watch() -> None:
    global _watching
    if not _watching:
        _watching = True
        in_children(_let_go)


def _let_go() -> None:
    try:
        null = os.open(os.devnull, os.O_RDWR)
    except OSError:  # no file can be opened any more
        return
    for number in set(_numbers()):
        try:
            # not closed: whoever has the number in an object here would close the next file that gets it
            os.dup2(null, number, inheritable=False)
        except OSError:
            continue
    os.close(null)


def _numbers() -> Iterator[int]:
    """File numbers of what the children of this process must not have."""
    found = [*[getattr(getattr(comm, "stream", None), "socket", None) for comm in connections()], *_sockets]
    for server in list(_servers):
        found += listening_sockets(server)
    for each in found:
        try:
            number = each.fileno()
        except (AttributeError, OSError, ValueError):  # closed before, or not of a socket
            continue
        if number > 2:
            yield number


def leave(error: BaseException | None) -> None:
    """End this process, a forked child that has come back from its call.

    `error`: what the call raised in the child. It is shown on stderr, as no future waits for it.
    """
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        code = 1
    try:
        # a lock of a stream stays taken here, if another thread of the parent had it
        last_words = threading.Thread(target=_say, args=(error if code else None,), daemon=True)
        last_words.start()
        last_words.join(LAST_WORDS)
    finally:
        os._exit(code & 0xFF)


def _say(error: BaseException | None) -> None:
    with suppress(Exception):  # nobody reads it any more
        if error is not None and not isinstance(error, SystemExit):
            traceback.print_exception(error)
        sys.stdout.flush()
        sys.stderr.flush()
