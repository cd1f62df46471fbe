"""The client's ends of the direct connections to workers (see :mod:`parsl_on_dask.remote.agent`)."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from parsl_on_dask.remote.agent import ACKNOWLEDGED, BYTES_ACKNOWLEDGED, FUNCTIONS_KEPT, GONE, OPERATION, CommWriter

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("parsl.lanes.links")

#: Of how many connections is remembered how much was read, or that they cannot be made.
REMEMBERED = 1024
#: Seconds that saying goodbye to a worker may take.
GOODBYE = 1.0


class Link:
    """A connection to one worker.

    - `ready`: whether calls can be sent.
    - `failed`: whether it could not be made.
    - `known`: keys of the functions that the worker has called last, in the order in which they became known.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.name = uuid.uuid4().hex
        self.ready = False
        self.failed = False
        self.known: dict[str, None] = {}
        self.stream: Any = None
        self.comm: Any = None

    def knows(self, key: str) -> None:
        """Take note that the worker has a function. It forgets some; the client does, too, and sends these again."""
        self.known[key] = None
        while len(self.known) > FUNCTIONS_KEPT:
            del self.known[next(iter(self.known))]


class Links:
    """The connections of one lane, by worker address.

    - `topic`: names the lane to the workers.
    - `deliver`: called in the client's event loop as ``deliver(kind, item)``: ``("event", message)`` for what a worker
      sends, ``("linked", link)`` and ``("unlinked", link)``.
    """

    def __init__(self, client: Client, topic: str, deliver: Callable[[str, Any], None]) -> None:
        self.client: Any = client
        self.topic = topic
        self.deliver = deliver
        self.links: dict[str, Link] = {}
        #: how many messages were read that came by a connection, or would have, by its name
        self.read: dict[str, int] = {}
        self.closed = False

    def to(self, address: str) -> Link:
        """The connection to a worker; a new one becomes ready a little later, if the worker can be reached."""
        link = self.links.get(address)
        if link is None:
            if len(self.links) >= REMEMBERED:
                self._forget()
            link = self.links[address] = Link(address)
            self.client.loop.add_callback(self._open, link)
        return link

    def _forget(self) -> None:
        """Let go of the oldest connections that could not be made: most of those workers have gone."""
        for address, link in list(self.links.items()):
            if link.failed:
                del self.links[address]

    def send(self, link: Link, message: bytes) -> None:
        """Send a pickled message. What a broken connection swallows is noticed by ``unlinked``."""
        self.client.loop.add_callback(self._send, link, message)

    def _send(self, link: Link, message: bytes) -> None:
        try:
            link.stream.send(message)
        except Exception:
            logger.debug("connection to %s is gone", link.address)

    def received(self, message: Any) -> None:
        """Take what came through the scheduler. In the client's event loop.

        That is a message, or one that a worker sent by a connection before this broke, with its number there.
        """
        if isinstance(message, bytes):
            self.deliver("event", message)
        else:
            name, number, sent = message
            if self._is_new(name, number) and sent:
                self.deliver("event", sent)

    def _is_new(self, name: str, number: int) -> bool:
        """Whether a message was not read before, by either road."""
        if number < self.read.get(name, 0):
            return False
        if name not in self.read and len(self.read) >= REMEMBERED + len(self.links):
            open_ones = {link.name for link in list(self.links.values())}
            oldest = next((known for known in self.read if known not in open_ones), name)
            self.read.pop(oldest, None)
        self.read[name] = number + 1
        return True

    async def _open(self, link: Link) -> None:
        from distributed.comm.core import connect

        try:
            link.comm = await connect(link.address, **self.client.connection_args)
            await link.comm.write({"op": OPERATION, "topic": self.topic, "link": link.name, "reply": False})
            link.stream = CommWriter(link.comm)
            number = told = size = 0
            while not self.closed:
                for message in await link.comm.read():
                    if self._is_new(link.name, number):
                        if message:
                            self.deliver("event", message)
                        else:  # the worker's greeting
                            link.ready = True
                            self.deliver("linked", link)
                    number += 1
                    size += len(message)
                if number - told >= ACKNOWLEDGED or size >= BYTES_ACKNOWLEDGED:
                    link.stream.send(number)
                    told, size = number, 0
        except Exception as e:  # not reachable from here, or closed: calls take the way through the scheduler
            logger.debug("no direct connection to %s: %r", link.address, e)
        finally:
            was_ready, link.ready = link.ready, False
            if link.comm is not None:
                link.comm.abort()
            if was_ready:
                self.links.pop(link.address, None)
                self.deliver("unlinked", link)
            else:
                link.failed = True

    def close(self) -> None:
        """End all connections."""
        self.closed = True

        async def leave(link: Link) -> None:
            try:
                # else the worker would take this for a broken connection, and tell again what it has told last
                link.stream.send(GONE)
                await asyncio.wait_for(link.stream.writing, GOODBYE)
            except Exception:
                logger.debug("no goodbye to %s", link.address, exc_info=True)
            finally:
                link.comm.abort()

        def begin() -> None:
            for link in list(self.links.values()):
                if link.stream is not None:
                    self.client.loop.add_callback(leave, link)
                elif link.comm is not None:
                    link.comm.abort()

        self.client.loop.add_callback(begin)
