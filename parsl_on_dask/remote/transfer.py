"""Files that move through Dask's connections: the worker's end.

A worker keeps the files that its tasks made or were given in a directory of its own, each in a folder named by its key.
What is not there it asks the client for, by an event; the client then sends it, or says which worker has it. Messages
to a worker, each with an answer::

    fetch   get a file from another worker, or from its path if that can be seen here
    begin, put, finish    take a file from the client
    read    give a piece of a file
    settle  what a task waits for is done, or cannot be
    drop    delete files that nobody needs any more
    hold    keep the files as long as this connection is there
    close   delete all
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import Any

from .chunks import Message, PeerError, WorkerConnection, describe, from_thread, pull, read, write_piece
from .errors import Failure
from .lasting import handler
from .placing import place
from .wrapping import TransferWrapper, marked

#: Name of the operation under which a worker takes messages.
OPERATION = "parsl_on_dask_files"
#: Name of the attribute by which files are told from others.
MARK = "_parsl_transfer"
#: How many files a worker fetches at a time; the event loop has other threads for what it reads.
TOGETHER = 4

#: Seconds after the client's last connection ended, until the files are deleted that it wanted.
ORPHANED = 30.0

HOST = socket.gethostname()

_depots: dict[tuple[int, str], Depot] = {}
_lock = threading.Lock()


class DaskTransfers(TransferWrapper):
    """A function that has its marked files brought to its worker, or offers those that it made.

    - `function`, `way`: as of :class:`~parsl_on_dask.remote.wrapping.TransferWrapper`.
    - `topic`: names the exchange.
    - `base`: directory for the files; None: the worker's own.
    - `timeout`: seconds that the client may be silent.
    """

    def __init__(self, function: Any, way: str, topic: str, base: str | None, timeout: float) -> None:
        super().__init__(function, way)
        self.topic = topic
        self.base = base
        self.timeout = timeout

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        from distributed import get_worker

        depot = depot_of(get_worker(), self.topic, self.base)
        notes = [each for each in marked(args, kwargs, MARK) if each[2]["way"] == self.way]
        if self.way == "in":
            orders = [depot.order(note, self.__name__) for _, _, note in notes]  # of all at once
            for (_, file, note), order in zip(notes, orders, strict=True):
                file.local_path = depot.wait(note, order, self.timeout, self.__name__)
            return super().__call__(*args, **kwargs)
        for _, file, note in notes:
            file.local_path = depot.prepare(note)
        try:
            value = super().__call__(*args, **kwargs)
        except BaseException:
            self.rescue(depot, notes)
            raise
        missing = [file for _, file, _ in notes if not os.path.exists(file.local_path)]
        if missing:
            self.rescue(depot, notes)
            raise Failure("MissingOutputs", f"Missing outputs from app {self.__name__}", missing)
        orders = [depot.offer(note, self.__name__) for _, _, note in notes]
        for (_, _, note), order in zip(notes, orders, strict=True):
            depot.wait(note, order, self.timeout, self.__name__)
        return value

    def rescue(self, depot: Depot, made: list[tuple[str, Any, dict[str, Any]]]) -> None:
        """What a failed app wrote to its output streams says why; the rest is removed."""
        for where, file, note in made:
            if where in ("stdout", "stderr") and note["bring"] and os.path.isfile(file.local_path):
                with suppress(Exception):
                    depot.wait(note, depot.offer(note, self.__name__), self.timeout, self.__name__)
            depot.remove(note["key"])


def staging_error(note: dict[str, Any], path: str, reason: str, app: str) -> Failure:
    """Says which file could not be moved."""
    return Failure("StagingError", note["way"], note["url"], path, HOST, f"{reason} (app {app!r})")


def depot_of(worker: Any, topic: str, base: str | None = None) -> Depot:
    """The files of an exchange on a worker."""
    key = (id(worker), topic)
    depot = _depots.get(key)
    if depot is None:
        with _lock:
            depot = _depots.get(key)
            if depot is None:
                depot = _depots[key] = Depot(worker, topic, base)
        if OPERATION not in worker.handlers:
            worker.handlers[OPERATION] = handler(_handle, worker)
    return depot


async def _handle(worker: Any, comm: Any, topic: str, message: Message) -> Any:
    if message["do"] == "hold":
        from distributed.core import Status

        await hold(worker, topic, comm)
        return Status.dont_reply
    return await answer(worker, topic, message)


async def hold(worker: Any, topic: str, comm: Any) -> None:
    """Keep the files of an exchange as long as its client keeps a connection."""
    depot = _depots.get((id(worker), topic))
    if depot is None:
        comm.abort()
        return
    depot.held += 1
    try:
        await comm.write({})
        await comm.read()
    except Exception:  # closed, in one of Dask's many ways
        pass
    finally:
        comm.abort()
        depot.held -= 1
        worker.loop.call_later(ORPHANED, depot.look_after)


async def answer(worker: Any, topic: str, message: Message) -> Message:
    """Answer a message to a worker."""
    depot = _depots.get((id(worker), topic))
    if depot is None:
        return {} if message["do"] in ("drop", "close") else {"error": "it has no files of this run", "kind": "OSError"}
    try:
        return await depot.answer(message)
    except PeerError as e:
        return {"error": str(e), "kind": e.kind}
    except OSError as e:
        return {"error": str(e), "kind": type(e).__name__}


class Depot:
    """The files of one exchange on one worker.

    - `files`: path and description of each file, by key.
    - `orders`: what tasks wait for, by key.
    - `last_contact`: when the client was last heard of.
    - `held`: how many connections of the client say that it is there.
    """

    def __init__(self, worker: Any, topic: str, base: str | None) -> None:
        self.worker = worker
        self.topic = topic
        name = f"{topic}-{os.getpid()}-{id(worker):x}"
        self.root = os.path.join(os.path.abspath(base or worker.local_directory), name)
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        self.files: dict[str, tuple[str, dict[str, int]]] = {}
        self.orders: dict[str, Future[None]] = {}
        self.parts: dict[str, str] = {}
        self.lock = threading.Lock()
        self.last_contact = time.monotonic()
        self.held = 0
        self.pool = ThreadPoolExecutor(TOGETHER, "parsl-files")

    # -- in the thread of a task ------------------------------------------------------------------------------------

    def path(self, key: str, name: str) -> str:
        """Where a file goes."""
        return os.path.join(self.root, key, name)

    def order(self, note: dict[str, Any], app: str) -> Future[None] | None:
        """Ask for a file that is not here; tasks that want the same one wait for the same order."""
        key = note["key"]
        with self.lock:
            known = self.files.get(key)
            if known is not None:
                if os.path.exists(known[0]):
                    return None
                del self.files[key]
            order = self.orders.get(key)
            if order is not None:
                return order
            order = self.orders[key] = Future()
        self.tell("want", key, name=note["name"], app=app)
        return order

    def wait(self, note: dict[str, Any], order: Future[None] | None, timeout: float, app: str) -> str:
        """Wait for an order; returns the path of the file."""
        self.last_contact = max(self.last_contact, time.monotonic() - timeout / 2)
        path = self.path(note["key"], note["name"])
        while order is not None:
            try:
                order.result(timeout=0.5)
                break
            except PeerError as e:
                raise staging_error(note, path, str(e), app) from None
            except NotYet:
                if time.monotonic() - self.last_contact > timeout:
                    with self.lock:
                        self.orders.pop(note["key"], None)
                    reason = (
                        f"worker {self.worker.address} has not heard of the script for {timeout} s "
                        "(DaskTransferStaging's timeout)"
                    )
                    raise staging_error(note, path, reason, app) from None
        return path

    def prepare(self, note: dict[str, Any]) -> str:
        """Make the folder of a file that is to be written."""
        self.remove(note["key"])
        path = self.path(note["key"], note["name"])
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        return path

    def offer(self, note: dict[str, Any], app: str) -> Future[None]:
        """Tell the client of a file that was made; done when it knows of it and, if it wants the file, has it."""
        key = note["key"]
        path = self.path(key, note["name"])
        try:
            known = describe(path)
        except OSError as e:
            raise staging_error(note, path, str(e), app) from e
        with self.lock:
            self.files[key] = (path, known)
            order = self.orders[key] = Future()
        self.tell("made", key, path=path, known=known, bring=note["bring"])
        return order

    def tell(self, what: str, key: str, **more: Any) -> None:
        """Send the client an event."""
        message = {"do": what, "key": key, "worker": self.worker.address, "host": HOST, **more}
        self.worker.loop.add_callback(self.worker.log_event, self.topic, message)

    def remove(self, key: str) -> None:
        """Delete a file."""
        with self.lock:
            self.files.pop(key, None)
            self.orders.pop(key, None)
            self.parts.pop(key, None)
        shutil.rmtree(os.path.join(self.root, key), ignore_errors=True)

    # -- in the event loop ------------------------------------------------------------------------------------------

    async def answer(self, message: Message) -> Message:
        """Answer a message."""
        do, key = message["do"], message.get("key", "")
        loop = asyncio.get_running_loop()
        if do == "read":
            known = self.files.get(key)
            if known is None:
                return {"error": "it does not have that file any more", "kind": "FileNotFoundError"}
            return await loop.run_in_executor(None, read, *known, message["offset"], message["size"])
        self.last_contact = time.monotonic()
        if do == "put":
            if key not in self.parts:
                return {"error": "the transfer was not begun", "kind": "OSError"}
            return await loop.run_in_executor(None, write_piece, self.parts[key], message)
        if do == "begin":
            await loop.run_in_executor(None, self.begin, key, message["name"])
        elif do == "finish":
            await loop.run_in_executor(None, self.finish, key, message)
            return {"path": self.files[key][0], "known": self.files[key][1]}
        elif do == "fetch":
            await loop.run_in_executor(self.pool, self.fetch, key, message)
            return {"path": self.files[key][0], "known": self.files[key][1]}
        elif do == "settle":
            self.settle(key, message.get("error"), message.get("kind", "OSError"))
        elif do == "drop":
            for each in message["keys"]:
                await loop.run_in_executor(None, self.remove, each)
        elif do == "close":
            await loop.run_in_executor(None, self.close)
        return {}

    def begin(self, key: str, name: str) -> None:
        path = self.path(key, name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        part = os.path.join(os.path.dirname(path), f".parsl-{os.urandom(8).hex()}.part")
        old, self.parts[key] = self.parts.get(key), part
        if old is not None:
            with suppress(OSError):
                os.unlink(old)
        open(part, "xb").close()

    def finish(self, key: str, message: Message) -> None:
        part = self.parts.pop(key)
        path = self.path(key, message["name"])
        try:
            if os.path.getsize(part) != message["size"]:
                raise PeerError(f"{os.path.getsize(part)} of {message['size']} bytes arrived")
            os.chmod(part, message["mode"])
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(part)
            raise
        self.have(key, path)

    def fetch(self, key: str, message: Message) -> None:
        """Get a file from another worker."""
        path, known = self.path(key, message["name"]), message["known"]
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        if not (message["links"] and _linked(message["path"], known, path)):
            source = message["from"]
            connection = WorkerConnection(source, OPERATION, self.worker.connection_args, {"topic": self.topic})
            request = from_thread(self.worker.loop, connection.ask)
            try:
                place(path, lambda part: pull(request, key, known, part, self.sign_of_life))
            finally:
                self.worker.loop.add_callback(connection.close)
        self.have(key, path)

    def sign_of_life(self) -> None:
        self.last_contact = time.monotonic()

    def have(self, key: str, path: str) -> None:
        with self.lock:
            self.files[key] = (path, describe(path))
        self.settle(key, None, "")

    def settle(self, key: str, error: str | None, kind: str) -> None:
        """A task's wait is over."""
        with self.lock:
            order = self.orders.pop(key, None)
        if order is not None and not order.done():
            if error is None:
                order.set_result(None)
            else:
                order.set_exception(PeerError(error, kind))

    def look_after(self) -> None:
        """Delete everything if the client has gone without a word."""
        if not self.held and _depots.get((id(self.worker), self.topic)) is self:
            self.pool.submit(self.close)

    def close(self) -> None:
        """Delete everything."""
        with _lock:
            _depots.pop((id(self.worker), self.topic), None)
        for key in list(self.orders):
            self.settle(key, "the script has ended its run", "RuntimeError")
        shutil.rmtree(self.root, ignore_errors=True)
        self.pool.shutdown(wait=False)


def _linked(source: str, known: dict[str, int], path: str) -> bool:
    """Whether a file could be had without a transfer, since its disk is one of ours."""
    try:
        if describe(source) != known:  # another machine's file of that name
            return False
        part = f"{path}.{os.urandom(4).hex()}.part"
        try:
            try:
                os.link(source, part)
            except OSError:  # another disk, or somebody else's file
                shutil.copy2(source, part)
            if describe(part)["size"] != known["size"]:
                return False
            os.replace(part, path)
        finally:
            with suppress(OSError):
                os.unlink(part)
    except OSError:
        return False
    return True
