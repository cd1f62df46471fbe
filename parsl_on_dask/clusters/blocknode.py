"""What runs on each node of a block: the process that keeps the node's workers.

A batch job starts one of these on each of its nodes, through the launcher. It reads a file (see
:mod:`parsl_on_dask.clusters.blockspec`), finds the scheduler, and forks the workers. It ends, and with it the job,
when the scheduler is gone, when its workers were told to leave, or when the batch system says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
import uuid
from typing import Any

from parsl_on_dask.addresses import address_by_interface
from parsl_on_dask.clusters.addressing import contacts_of, own_address_towards
from parsl_on_dask.clusters.blockspec import workers_of_node
from parsl_on_dask.clusters.node import FAILED_STARTS, Node, how_it_ended, kill, set_up
from parsl_on_dask.clusters.orphans import CUT_OFF, LEFT, NOTICES
from parsl_on_dask.clusters.startup import import_from
from parsl_on_dask.launchers.own_variables import put_back
from parsl_on_dask.remote import scratch
from parsl_on_dask.remote.journal import path_of
from parsl_on_dask.remote.sidefiles import write_private

#: Seconds between looks for the address of a scheduler that is itself in a job.
LOOK = 0.2
#: Seconds between two looks whether the script still wants a block whose job is about to be ended.
LISTEN = 0.5


class BlockNode(Node):
    """The supervisor of one node of a block.

    - `spec`: as :func:`parsl_on_dask.clusters.blockspec.node_spec` makes it.
    - `lifeline`: whose end is the end of this process.
    """

    def __init__(self, spec: dict[str, Any], lifeline: Any = None) -> None:
        super().__init__(lifeline, spec)
        self.node = uuid.uuid4().hex[:8]
        self.home = os.path.join(spec["logs"], self.node)
        self.sentinel_pid = 0
        self.sentinel_pipe = -1
        self.exit_code = 0
        self.shared: str = spec["shared"]
        self.hung_up = False
        self.orphan = False
        #: until when all has to be over, by time.monotonic(), when the job is about to be ended
        self.leave_by: float | None = None

    def begin(self) -> None:
        for number in NOTICES:
            signal.signal(number, lambda *_: self.told_to_stop())
        self.spec["scratch"] = scratch.make(own_folder(self.spec["local_directory"]))
        if os.path.isdir(os.path.dirname(self.shared)):
            os.makedirs(self.shared, exist_ok=True)
        else:  # a machine with other directories than the script's
            self.shared, self.home = "", self.spec["scratch"]
        os.makedirs(self.home, exist_ok=True)
        self.spec["workers"] = self.describe_workers()
        self.say({"node": self.node, "pid": os.getpid(), "workers": len(self.spec["workers"])})
        addresses = self.spec["addresses"] or self.addresses_of_job()
        self.start_sentinel(addresses)
        if len(addresses) == 1:  # no need to wait for the sentinel's choice
            self.start_workers(addresses[0])

    def describe_workers(self) -> list[dict[str, Any]]:
        """The settings of each worker that this node has room for."""
        return workers_of_node(self.spec, self.node, self.home)

    def addresses_of_job(self) -> list[str]:
        """Addresses of the scheduler in the job: started here if this is the first node to come, else looked up."""
        place = os.path.join(self.shared, "scheduler.json")
        if self.spec["scheduler"] is not None:
            try:
                os.close(os.open(place + ".claim", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except FileExistsError:
                pass
            else:
                address = self.start_scheduler()
                found = contacts_of(address, self.spec["scheduler"]["contacts"] or self.own_interface())
                write_private(place, json.dumps(found).encode())
        while not self.closing:
            try:
                with open(place) as file:
                    read: list[str] = json.load(file)
                return read
            except FileNotFoundError:
                time.sleep(LOOK)
        raise SystemExit(self.exit_code)

    def start_sentinel(self, addresses: list[str]) -> None:
        self.sentinel_pid, self.sentinel_pipe = self.child("sentinel_main", addresses)
        self.awaited[self.sentinel_pipe] = -1

    def helpers(self) -> set[int]:
        return {*super().helpers(), self.sentinel_pid}

    def start_workers(self, address: str) -> None:
        self.address = address
        host = self.spec["host"] or next(iter(self.own_interface() or ()), None) or own_address_towards(address)
        for number, worker in enumerate(self.spec["workers"]):
            worker["host"] = host
            self.start_worker(number, 0)

    def own_interface(self) -> list[str] | None:
        """The address of the network interface that the site's settings name, if there is one."""
        if not self.spec["interface"]:
            return None
        try:
            return [address_by_interface(self.spec["interface"])]
        except OSError as e:
            self.say({"warning": str(e)})
            return None

    def received(self, pipe: int) -> None:
        if pipe != self.sentinel_pipe:
            super().received(pipe)
            return
        self.awaited.pop(pipe)
        address = os.read(pipe, 4096).decode().strip()
        os.close(pipe)
        if address:
            self.say({"scheduler": address})
            if not self.address:
                self.start_workers(address)

    def other_ended(self, pid: int, status: int) -> None:
        if pid != self.sentinel_pid:
            return
        if self.address and os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            self.say({"end": "the scheduler has gone"})
            self.orphan = True
        else:
            tried = ", ".join(self.spec["addresses"] or ["the address in scheduler.json"])
            self.fail(
                f"no Dask scheduler answers at {tried} ({how_it_ended(status)}). If the submitting machine has another "
                "address on this network, give it as address= of the executor, for example "
                "address=address_by_interface('ib0'); if a firewall is in the way, give worker_port_range="
            )
        self.stop()

    def replace(self, number: int, life: int, lived: float, status: int) -> None:
        name = self.name(number, life)
        self.publish(name)
        self.failed.setdefault(number, 0)
        if (os.WIFEXITED(status) and os.WEXITSTATUS(status) == LEFT) or self.is_too_late(number):
            pass
        elif os.WIFEXITED(status) and os.WEXITSTATUS(status) == CUT_OFF:
            self.start_worker(number, life + 1)  # if the scheduler has gone, the sentinel says so
        else:
            super().replace(number, life, lived, status)
            if self.failed[number] >= FAILED_STARTS:
                self.fail(f"worker {name} failed to start {FAILED_STARTS} times; its log is in {self.home}")
        if not self.workers:
            self.say({"end": "all workers have left"})
            if self.leave_by is None:
                self.stop()
            # else the job is left to its batch system, which may put it into the queue again

    def is_too_late(self, number: int) -> bool:
        return self.leave_by is not None or super().is_too_late(number)

    def is_heard(self) -> bool:
        """Whether the submitting process can read what is written, and wants it."""
        orders = self.spec["file"]
        return bool(self.shared) and not self.hung_up and (orders == "-" or os.path.exists(orders))

    def ended(self, name: str, end: dict[str, Any]) -> None:
        if self.is_heard():
            try:
                write_private(os.path.join(self.shared, name + ".end"), json.dumps(end).encode())
            except OSError as e:
                self.say({"error": f"how {name} ended cannot be passed on: {e}"})

    def publish(self, name: str) -> None:
        """Copy a dead worker's journal to where the submitting process can read it, while that one wants it."""
        if not self.is_heard():
            return
        try:
            with open(path_of(self.spec["scratch"], name), "rb") as file:
                write_private(path_of(self.shared, name), file.read())
        except OSError as e:
            self.say({"error": f"the journal of {name} cannot be passed on: {e}"})

    def fail(self, text: str) -> None:
        """Have the job end as a failed one, with ``text`` in its error output."""
        self.exit_code = 1
        self.say({"error": text})
        print(f"parsl_on_dask: {text}", file=sys.stderr, flush=True)

    def take_command(self) -> bool:
        self.hung_up = not self.link.read(4096)
        return not self.hung_up

    def told_to_stop(self) -> None:
        """The job is about to be ended: by its batch system, or by the script, which wants nothing more of it then."""
        if self.leave_by is not None:
            return
        self.say({"end": "a signal of the batch system"})
        if self.sentinel_pid and self.workers and self.is_heard():
            self.leave_by = time.monotonic() + self.spec["notice"]
            kill(self.sentinel_pid, signal.SIGUSR1)  # it passes this on to the scheduler, and so to the script
        else:
            self.exit_code = 128 + signal.SIGTERM
            self.stop()

    def patience(self) -> float | None:
        seconds = super().patience()
        if self.leave_by is None:
            return seconds
        # the file with the orders goes when the script gives the block back
        return min(LISTEN, seconds or LISTEN)

    def look_at_clock(self) -> None:
        super().look_at_clock()
        if self.leave_by is not None and (time.monotonic() > self.leave_by or not self.is_heard()):
            self.exit_code = 128 + signal.SIGTERM if self.workers else 0
            self.stop()

    def end_children(self) -> None:
        names = [self.name(number, life) for number, life, _ in self.workers.values()]
        if self.sentinel_pid:
            kill(self.sentinel_pid, signal.SIGKILL)
        super().end_children()
        for name in names:
            self.publish(name)

    def clean_up(self) -> None:
        scratch.remove(self.spec.get("scratch", ""))
        if self.orphan and self.spec["file"] != "-":
            # keys of a scheduler that does not come back; the script may be dead, too
            with contextlib.suppress(OSError):
                os.unlink(self.spec["file"])

    def say(self, message: dict[str, Any]) -> None:
        with open(os.path.join(self.home, "manager.log"), "a") as log:
            log.write(f"{time.time():.3f} {json.dumps(message)}\n")


def own_folder(setting: str | None) -> str | None:
    """The folder that a ``local-directory`` names on this node, which is made if it is not there.

    Raises SystemExit when there can be none, with a text that says why.
    """
    if setting is None:
        return None
    folder = os.path.expanduser(os.path.expandvars(setting))
    unset = re.search(r"\$\w+|\$\{", folder)
    try:
        if unset is not None:
            raise OSError(f"the variable {unset[0]} is not set here")
        os.makedirs(folder, exist_ok=True)
    except OSError as e:
        node = os.uname().nodename if hasattr(os, "uname") else "this node"
        raise SystemExit(f"parsl_on_dask: local-directory {setting!r} cannot be used on {node}: {e}") from e
    return folder


def main(path: str, same: bool = True) -> None:
    """Be the supervisor of this node.

    - `path`: file with what to do; ``"-"`` reads it from standard input.
    - `same`: whether this is the Python of the script.
    """
    lifeline = None
    if path == "-":
        lifeline = os.fdopen(os.dup(0), "rb", buffering=0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        spec = json.loads(lifeline.readline())
    else:
        with open(path) as file:
            spec = json.load(file)
    spec["file"] = path
    spec["began"] = time.time()
    put_back(os.environ, spec["ranks"])
    import_from(spec, same)
    set_up(spec, json.loads(spec["config"]))
    node = BlockNode(spec, lifeline)
    node.run()
    sys.exit(node.exit_code)
