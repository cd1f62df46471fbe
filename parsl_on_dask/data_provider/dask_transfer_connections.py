"""Connections to the workers that files go to and come from: direct ones, or by way of the scheduler."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import cache
from typing import Any

from parsl_on_dask.common.by_value import Launch, by_value
from parsl_on_dask.dask_internals.clients import run_on_worker
from parsl_on_dask.remote.chunks import Message, PeerError, WorkerConnection
from parsl_on_dask.remote.transfer import OPERATION

logger = logging.getLogger("parsl.data_provider.dask_transfer")

#: How many connections are kept to be used again.
KEPT = 16


class Connections:
    """The connections of a client to the workers of its cluster.

    - `topic`: what the workers know the client's files by.
    - `timeout`: seconds that an answer may take.
    """

    def __init__(self, client: Any, topic: str, timeout: float) -> None:
        self.client = client
        self.topic = topic
        self.timeout = timeout
        self.free: dict[str, list[Any]] = {}
        #: Workers that only the scheduler can reach.
        self.by_scheduler: set[str] = set()
        self.closed = False

    def take(self, worker: str) -> Any:
        """A connection that nobody uses."""
        with suppress(KeyError, IndexError):
            return self.free[worker].pop()
        return _ByScheduler(self, worker) if worker in self.by_scheduler else _Direct(self, worker)

    def give_back(self, connection: Any) -> None:
        """Keep a connection that went well."""
        if self.closed or len(self.free) > KEPT:
            self.client.loop.add_callback(connection.close)
        else:
            self.free.setdefault(connection.address, []).append(connection)

    async def tell(self, worker: str, message: Message, timeout: float | None = 0.0) -> Message:
        """Send a worker a message; None as timeout: it may take as long as it takes."""
        connection = self.take(worker)
        answer: Message = await connection.ask(message, 1e7 if timeout is None else self.timeout)
        self.give_back(connection)
        if "error" in answer:
            raise PeerError(answer["error"], answer.get("kind", "OSError"))
        return answer

    async def workers(self) -> Any:
        """The workers that there are, by address."""
        return (await self.client.scheduler.identity(n_workers=-1))["workers"]

    def close(self) -> None:
        """Close those that nobody uses. In the event loop."""
        self.closed = True
        for connections in self.free.values():
            for connection in connections:
                connection.close()


class _Direct(WorkerConnection):
    """A connection from here to a worker; by way of the scheduler where there can be none."""

    def __init__(self, owner: Connections, worker: str) -> None:
        super().__init__(worker, OPERATION, owner.client.connection_args, {"topic": owner.topic}, owner.timeout)
        self.owner = owner

    async def ask(self, message: Message, timeout: float | None = None) -> Message:
        fresh = self.comm is None
        try:
            if not (fresh and self.address in self.owner.by_scheduler):
                return await super().ask(message, timeout)
        except OSError:
            if not fresh or self.address not in await self.owner.workers():
                raise
            logger.info("Worker %s cannot be reached from here: its files go through the scheduler",
                        self.address)  # fmt: skip
            self.owner.by_scheduler.add(self.address)
        return await _ByScheduler(self.owner, self.address).ask(message, timeout)


class _ByScheduler:
    """Messages to a worker that only the scheduler can reach."""

    def __init__(self, owner: Connections, worker: str) -> None:
        self.owner = owner
        self.address = worker

    async def ask(self, message: Message, timeout: float | None = None) -> Message:
        """Send a message and wait for the answer."""
        limit = self.owner.timeout if timeout is None else timeout
        sent = run_on_worker(self.owner.client, self.address, _relay(), self.owner.topic, message)
        try:
            answers = await asyncio.wait_for(sent, limit)
        except asyncio.TimeoutError as e:
            raise OSError(f"{self.address} did not answer within {limit} s") from e
        answer: Message = answers[self.address]
        return answer

    def close(self) -> None:
        """There is nothing to close."""


@cache
def _relay() -> Launch:
    """What a worker runs, at the scheduler's request, to answer a message."""

    async def parsl_files(topic: str, message: Any, dask_worker: Any = None) -> Any:
        from parsl_on_dask.remote.transfer import answer

        return await answer(dask_worker, topic, message)

    return by_value(parsl_files)
