"""Files in pieces over Dask's connections, checked piece by piece: the part that both ends have in common."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any
from zlib import crc32

from .attempts import retried

#: Bytes that travel together. Some copies of a piece are in memory on their way, and one piece more.
CHUNK = 4 << 20
#: How often a piece is sent for when the connection breaks, and the seconds before the second time; then twice as long.
ATTEMPTS, PAUSE = 4, 0.25
#: Seconds to wait for a connection.
CONNECT = 10.0

Message = dict[str, Any]
#: Sends a message to the other end, and has its answer.
Request = Callable[[Message], "Future[Message]"]


class PeerError(Exception):
    """The other end answered that it cannot.

    Parameters
    ----------
    text : str
    kind : str
        Name of the built-in exception that says it.
    """

    def __init__(self, text: str, kind: str = "OSError") -> None:
        super().__init__(text)
        self.kind = kind


def describe(path: str) -> dict[str, int]:
    """What tells a file from another one, and from a later version of itself.

    Raises
    ------
    OSError
        When it is not there, or is no plain file.
    """
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(
            errno.EISDIR, "a directory is where a file is expected; pack it, with tar for one", path
        )
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "no plain file, and only those can be moved", path)
    return {
        "size": status.st_size,
        "changed": status.st_mtime_ns,
        "inode": status.st_ino,
        "mode": stat.S_IMODE(status.st_mode),
    }


def read(path: str, known: dict[str, int], offset: int, size: int) -> Message:
    """A piece of a file, for whoever asked for it."""
    try:
        found = describe(path)
        if found["size"] != known["size"] or found["changed"] != known["changed"]:
            return {"error": f"{path} was changed while it was to be kept as it is", "kind": "RuntimeError"}
        with open(path, "rb") as file:
            data = os.pread(file.fileno(), size, offset)
    except OSError as e:
        return {"error": str(e), "kind": type(e).__name__}
    return {"data": data, "crc": crc32(data)}


def pull(request: Request, key: str, known: dict[str, int], part: str, alive: Callable[[], None] | None = None) -> None:
    """Write a file that is at the other end.

    Parameters
    ----------
    request : callable
    key : str
        What the other end calls the file.
    known : dict
        What :func:`describe` said of it there.
    part : str
        What to write.
    alive : callable, optional
        Called after every piece.

    Raises
    ------
    PeerError
        With the other end's words.
    OSError
        When the other end cannot be reached, or the file not be written.
    """
    size = known["size"]
    with open(part, "wb") as file:
        done = 0
        asked = request({"do": "read", "key": key, "offset": 0, "size": CHUNK}) if size else None
        while done < size:
            assert asked is not None
            piece: Message = {"do": "read", "key": key, "offset": done, "size": CHUNK}
            data = _answered(request, piece, asked, check=True)["data"]
            if not data:
                raise PeerError(f"it ends after {done} of {size} bytes", "OSError")
            done += len(data)
            if done < size:  # comes while this one is written
                asked = request({"do": "read", "key": key, "offset": done, "size": CHUNK})
            file.write(data)
            if alive is not None:
                alive()
        file.flush()
    if done != size:
        raise PeerError(f"it has more than the {size} bytes that were said", "OSError")
    os.chmod(part, known["mode"])


def push(request: Request, key: str, path: str, known: dict[str, int], about: Message) -> Message:
    """Send a file to the other end; arguments and errors as for :func:`pull`.

    Parameters
    ----------
    about : dict
        Goes with the messages that begin and end the transfer.

    Returns
    -------
    dict
        The answer to the end of the file.
    """
    _answered(request, {**about, "do": "begin", "key": key})
    sent: tuple[Message, Future[Message]] | None = None
    done = 0
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            if sent is not None:
                _answered(request, *sent)
            piece = {"do": "put", "key": key, "offset": done, "data": data, "crc": crc32(data)}
            sent = piece, request(piece)
            done += len(data)
    if sent is not None:
        _answered(request, *sent)
    now = describe(path)
    if done != known["size"] or now["changed"] != known["changed"] or now["size"] != known["size"]:
        raise PeerError(f"{path} was changed while it was sent", "RuntimeError")
    return _answered(request, {**about, "do": "finish", "key": key, "size": done, "mode": known["mode"]})


def write_piece(part: str, message: Message) -> Message:
    """Write a piece that :func:`push` sent."""
    data = message["data"]
    if crc32(data) != message["crc"]:
        return {"again": "a piece was damaged on its way"}
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            view = memoryview(data)
            done = 0
            while done < len(view):
                done += os.pwrite(fd, view[done:], message["offset"] + done)
        finally:
            os.close(fd)
    except OSError as e:
        return {"error": str(e), "kind": type(e).__name__}
    return {}


def _answered(request: Request, message: Message, asked: Future[Message] | None = None, check: bool = False) -> Message:
    """The answer to a message, which is sent again when it got lost."""

    def answer() -> Message:
        nonlocal asked
        pending, asked = asked, None
        found: Message = wait_for(request(message) if pending is None else pending)
        problem = found.get("again")
        if check and problem is None and "data" in found and crc32(found["data"]) != found["crc"]:
            problem = "a piece was damaged on its way"
        if problem is not None:
            raise OSError(problem)
        if "error" in found:
            raise PeerError(found["error"], found.get("kind", "OSError"))
        return found

    return retried(answer, ATTEMPTS, PAUSE, lambda e: isinstance(e, (OSError, asyncio.TimeoutError)))


def wait_for(future: Future[Any]) -> Any:
    """A future's result, waiting in short pieces: an exception meant for this thread is raised between two of them."""
    while True:
        try:
            return future.result(timeout=0.5)
        except NotYet:
            if future.done():
                return future.result()


class WorkerConnection:
    """A connection to a worker that is made when it is needed, and again when it broke. For one event loop.

    Parameters
    ----------
    address : str
    operation : str
        What answers there.
    arguments : dict
        Dask's, for connecting: certificates and the like.
    more : dict
        Goes with every message.
    timeout : float
        Seconds that an answer may take.
    """

    def __init__(
        self, address: str, operation: str, arguments: dict[str, Any], more: Message, timeout: float = 60.0
    ) -> None:
        self.address = address
        self.operation = operation
        self.arguments = arguments
        self.more = more
        self.timeout = timeout
        self.comm: Any = None
        self.lock = asyncio.Lock()

    async def ask(self, message: Message, timeout: float | None = None) -> Message:
        """Send a message and wait for the answer.

        Raises
        ------
        OSError
            When that did not work; the connection is then closed.
        """
        from distributed.comm.core import connect

        async with self.lock:
            try:
                if self.comm is None or self.comm.closed():
                    self.comm = await connect(self.address, timeout=CONNECT, **self.arguments)
                await self.comm.write({"op": self.operation, **self.more, "message": message})
                limit = self.timeout if timeout is None else timeout
                answer = await asyncio.wait_for(self.comm.read(), limit)
            except BaseException as e:
                self.close()
                if isinstance(e, asyncio.TimeoutError):
                    raise OSError(f"{self.address} did not answer within {limit} s") from e
                raise
        if not isinstance(answer, dict) or answer.get("status") == "uncaught-error":
            raise OSError(f"{self.address} answered {str(answer)[:200]}")
        return answer

    def close(self) -> None:
        """End the connection."""
        comm, self.comm = self.comm, None
        if comm is not None:
            comm.abort()


def from_thread(loop: Any, ask: Callable[[Message], Awaitable[Message]]) -> Request:
    """What asks, in an event loop, for a thread outside of it.

    Parameters
    ----------
    loop : tornado.ioloop.IOLoop
    ask : callable
    """

    def request(message: Message) -> Future[Message]:
        async def asked() -> Message:
            return await ask(message)

        return asyncio.run_coroutine_threadsafe(asked(), loop.asyncio_loop)

    return request
