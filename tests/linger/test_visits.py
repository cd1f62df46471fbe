"""Scripts that are with a resident: what they are sent, and that they have died."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from parsl_on_dask.linger.visits import Visit
from parsl_on_dask.linger.wire import Wire


def test_one_that_has_died_before_it_was_let_in_is_seen_to_have() -> None:
    mine, theirs = socket.socketpair()
    script = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    visit = Visit(Wire(mine), script.pid)
    assert not visit.look()
    script.kill()
    script.wait()
    assert visit.look()
    theirs.settimeout(10)
    assert theirs.recv(1) == b"", "its connection is closed, though a child may hold the other end"
    theirs.close()


def test_what_is_sent_before_it_is_let_in_leaves_behind_the_answer() -> None:
    mine, theirs = socket.socketpair()
    visit = Visit(Wire(mine), 0)
    visit.send("beat", 0)
    theirs.settimeout(0)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    mine.sendall(b"welcome\n")
    visit.begin()
    theirs.settimeout(10)
    assert theirs.recv(8) == b"welcome\n"
    assert Wire(theirs).receive() == ("beat", 0)
    visit.outgoing.put(None)
    visit.wire.close()
