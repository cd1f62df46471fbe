"""Messages between a script and its resident."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from parsl_on_dask.linger import wire
from parsl_on_dask.linger.wire import Functions, Wire


@pytest.fixture
def ends() -> Iterator[tuple[Wire, Wire]]:
    one, other = (Wire(end) for end in socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_messages_arrive_whole_and_in_order(ends: tuple[Wire, Wire]) -> None:
    one, other = ends
    large = bytes(5_000_000)
    sender = threading.Thread(target=lambda: [one.send(("part", n, large)) for n in range(3)])
    sender.start()
    assert [other.receive() for _ in range(3)] == [("part", n, large) for n in range(3)]
    sender.join()


def test_the_end_of_the_other_side_is_no_message(ends: tuple[Wire, Wire]) -> None:
    one, other = ends
    one.send(("last",))
    one.close()
    assert other.receive() == ("last",)
    assert other.receive() is None
    with pytest.raises(OSError):
        for _ in range(3):
            other.send(("too late",))


def test_a_message_that_was_cut_off_is_none(ends: tuple[Wire, Wire]) -> None:
    one, other = ends
    one.socket.sendall(struct.pack("!Q", 1000) + b"half of it")
    one.close()
    assert other.receive() is None


def test_a_message_that_cannot_be_read_ends_the_connection(ends: tuple[Wire, Wire]) -> None:
    one, other = ends
    one.socket.sendall(struct.pack("!Q", 7) + b"garbage")
    assert other.receive() is None
    assert one.receive() is None


def test_both_ends_remember_the_same_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FUNCTIONS_KEPT", 2)
    ours, theirs = Functions(), Functions()
    sent = []
    for key in ("a", "b", "a", "c", "b", "a"):
        known = ours.known(key) is not None
        sent.append(known)
        if known:
            assert theirs.known(key) == key.encode()
        else:
            ours.add(key, key.encode())
            theirs.add(key, key.encode())
    assert sent == [False, False, True, False, False, False]
