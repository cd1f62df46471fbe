"""Decides, on one cluster, which side sends which file to which worker."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from parsl_on_dask.clusters.client_plugins import topic_of
from parsl_on_dask.data_provider.dask_transfer_connections import Connections
from parsl_on_dask.data_provider.dask_transfer_file import Exchange, TransferFile, lost
from parsl_on_dask.remote.chunks import CONNECT, Message, PeerError, describe, from_thread, pull, push
from parsl_on_dask.remote.placing import place
from parsl_on_dask.remote.transfer import OPERATION

logger = logging.getLogger("parsl.data_provider.dask_transfer")

#: How many files go between the script and the workers at a time, and how many copies of a file leave one worker.
TOGETHER, PER_HOLDER = 4, 2
#: Seconds to wait for the news that a file was made, and between signs of life to workers that wait.
NEWS, SIGN = 30.0, 5.0


class Copy:
    """A file on a worker."""

    def __init__(self, worker: str, host: str, path: str, known: dict[str, int]) -> None:
        self.worker = worker
        self.host = host
        self.path = path
        self.known = known
        self.serving = 0


class Copies:
    """Where a file is on one cluster, and where it is on its way to."""

    def __init__(self) -> None:
        self.workers: dict[str, Copy] = {}
        self.busy: set[str] = set()
        self.pushing = False
        self.news = asyncio.Event()
        self.reasons: list[str] = []

    def changed(self) -> None:
        """Wake those who wait for a better moment."""
        self.news.set()
        self.news = asyncio.Event()


class ClusterTransfers:
    """Moves files on one cluster.

    Its methods with a Message run in the client's event loop, as all that looks at its attributes.

    - `timeout`: seconds that an answer may take.
    - `links`: whether workers may take files from each other's directories.
    """

    def __init__(self, exchange: Exchange, client: Any, timeout: float, links: bool) -> None:
        self.exchange = exchange
        self.client = client
        self.timeout = timeout
        self.links = links
        self.topic = topic_of(client, f"files-{uuid.uuid4().hex[:12]}")
        self.copies: dict[str, Copies] = {}
        #: workers that may have files, and those of them to which a connection is kept
        self.seen: set[str] = set()
        self.held: set[str] = set()
        self.connections = Connections(client, self.topic, timeout)
        self.pool = ThreadPoolExecutor(TOGETHER, "parsl-files")
        self.tasks: set[asyncio.Task[None]] = set()
        self.closed = False
        client.subscribe_topic(self.topic, self._event)

    # -- from other threads ------------------------------------------------------------------------------------------

    def has(self, key: str) -> bool:
        """Whether a worker has a file."""
        copies = self.copies.get(key)
        return copies is not None and bool(copies.workers)

    def forget(self, key: str) -> None:
        """Have a file removed from all workers."""
        with suppress(RuntimeError):  # the loop has been closed
            self.client.loop.add_callback(self._forget, key)

    def copy_to(self, key: str, part: str) -> None:
        """Write a file that is on a worker here. Not in the event loop."""
        reasons = []
        for copy in list(self.copies[key].workers.values()) if key in self.copies else ():
            try:
                self._pull(copy.worker, key, copy.known, part)
                return
            except (OSError, PeerError) as e:
                if isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES):
                    raise
                reasons.append(f"worker {copy.worker}: {e}")
        raise FileNotFoundError("; ".join(reasons) or "no worker has the file any more")

    def close(self) -> None:
        """Remove all files from the workers. Returns when they have answered, or a few seconds later."""
        if self.closed:
            return
        self.closed = True
        done: Future[None] = Future()

        async def close() -> None:
            try:
                for task in list(self.tasks):
                    task.cancel()
                with suppress(Exception):
                    self.client.unsubscribe_topic(self.topic)
                alive = self.seen & set(await self.connections.workers())
                await asyncio.wait_for(
                    asyncio.gather(*(self.connections.tell(w, {"do": "close"}) for w in alive), return_exceptions=True),
                    10,
                )
            except Exception as e:
                logger.debug("Files may be left on workers: %r", e)
            finally:
                self.connections.close()
                done.set_result(None)

        try:
            self.client.loop.add_callback(close)
            done.result(timeout=15)
        except Exception as e:  # the cluster has gone, and the files with it
            logger.debug("Files may be left on workers: %r", e)
        self.pool.shutdown(wait=False)

    # -- events ------------------------------------------------------------------------------------------------------

    def _event(self, event: tuple[float, Message]) -> None:
        message = event[1]
        if self.closed:
            return
        self.seen.add(worker := message["worker"])
        if worker not in self.held | self.connections.by_scheduler:
            self.held.add(worker)
            self._start(self._hold(worker))
        work = self._made(message) if message["do"] == "made" else self._wanted(message)
        self._start(self._guarded(work, message))

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _hold(self, worker: str) -> None:
        """Keep a connection, by which a worker sees that this process lives."""
        from distributed.comm.core import connect

        comm: Any = None
        while not self.closed:
            try:
                comm = await connect(worker, timeout=CONNECT, **self.client.connection_args)
                await comm.write({"op": OPERATION, "topic": self.topic, "message": {"do": "hold"}})
                while True:
                    await comm.read()
            except Exception as e:  # closed, in one of Dask's many ways
                logger.debug("No connection to worker %s: %r", worker, e)
            finally:
                if comm is not None:
                    comm.abort()
            await asyncio.sleep(1.0)
            if worker in self.connections.by_scheduler or worker not in await self.connections.workers():
                self.held.discard(worker)
                return

    async def _guarded(self, work: Any, message: Message) -> None:
        """Whatever goes wrong, the worker hears of it; and of us, as long as it takes."""
        key, worker = message["key"], message["worker"]
        signs = asyncio.ensure_future(self._signs(worker))
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as e:
            kind = e.kind if isinstance(e, PeerError) else _kind(e)
            logger.info("File %s, worker %s: %s", key, worker, e)
            with suppress(Exception):
                await self.connections.tell(worker, {"do": "settle", "key": key, "error": str(e), "kind": kind})
        finally:
            signs.cancel()

    async def _signs(self, worker: str) -> None:
        while True:
            await asyncio.sleep(SIGN)
            with suppress(Exception):
                await self.connections.tell(worker, {"do": "alive"})

    async def _made(self, message: Message) -> None:
        """A task made a file."""
        key, worker = message["key"], message["worker"]
        moved = self.exchange.moved.get(key)
        if moved is None:  # nobody wants it
            await self.connections.tell(worker, {"do": "settle", "key": key})
            await self.connections.tell(worker, {"do": "drop", "keys": [key]})
            return
        copies = self.copies.setdefault(key, Copies())
        older = [each for each in copies.workers if each != worker]  # of a try that failed afterwards
        copies.workers = {worker: Copy(worker, message["host"], message["path"], message["known"])}
        for each in older:
            self._start(self._drop(each, key))
        moved.made = True
        copies.changed()
        if message["bring"]:
            await self._in_thread(self._bring, moved, worker, message["known"])
        await self.connections.tell(worker, {"do": "settle", "key": key})

    def _bring(self, moved: TransferFile, worker: str, known: dict[str, int]) -> None:
        assert moved.path is not None
        try:
            place(moved.path, lambda part: self._pull(worker, moved.key, known, part))
        except OSError as e:
            raise PeerError(f"it could not be written to {moved.path}: {e}", _kind(e)) from e
        except PeerError as e:
            raise PeerError(f"it could not be brought to {moved.path}: {e}", e.kind) from e
        self.exchange.arrived(moved)

    async def _wanted(self, message: Message) -> None:
        """A worker wants a file."""
        key, worker, host = message["key"], message["worker"], message["host"]
        moved = self.exchange.moved.get(key)
        if moved is None:
            raise PeerError("nobody wants it any more")
        copies = self.copies.setdefault(key, Copies())
        patience = asyncio.get_running_loop().time() + NEWS
        while True:
            source = self._choose(moved, copies, worker, host)
            if source is None:
                if not moved.made and not copies.busy and asyncio.get_running_loop().time() > patience:
                    raise PeerError(
                        f"{moved.task} has not made it: that task did not run, as when its result comes from the "
                        "cache, and files on the workers are not kept from run to run",
                        "FileNotFoundError",
                    )
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(copies.news.wait(), 1.0)
                if moved.made and not copies.busy and not copies.workers and not self._here(moved):
                    await self._elsewhere(moved, copies)
                continue
            copies.busy.add(host)
            try:
                if isinstance(source, Copy):
                    answer = await self._from_worker(moved, copies, source, worker)
                else:
                    answer = await self._from_here(moved, copies, worker)
            finally:
                copies.busy.discard(host)
                copies.changed()
            if answer is not None:
                copies.workers[worker] = Copy(worker, host, answer["path"], answer["known"])
                return
            if worker not in await self.connections.workers():
                return

    def _here(self, moved: TransferFile) -> bool:
        """Whether the file can be sent from this machine."""
        return moved.path is not None and (moved.known is not None or not moved.task or self.has_come(moved))

    @staticmethod
    def has_come(moved: TransferFile) -> bool:
        """Whether an output is at its path, from an earlier run or an app of this process."""
        return moved.made and moved.path is not None and os.path.isfile(moved.path)

    def _choose(self, moved: TransferFile, copies: Copies, worker: str, host: str) -> Copy | str | None:
        """Whom to get a file from now; None: wait."""
        if host in copies.busy:
            return None
        on_host = [p for p in copies.workers.values() if p.host == host and p.worker != worker]
        if on_host:
            return on_host[0]
        free = [p for p in copies.workers.values() if p.serving < PER_HOLDER and p.worker != worker]
        if free:
            return min(free, key=lambda p: p.serving)
        if self._here(moved) and not copies.pushing:
            return "here"
        return None

    async def _from_worker(self, moved: TransferFile, copies: Copies, source: Copy, worker: str) -> Message | None:
        """Have a worker get a file from another one. None when that did not work and something else should be tried."""
        message = {
            "do": "fetch",
            "key": moved.key,
            "name": moved.name,
            "from": source.worker,
            "path": source.path,
            "known": source.known,
            "links": self.links,
        }
        source.serving += 1
        try:
            return await self._unless_gone(source.worker, self.connections.tell(worker, message, None))
        except PeerError as e:
            if e.kind in ("PermissionError",) or "No space" in str(e):
                raise
            copies.reasons.append(f"worker {source.worker} had it, and could not give it ({e})")
            copies.workers.pop(source.worker, None)
            return None
        except OSError:
            if worker in await self.connections.workers():
                copies.workers.pop(source.worker, None)
            return None
        finally:
            source.serving -= 1

    async def _unless_gone(self, worker: str, work: Any) -> Message:
        """Wait for what needs a worker; Dask tries for long to reach one that has gone."""
        task: asyncio.Task[Message] = asyncio.ensure_future(work)
        try:
            while worker in await self.connections.workers():
                await asyncio.wait({task}, timeout=1.0)
                if task.done():
                    return task.result()
        finally:
            task.cancel()
        raise PeerError("it has gone")

    async def _from_here(self, moved: TransferFile, copies: Copies, worker: str) -> Message | None:
        """Send a file of this machine to a worker."""
        copies.pushing = True
        try:
            answer: Message = await self._in_thread(self._push, moved, worker)
            return answer
        except OSError as e:
            if worker not in await self.connections.workers():
                return None
            raise PeerError(f"it could not be sent from {moved.path}: {e}", _kind(e)) from e
        finally:
            copies.pushing = False

    async def _elsewhere(self, moved: TransferFile, copies: Copies) -> None:
        """Get a file here that is on another cluster."""
        if self.exchange.holder(moved, but=self) is None:
            raise PeerError(lost(moved, copies.reasons), "FileNotFoundError")
        await self._in_thread(self.exchange.here, moved)

    # -- transfers, in threads of their own --------------------------------------------------------------------------

    async def _in_thread(self, step: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.pool, step, *args)

    def _push(self, moved: TransferFile, worker: str) -> Message:
        assert moved.path is not None
        try:
            known = describe(moved.path)
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "there is no such file where the script runs", moved.path) from None
        if moved.known is not None and (known["size"], known["changed"]) != (
            moved.known["size"],
            moved.known["changed"],
        ):
            raise PeerError(
                f"{moved.path} was changed between the call of the app and now: leave inputs as they are until their "
                "apps are done",
                "RuntimeError",
            )
        connection = self.connections.take(worker)
        request = from_thread(self.client.loop, connection.ask)
        answer = push(request, moved.key, moved.path, known, {"name": moved.name})
        self.connections.give_back(connection)
        return answer

    def _pull(self, worker: str, key: str, known: dict[str, int], part: str) -> None:
        connection = self.connections.take(worker)
        pull(from_thread(self.client.loop, connection.ask), key, known, part)
        self.connections.give_back(connection)

    async def _forget(self, key: str) -> None:
        copies = self.copies.pop(key, None)
        if copies is not None and not self.closed:
            for worker in copies.workers:
                await self._drop(worker, key)

    async def _drop(self, worker: str, key: str) -> None:
        with suppress(Exception):  # it may have gone
            await self.connections.tell(worker, {"do": "drop", "keys": [key]})


def _kind(e: BaseException) -> str:
    for cls in type(e).__mro__:
        if cls.__module__ == "builtins":
            return cls.__name__
    return "RuntimeError"
