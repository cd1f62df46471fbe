"""A script's side of a connection to its resident."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.linger.client import ResidentClient
from parsl_on_dask.linger.wire import Wire


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[ResidentClient, Wire]]:
    """A client of the second life, and what stands for its resident."""
    ours, theirs = (Wire(end) for end in socket.socketpair())
    client = ResidentClient(ours, str(tmp_path), {}, 60, first=1000)
    client.begin()
    yield client, theirs
    client.leaving = True
    client.close()
    theirs.close()


def test_what_an_earlier_life_asked_for_is_not_taken_for_an_answer(ends: tuple[ResidentClient, Wire]) -> None:
    client, resident = ends
    heard: queue.Queue[Any] = queue.Queue()
    number = client.number()
    client.expect(number, lambda *outcome: heard.put(outcome))
    resident.send(("done", number - 1000, "the outcome of a call of the life before"))
    resident.send(("done", number, "its own"))
    assert heard.get(timeout=30) == ("done", number, "its own")
    assert heard.empty()


def test_each_executor_hears_what_is_said_about_its_calls(ends: tuple[ResidentClient, Wire]) -> None:
    client, resident = ends
    heard: queue.Queue[Any] = queue.Queue()
    client.hear("seen", "one", lambda *what: heard.put(("one", *what)))
    client.hear("seen", "other", lambda *what: heard.put(("other", *what)))
    resident.send(("seen", "one", 1))
    resident.send(("seen", "other", 2))
    assert [heard.get(timeout=30) for _ in range(2)] == [("one", 1), ("other", 2)]
