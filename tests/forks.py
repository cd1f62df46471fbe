"""The process from which :mod:`tests.interpreters` has interpreters forked. It has no threads."""

from __future__ import annotations

import ctypes
import fcntl
import gc
import importlib
import io
import itertools
import json
import os
import random
import select
import shutil
import signal
import socket
import struct
import sys
import time
from typing import Any, NoReturn

from tornado import netutil

from tests import interpreters

IMPORTED = (
    "cryptography.x509",
    "distributed",
    "distributed.diagnostics.websocket",
    "distributed.http.health",
    "distributed.http.prometheus",
    "distributed.http.proxy",
    "distributed.http.scheduler.info",
    "distributed.http.scheduler.json",
    "distributed.http.scheduler.prometheus",
    "distributed.http.statics",
    "distributed.http.worker.prometheus",
    "distributed.worker",
    "email.policy",
    "parsl_on_dask.app.app",
    "parsl_on_dask.app.bash",
    "parsl_on_dask.app.python",
    "parsl_on_dask.check.trial",
    "parsl_on_dask.clusters.local",
    "parsl_on_dask.clusters.processes",
    "parsl_on_dask.clusters.node",
    "parsl_on_dask.config",
    "parsl_on_dask.dataflow.dflow",
    "parsl_on_dask.executors",
    "parsl_on_dask.lanes.batches",
    "parsl_on_dask.lanes.threads",
    "parsl_on_dask.linger.lane",
    "parsl_on_dask.linger.reattach",
    "parsl_on_dask.linger.resident",
    "parsl_on_dask.providers",
    "tornado.platform.asyncio",
)
"""What scripts import, and the processes that they start."""


class Child(BaseException):
    """Takes a forked process out of everything that its parent was doing."""


def prepare() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    interpreters.warm_starts()
    # what every process of a cluster would read anew: the certificates of the system
    defaults = getattr(netutil, "_client_ssl_defaults", None)
    if callable(defaults):  # tornado 6.6 makes them when they are first needed
        defaults()
    gc.collect()
    gc.freeze()  # a child shares the pages of all this


def serve(listener: socket.socket) -> None:
    """Fork until standard input is closed. In a child, raises :class:`Child`."""
    wake, waker = os.pipe()
    for end in (wake, waker):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    owners: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([0, listener, wake], [], [])
        if 0 in ready:
            return
        if wake in ready:
            os.read(wake, 4096)
            reap(owners)
        if listener in ready:
            link, _ = listener.accept()
            head, files, _, _ = socket.recv_fds(link, 4, 16)
            order = json.loads(link.recv(struct.unpack("!I", head)[0], socket.MSG_WAITALL))
            pid = os.fork()
            if pid == 0:
                for one in (listener, link, *owners.values()):
                    one.detach()  # else it closes, when it goes, what has its number by then
                become(order, files)
            owners[pid] = link
            for number in files:
                os.close(number)
            tell(link, pid)


def reap(owners: dict[int, socket.socket]) -> None:
    """Tell how children have ended."""
    while owners:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with owners.pop(pid) as link:
            tell(link, status)


def tell(link: socket.socket, number: int) -> None:
    try:
        link.sendall(struct.pack("!i", number))
    except OSError:  # nobody wants to know
        pass


def become(order: dict[str, Any], files: list[int]) -> NoReturn:
    """Make this forked process look like one that was just started."""
    if order["session"]:
        os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wanted = (0, 1, 2, *order["kept"])
    for number, copy in zip(wanted, [fcntl.fcntl(file, fcntl.F_DUPFD, max(wanted) + 1) for file in files], strict=True):
        os.dup2(copy, number)
    for number, following in itertools.pairwise((*wanted, os.sysconf("SC_OPEN_MAX"))):
        os.closerange(number + 1, following)
    os.chdir(order["cwd"])
    environment = order["environment"]
    show(environment)
    before = search_path(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = ["", *search_path(environment), *[p for p in sys.path[1:] if p not in before]]
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    time.tzset()
    unbuffered = order["unbuffered"] or bool(environment.get("PYTHONUNBUFFERED"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        fresh_stream(number, name, unbuffered)
    raise Child(order)


def search_path(environment: Any) -> list[str]:
    return [os.path.abspath(p) for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]


def fresh_stream(number: int, name: str, unbuffered: bool) -> None:
    """Give this process a standard stream as it has one at its start."""
    old = getattr(sys, name)
    raw: Any = open(number, "wb" if number else "rb", 0 if unbuffered and number else -1, closefd=False)
    getattr(raw, "raw", raw).name = f"<{name}>"
    stream = io.TextIOWrapper(
        raw, old.encoding, old.errors, line_buffering=number == 2 and not unbuffered, write_through=unbuffered
    )
    stream.mode = "w" if number else "r"
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def show(environment: dict[str, str]) -> None:
    """Let those who look from outside see this environment, in the room that the parent's variable takes."""
    try:
        with open("/proc/self/stat", "rb") as file:
            begin, end = map(int, file.read().rpartition(b")")[2].split()[47:49])
    except OSError:  # another system than Linux
        return
    block = b"".join(os.fsencode(f"{k}={v}") + b"\0" for k, v in environment.items())
    if len(block) < end - begin:
        ctypes.memmove(begin, block.ljust(end - begin, b"\0"), end - begin)


def main(folder: str, ready: int) -> None:
    """Listen in a folder, and say so by closing a file."""
    interpreters.folder = folder
    for name in (interpreters.ROOM, "OPENBLAS_NUM_THREADS"):
        os.environ.pop(name, None)
    prepare()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(folder, "socket"))
    listener.listen(64)
    os.close(ready)
    try:
        serve(listener)
        shutil.rmtree(folder, ignore_errors=True)
        return
    except Child as child:
        [order] = child.args
    from parsl_on_dask.front_door import run_as_main

    start = {"-c": run_as_main.run_code, "-m": run_as_main.run_module, "script": run_as_main.run_script}
    start[order["kind"]](order["target"], order["args"])
