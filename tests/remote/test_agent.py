"""The worker's end of the direct connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.remote.agent import Agent
from tests.helpers import WAIT, eventually


@pytest.fixture
def worker() -> Iterator[Any]:
    """As much of a Dask worker as an agent needs, with an event loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    looks: list[Any] = []

    def add_callback(function: Any) -> None:
        looks.append(function)
        asyncio.run_coroutine_threadsafe(function(), loop)

    yield SimpleNamespace(
        loop=SimpleNamespace(add_callback=add_callback), batched_stream=SimpleNamespace(buffer=[]), looks=looks
    )
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize("way", ["through the scheduler", "direct"])
def test_a_report_has_left_the_process_before_anything_goes_on(worker: Any, way: str) -> None:
    agent = Agent(worker, "topic")
    waiting = ["report"]
    if way == "direct":
        agent.connected, agent.stream = True, SimpleNamespace(messages=waiting)
    else:
        worker.batched_stream.buffer = waiting
    thread = threading.Thread(target=agent.wait_until_sent)
    thread.start()
    eventually(lambda: worker.looks, "it looks", WAIT)
    assert thread.is_alive()
    waiting.clear()
    thread.join(WAIT)
    assert not thread.is_alive()


def test_a_connection_that_takes_nothing_holds_nobody_up_for_long(worker: Any) -> None:
    worker.batched_stream.buffer = ["report"]
    Agent(worker, "topic").wait_until_sent()
