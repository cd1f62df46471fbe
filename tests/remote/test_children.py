"""What forked children have of their parent's connections and streams."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading

import pytest

from parsl_on_dask.remote import children
from parsl_on_dask.remote.children import keep_socket
from tests.helpers import eventually

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def test_a_child_lets_go_of_the_sockets_that_were_named() -> None:
    ours, theirs = socket.socketpair()
    others, peer = socket.socketpair()
    keep_socket(ours)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            others.sendall(b"the child's own")
            os.close(write)
            theirs.close()
            peer.close()
            os.read(read, 1)  # until the parent has looked
        finally:
            os._exit(0)
    os.close(read)
    try:
        assert peer.recv(100) == b"the child's own", "other sockets are the child's to use"
        theirs.settimeout(30)
        ours.close()
        assert theirs.recv(1) == b"", "the end is seen although the child lives"
    finally:
        os.close(write)
        os.waitpid(pid, 0)
        for each in (theirs, others, peer):
            each.close()


def test_a_child_ends_although_another_thread_of_its_parent_was_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of the stream stays taken in the child."""
    monkeypatch.setattr(children, "LAST_WORDS", 0.1)
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "w") as stream:
        writes = threading.Thread(target=stream.write, args=("x" * 1_000_000,))
        writes.start()
        # the pipe is full: the thread waits with the lock
        eventually(lambda: not select.select([], [stream], [], 0)[1], "the thread is writing")
        monkeypatch.setattr(sys, "stdout", stream)
        pid = os.fork()
        if pid == 0:
            children.leave(None)
        ended: list[tuple[int, int]] = []
        try:
            eventually(lambda: ended.append(os.waitpid(pid, os.WNOHANG)) or ended[-1] != (0, 0), "the child has ended")
        finally:
            if ended[-1] == (0, 0):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            read_all = threading.Thread(target=reader.read, args=(1_000_000,))
            read_all.start()
            writes.join()
            stream.close()
            read_all.join()
        assert os.waitstatus_to_exitcode(ended[-1][1]) == 0


def test_dask_still_has_a_set_of_its_connections() -> None:
    """Without it, children would keep them, and only the supervisor's word would end the calls of a dead worker."""
    from distributed.comm.core import Comm

    assert hasattr(Comm, "_instances"), sys.modules["distributed"].__version__
