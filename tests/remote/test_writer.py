"""The connection between a client and a worker, over real sockets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.lanes.links import Links
from parsl_on_dask.remote.agent import GONE, Agent, CommWriter
from tests.helpers import WAIT


def connected(use: Callable[[Any, Any], Coroutine[Any, Any, None]]) -> None:
    """Run ``use(here, there)`` in an event loop, with the two ends of a connection of Dask's."""
    from distributed.comm.core import connect, listen

    async def main() -> None:
        arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def accept(comm: Any) -> None:
            arrived.set_result(comm)

        async with listen("tcp://127.0.0.1", accept) as listener:
            here = await connect(listener.contact_address)
            there = await arrived
            try:
                await asyncio.wait_for(use(here, there), WAIT)
            finally:
                here.abort()
                there.abort()

    asyncio.run(main())


async def read(comm: Any, number: int) -> list[list[bytes]]:
    """What arrives, one list a message of Dask's, until there are that many of ours."""
    lists: list[list[bytes]] = []
    while sum(map(len, lists)) < number:
        lists.append([bytes(message) for message in await comm.read()])
    return lists


async def let_write(writer: CommWriter) -> None:
    while writer.writing is not None:
        await asyncio.sleep(0)


def joined(lists: list[list[bytes]]) -> list[bytes]:
    return [message for messages in lists for message in messages]


def test_messages_arrive_in_order() -> None:
    async def use(here: Any, there: Any) -> None:
        writer = CommWriter(here)
        sent = [str(i).encode() * (1 + i % 7) for i in range(2000)]
        reading = asyncio.ensure_future(read(there, len(sent)))
        for i, message in enumerate(sent):
            writer.send(message)
            if i % 17 == 0:  # now and then something is written meanwhile
                await asyncio.sleep(0)
        assert joined(await reading) == sent

    connected(use)


def test_messages_of_one_moment_go_together() -> None:
    async def use(here: Any, there: Any) -> None:
        writer = CommWriter(here)
        sent = [str(i).encode() for i in range(100)]
        for message in sent:
            writer.send(message)
        assert await read(there, 100) == [sent]

    connected(use)


def test_messages_that_come_while_one_is_written_go_together() -> None:
    async def use(here: Any, there: Any) -> None:
        write, may_write = here.write, asyncio.Event()

        async def slowly(messages: Any) -> None:
            await may_write.wait()
            await write(messages)

        here.write = slowly
        writer = CommWriter(here)
        writer.send(b"first")
        later = [str(i).encode() for i in range(100)]
        for message in later:
            await asyncio.sleep(0)
            writer.send(message)
        may_write.set()
        assert await read(there, 101) == [[b"first"], later]
        await let_write(writer)
        writer.send(b"afterwards")
        assert await read(there, 1) == [[b"afterwards"]]

    connected(use)


def test_a_message_may_be_empty() -> None:
    async def use(here: Any, there: Any) -> None:
        CommWriter(here).send(b"")
        assert await read(there, 1) == [[b""]]

    connected(use)


@pytest.mark.parametrize("end", ["here", "there"])
def test_a_broken_connection_is_an_oserror(end: str) -> None:
    async def use(here: Any, there: Any) -> None:
        writer = CommWriter(here)
        writer.send(b"first")
        assert await read(there, 1) == [[b"first"]]
        (here if end == "here" else there).abort()
        with pytest.raises(OSError):
            while True:  # the first ones may get lost before the system notices
                writer.send(b"lost")
                await let_write(writer)
        assert writer.broken and here.closed() and writer.writing is None
        with pytest.raises(OSError):
            writer.send(b"never")

    connected(use)


def test_a_connection_that_breaks_while_something_is_written() -> None:
    async def use(here: Any, there: Any) -> None:
        writer = CommWriter(here)
        writer.send(os.urandom(8_000_000))
        await asyncio.sleep(0)
        there.abort()
        with pytest.raises(OSError):
            while True:
                await let_write(writer)
                writer.send(b"lost")

    connected(use)


def test_what_was_not_acknowledged_goes_the_long_way() -> None:
    """The client has read two of four messages, and said so of one, when the connection breaks."""
    long_way: list[Any] = []
    worker: Any = SimpleNamespace(log_event=lambda topic, message: long_way.append(message), name="w", address="a")

    async def use(here: Any, there: Any) -> None:
        agent = Agent(worker, "topic")
        serving = asyncio.ensure_future(agent.serve(there, "link"))
        assert await read(here, 1) == [[b""]]
        for message in (b"1", b"2", b"3"):
            agent._send(message)
        await read(here, 1)
        await here.write([2])
        while agent.stream.first < 2:
            await asyncio.sleep(0.001)
        here.abort()
        await serving
        agent._send(b"4")

    connected(use)
    assert long_way == [("link", 2, b"2"), ("link", 3, b"3"), b"4"]


def test_a_client_reads_each_message_once_whatever_way_it_comes() -> None:
    taken: list[Any] = []
    client: Any = SimpleNamespace()
    links = Links(client, "topic", lambda kind, item: taken.append(item))
    assert all(links._is_new("link", number) for number in (0, 1))
    came: list[Any] = [
        ("link", 0, b""),
        ("link", 1, b"1"),
        ("link", 2, b"2"),
        ("other", 0, b""),
        ("other", 1, b"3"),
        b"4",
    ]
    for message in came:
        links.received(message)
    assert taken == [b"2", b"3", b"4"]
    assert not links._is_new("link", 2), "it lay in the socket meanwhile"


def test_nothing_is_told_after_a_goodbye() -> None:
    long_way: list[Any] = []
    worker: Any = SimpleNamespace(log_event=lambda topic, message: long_way.append(message), name="w", address="a")

    async def use(here: Any, there: Any) -> None:
        agent = Agent(worker, "topic")
        agent.large[1] = "a value"
        serving = asyncio.ensure_future(agent.serve(there, "link"))
        assert await read(here, 1) == [[b""]]
        agent._send(b"1")
        await here.write([GONE])
        while not agent.muted:
            await asyncio.sleep(0.001)
        here.abort()
        await serving
        agent._send(b"2")
        assert not agent.large

    connected(use)
    assert not long_way
