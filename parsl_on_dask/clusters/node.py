"""The process that keeps the scheduler and the workers of one block on this machine.

It imports distributed once and then forks the scheduler and every worker from itself, which makes a worker
ready in a tenth of the time and memory that a fresh interpreter takes. A worker that dies is replaced by a
new fork. The process holds a Unix socket to the one that started it: a line of JSON on it says what to start,
lines of JSON back say what happened, and its end, however it comes, ends everything here.

:mod:`parsl_on_dask.clusters.blocknode` does the same on the nodes of a batch job.

Nothing in this process starts a thread before it forks.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from functools import partial
from typing import Any, NoReturn

from parsl_on_dask.clusters import orphans
from parsl_on_dask.clusters.last_will import Orders
from parsl_on_dask.clusters.orphans import FAILED, NOTICES, worker_name
from parsl_on_dask.clusters.startup import import_from
from parsl_on_dask.remote import limits
from parsl_on_dask.remote.jobend import is_leaving
from parsl_on_dask.remote.journal import path_of

#: A worker that lives shorter than this many seconds failed to start.
INFANCY = 5.0
#: So many failed starts in a row end the attempts.
FAILED_STARTS = 3
#: Seconds that what a call has started may take to end by itself, when its worker has ended.
GRACE = 1.0
#: Seconds between two looks at that: while there is other work, and at the end.
LOOK, GLANCE = 0.05, 0.005


class Node:
    """The supervisor.

    - `link`: to the process that started this one.
    - `spec`: ``scheduler`` (None or its settings), ``workers`` (a list of their settings), ``security``, ``config``.
    """

    def __init__(self, link: Any, spec: dict[str, Any]) -> None:
        self.link = link
        self.spec = spec
        self.address: str = spec.get("address") or ""
        self.scheduler_pid = 0
        self.workers: dict[int, tuple[int, int, float]] = {}
        self.failed: dict[int, int] = {}
        self.closing = False
        self.unread = b""
        self.awaited: dict[int, int] = {}
        #: where workers are, by their processes
        self.addresses: dict[int, str] = {}
        self.orders_at_death = Orders()
        self.sweep: orphans.Sweep | None = None
        self.limits = limits.Limits(spec.get("memory_limit") or 0)
        self.starved = limits.kills_for_memory()
        #: children that were there before: the shell that became this process started them
        self.foreign: set[int] = set()

    def run(self) -> None:
        """Start everything and keep it until the link ends."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.told_to_stop())
        orphans.inherit()
        self.foreign = orphans.children()
        try:
            self.begin()
            while not self.closing:
                inputs: list[Any] = [wake_read, *self.awaited]
                if self.link is not None:
                    inputs.append(self.link)
                ready, _, _ = select.select(inputs, [], [], self.patience())
                if self.link in ready and not self.take_command():
                    break
                for pipe in [p for p in self.awaited if p in ready]:
                    self.received(pipe)
                if wake_read in ready:
                    os.read(wake_read, 4096)
                    self.reap()
                if self.sweep is not None and self.sweep.over(self.orphans(), time.monotonic()):
                    self.sweep = None
                self.look_at_clock()
        finally:
            self.stop()
            self.end_children()
            self.clean_up()
            self.orders_at_death.execute()

    def begin(self) -> None:
        """Start the scheduler, if it is to be here, and the workers."""
        if self.spec.get("scheduler") is not None:
            self.address = self.start_scheduler()
        self.say({"scheduler": self.address, "pid": os.getpid()})
        for number in range(len(self.spec["workers"])):
            self.start_worker(number, 0)

    def patience(self) -> float | None:
        """For how many seconds nothing has to be done unless something happens; None for ever."""
        return LOOK if self.sweep is not None else limits.LOOK if self.workers else None

    def look_at_clock(self) -> None:
        """Do what it is time for."""
        scratch = self.spec["scratch"]
        self.limits.look({pid: path_of(scratch, self.name(*worker[:2])) for pid, worker in self.workers.items()})

    def clean_up(self) -> None:
        """Remove what the processes leave on disk."""
        if self.spec.get("scheduler") is not None:
            # the one who made it may have been killed
            shutil.rmtree(self.spec["scratch"], ignore_errors=True)

    def say(self, message: dict[str, Any]) -> None:
        """Tell the other side what happened."""
        assert self.link is not None
        try:
            self.link.sendall(json.dumps(message).encode() + b"\n")
        except OSError:  # the other side is gone; the loop ends on its own
            self.closing = True

    def take_command(self) -> bool:
        """Read a command. False when the other side is gone."""
        assert self.link is not None
        part = self.link.recv(4096)
        *lines, self.unread = (self.unread + part).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if command == "drop workers":
                workers, self.workers = self.workers, {}
                for pid in workers:
                    kill(pid, signal.SIGKILL)
            else:
                self.orders_at_death.received(command)
        return bool(part)

    def stop(self) -> None:
        self.closing = True

    def told_to_stop(self) -> None:
        """SIGTERM has come."""
        self.stop()

    def fork(self) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number in NOTICES:
                signal.signal(number, signal.SIG_DFL)
            _die_with_parent(parent)
            if self.link is not None:
                self.link.close()
        return pid

    def child(self, main: str, *args: Any) -> tuple[int, int]:
        """Run a function of ``processes`` in a child; returns its id, and what to read of that which it tells."""
        read, write = os.pipe()
        pid = self.fork()
        if pid == 0:
            from parsl_on_dask.clusters import processes

            for pipe in (read, *self.awaited):
                os.close(pipe)
            run_in_child(getattr(processes, main), self.spec, *args, partial(tell, write))
        os.close(write)
        return pid, read

    def start_scheduler(self) -> str:
        self.scheduler_pid, read = self.child("scheduler_main")
        with os.fdopen(read) as answers:
            address = answers.readline().strip()
        if not address:
            self.say({"error": "the Dask scheduler process ended before it was ready"})
            raise SystemExit(1)
        return address

    def start_worker(self, number: int, life: int) -> None:
        pid, read = self.child("worker_main", number, life, self.address)
        self.awaited[read] = number
        self.workers[pid] = (number, life, time.monotonic())

    def received(self, pipe: int) -> None:
        """A worker has registered with the scheduler, or ended before that."""
        number = self.awaited.pop(pipe)
        address = os.read(pipe, 4096).decode().strip()
        if address:
            pid = next((p for p, w in self.workers.items() if w[0] == number), 0)
            if pid:
                self.addresses[pid] = address
            self.say({"up": number, "pid": pid, "address": address})
        os.close(pipe)

    def reap(self) -> None:
        """Replace the workers that died."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.scheduler_pid:
                self.say({"error": f"the Dask scheduler process {pid} ended ({how_it_ended(status)})"})
                self.stop()
            elif pid in self.workers:
                number, life, since = self.workers.pop(pid)
                end = self.end_of(number, status, usage) | self.limits.reason(pid)
                name, address = self.name(number, life), self.addresses.pop(pid, "")
                self.say({"died": name, "address": address, "pid": pid, "end": end})
                self.ended(name, end)
                self.sweep = orphans.Sweep(time.monotonic() + GRACE)
                if not self.closing:
                    self.replace(number, life, time.monotonic() - since, status)
            else:
                self.other_ended(pid, status)

    def replace(self, number: int, life: int, lived: float, status: int) -> None:
        """Start a worker again that ended after so many seconds, unless that has failed too often or is too late."""
        if self.is_too_late(number):
            return
        young = lived < INFANCY and os.WIFEXITED(status) and os.WEXITSTATUS(status) == FAILED
        self.failed[number] = self.failed.get(number, 0) + 1 if young else 0
        if self.failed[number] >= FAILED_STARTS:
            self.say({"error": f"worker {self.name(number, life)} failed to start {FAILED_STARTS} times"})
        else:
            self.start_worker(number, life + 1)

    def is_too_late(self, number: int) -> bool:
        """Whether a worker that is started now would have to leave before it could do anything."""
        return is_leaving({**os.environ, **self.spec["workers"][number]["env"]}, trust_slurm=False)

    def end_of(self, number: int, status: int, usage: Any) -> dict[str, Any]:
        """The fields of an :class:`~parsl_on_dask.clusters.base.End`."""
        from distributed.system import MEMORY_LIMIT

        workers = self.spec["workers"]
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        log = workers[number].get("log") or ""
        before, self.starved = self.starved, limits.kills_for_memory()
        return {
            "how": how_it_ended(status),
            "peak": peak,
            "limit": MEMORY_LIMIT,
            "workers": len(workers),
            "log": log,
            "starved": self.starved > before,
        }

    def ended(self, name: str, end: dict[str, Any]) -> None:
        """A worker's process has ended."""

    def other_ended(self, pid: int, status: int) -> None:
        """A child ended that is neither scheduler nor worker."""

    def name(self, number: int, life: int) -> str:
        return worker_name(self.spec["workers"][number]["name"], life)

    def end_children(self) -> None:
        """Leave no process behind, nor those that calls have started."""
        pids = [*self.workers, *([self.scheduler_pid] if self.scheduler_pid else [])]
        for pid in pids:
            kill(pid, signal.SIGKILL)
        for pid in pids:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass
        began = time.monotonic()
        sweep = orphans.Sweep(began + GRACE)
        while time.monotonic() - began < 2 * GRACE:
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if sweep.over(orphans.children(), time.monotonic()):
                return
            time.sleep(GLANCE)

    def helpers(self) -> set[int]:
        """Ids of the children that are neither scheduler nor workers, and not to be taken for a call's."""
        return self.foreign

    def orphans(self) -> list[int]:
        """What calls of workers that have died left here.

        A process that was executed says whose it is. One that was only forked does not, and comes here when its parent
        dies, which mostly is the worker.
        """
        known = {self.scheduler_pid, *self.workers, *self.helpers()}
        living = {self.name(number, life) for number, life, _ in self.workers.values()}
        return [pid for pid in orphans.children() - known if orphans.owner_of(pid) not in living]


def run_in_child(function: Any, *args: Any) -> NoReturn:
    code = FAILED
    try:
        function(*args)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def tell(fd: int, text: str) -> None:
    os.write(fd, text.encode() + b"\n")
    os.close(fd)


def how_it_ended(status: int) -> str:
    if os.WIFSIGNALED(status):
        try:
            return f"signal {signal.Signals(os.WTERMSIG(status)).name}"
        except ValueError:
            return f"signal {os.WTERMSIG(status)}"
    return f"exit code {os.WEXITSTATUS(status)}"


def kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when the supervisor dies, where it can be asked."""
    if sys.platform != "linux":
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before that
        os._exit(1)


def set_up(spec: dict[str, Any], config: dict[str, Any]) -> None:
    """Take over Dask's settings and the import alias of the script."""
    import dask
    import distributed.worker  # noqa: F401

    dask.config.update(dask.config.config, config)
    if spec["alias"]:
        from parsl_on_dask.importing.alias import install_from_environment

        os.environ.update(spec["alias"])
        install_from_environment()


def main(path: str, same: bool = True) -> None:
    """Connect to ``path``, read what to start, and keep it; ``same`` if this is the Python of the script.

    A file says where to import from, so that the imports run while the other side still prepares the line that says
    what to start.
    """
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)
    with open(f"{path}.from") as file:
        import_from(json.load(file), same)
    import distributed.worker  # noqa: F401

    line = b""
    with contextlib.suppress(ConnectionError):  # the other side has ended
        line = link.makefile("rb").readline()
    if not line:
        return
    spec = json.loads(line)
    set_up(spec, spec["config"])
    Node(link, spec).run()


if __name__ == "__main__":
    # as the module that others import, not as a second copy called __main__
    from parsl_on_dask.clusters.node import main as run_node

    run_node(sys.argv[1])
