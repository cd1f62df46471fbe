"""What goes wrong inside of a process: it is that process's ``sitecustomize``.

``CHAOS_SABOTAGE`` (JSON) says what, in which processes (``"client"`` or ``"all"``), how likely, and which file is there
while it goes wrong.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import random
import socket
import sys
import threading
import time


class Sabotage:
    """Makes calls of this process fail while its time has come."""

    def __init__(self, order: dict) -> None:
        self.order = order
        self.rng = random.Random(order["seed"])
        self.usual_open = os.open
        self.below = order["below"]

    def now(self) -> bool:
        return os.path.exists(self.order["now"])

    def strikes(self) -> bool:
        return self.now() and self.rng.random() < self.order["chance"]

    def struck(self) -> None:
        """Tell the driver that something has happened."""
        os.close(self.usual_open(self.order["struck"], os.O_CREAT | os.O_WRONLY))

    def concerns(self, file: object) -> bool:
        try:
            path = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.path.abspath(str(file))
        except OSError:
            return False
        return any(path.startswith(folder) for folder in self.below)

    def fail(self, module: object, name: str, number: int, writing: bool = False) -> None:
        """Let a function fail with an error number, where its first argument concerns the run."""
        usual = getattr(module, name)

        def failing(*args: object, **kwargs: object) -> object:
            reads = writing and str(kwargs.get("mode", args[1] if len(args) > 1 else "r")) in ("r", "rb")
            if not reads and self.strikes() and self.concerns(args[0]):
                self.struck()
                raise OSError(number, os.strerror(number))
            return usual(*args, **kwargs)

        setattr(module, name, failing)

    def fsync(self) -> None:
        self.fail(os, "fsync", errno.EIO)
        self.fail(os, "fdatasync", errno.EIO)

    def disk_full(self) -> None:
        self.fail(os, "write", errno.ENOSPC)
        self.fail(os, "pwrite", errno.ENOSPC)
        for module in (builtins, io):
            self.fail(module, "open", errno.ENOSPC, writing=True)

    def open(self) -> None:
        for module in (builtins, io, os):
            self.fail(module, "open", errno.EMFILE)

    def connect(self) -> None:
        usual = socket.socket.connect

        def failing(connection: socket.socket, address: object) -> None:
            if self.strikes():
                self.struck()
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
            usual(connection, address)

        socket.socket.connect = failing  # type: ignore[method-assign]

    def clock(self) -> None:
        usual, usual_ns = time.time, time.time_ns
        jump = self.rng.choice([-86400, -3600, -10, 10, 3600, 86400])

        def turned() -> int:
            if not self.now():
                return 0
            self.struck()
            return int(jump)

        time.time = lambda: usual() + turned()
        time.time_ns = lambda: usual_ns() + turned() * 10**9

    def agents(self) -> None:
        self.later(lambda peer, scheduler: peer != scheduler)

    def cut(self) -> None:
        self.later(lambda peer, scheduler: True)

    def later(self, chosen: object) -> None:
        """Close connections of this process, those to the scheduler or the others."""

        def close() -> None:
            while True:
                time.sleep(0.02)
                if not self.now():
                    continue
                distributed = sys.modules.get("distributed.client")
                clients = [*distributed.Client._instances] if distributed else []
                schedulers = {c.scheduler.address for c in clients if getattr(c, "scheduler", None) is not None}
                for fd in map(int, os.listdir("/proc/self/fd")):
                    try:
                        if not os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                            continue
                        with socket.socket(fileno=os.dup(fd)) as connection:
                            host, port = connection.getpeername()[:2]
                            at = any(address.endswith(f"{host}:{port}") for address in schedulers)
                            if chosen(at, True) and self.rng.random() < self.order["chance"]:  # type: ignore[operator]
                                connection.shutdown(socket.SHUT_RDWR)
                                self.struck()
                    except (OSError, ValueError):
                        continue
                time.sleep(0.3)

        threading.Thread(target=close, daemon=True).start()


order = json.loads(os.environ.get("CHAOS_SABOTAGE", "null"))
is_client = any(arg.endswith("workflow.py") for arg in sys.orig_argv)
if is_client:
    import faulthandler
    import signal

    faulthandler.register(signal.SIGUSR1)
if order and (is_client or order["where"] == "all"):
    getattr(Sabotage(order), order["what"])()
