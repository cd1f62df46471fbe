"""What forked children have of their parent's connections."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from parsl_on_dask.remote.children import keep_socket

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


def test_dask_still_has_a_set_of_its_connections() -> None:
    """Without it, children would keep them, and only the supervisor's word would end the calls of a dead worker."""
    from distributed.comm.core import Comm

    assert hasattr(Comm, "_instances"), sys.modules["distributed"].__version__
