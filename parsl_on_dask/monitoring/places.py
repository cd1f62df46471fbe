"""Blocks and nodes: what the clusters say of themselves, from time to time."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from parsl_on_dask.dask_internals.clients import run_on_worker
from parsl_on_dask.jobs.states import TERMINAL_STATES, JobState
from parsl_on_dask.monitoring.rows import ROW, Event, clean
from parsl_on_dask.remote.usage import machine

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel
    from parsl_on_dask.monitoring.store import Clock

logger = logging.getLogger("parsl.monitoring.places")

#: Seconds between two looks at the blocks, and between two at the nodes, for which the scheduler is asked.
PERIOD = 1.0
NODES_PERIOD = 5.0
#: Seconds that a worker has to describe its machine, and how often it is asked.
PATIENCE = 2.0
ATTEMPTS = 3

_ENDED = {state.name for state in TERMINAL_STATES}


class Places:
    """Follows the blocks and nodes of a kernel's executors.

    Parameters
    ----------
    kernel : DataFlowKernel
    clock : Clock
    put : callable
        Takes an event.
    """

    def __init__(self, kernel: Kernel, clock: Clock, put: Callable[[Event], Any]) -> None:
        self.kernel = kernel
        self.clock = clock
        self.put = put
        self.lock = threading.Lock()
        self.looked = time.time()
        self.nodes_looked = 0.0
        self.blocks: dict[tuple[str, str], str] = {}
        self.jobs: dict[tuple[str, str], str | None] = {}
        self.nodes: dict[tuple[str, str, str], tuple[int, bool]] = {}
        self.known: dict[tuple[str, str], str | None] = {}
        #: By label. An executor forgets its cluster when it is shut down, and the last rows are written after that.
        self.clusters: dict[str, Any] = {}
        self.hosts: dict[str, tuple[str, int, int, str]] = {}
        self.may_ask = False
        self.asked: dict[str, int] = {}

    def block_of(self, label: str, worker: str) -> str | None:
        """The block of a worker."""
        key = (label, worker)
        if key not in self.known:
            cluster = self.clusters.get(label)
            block = cluster.block_of(worker) if cluster is not None else None
            self.known[key] = None if block is None else str(block)
        return self.known[key]

    def look(self) -> None:
        """Note what has changed, if it is time to look."""
        if time.time() - self.looked >= PERIOD:
            self._look(ask=True, nodes=time.time() - self.nodes_looked >= NODES_PERIOD)

    def look_now(self) -> None:
        """Note what has changed, without asking workers what they run on, which can take a while."""
        self._look(ask=False, nodes=True)

    def _look(self, ask: bool, nodes: bool) -> None:
        with self.lock:
            self.may_ask = ask
            if nodes:
                self.nodes_looked = time.time()
            before, self.looked = self.looked, time.time()
            for label, executor in list(self.kernel.executors.items()):
                try:
                    self._look_at_blocks(label, executor, before)
                    if nodes:
                        self._look_at_nodes(label, executor)
                except Exception:
                    logger.debug("executor %s says nothing of its blocks and nodes", label, exc_info=True)

    def _look_at_blocks(self, label: str, executor: Any, before: float) -> None:
        status = getattr(executor, "status", None)
        if getattr(executor, "provider", None) is None or not callable(status):
            return
        seen = {str(block): state.status_name for block, state in status().items()}
        for block, name in seen.items():
            last = self.blocks.get((label, block))
            if last is None:
                self.jobs[label, block] = _job_of(executor, block)
                if name == JobState.RUNNING.name:  # it was asked for after the last look, and is there already
                    self._block(label, block, JobState.PENDING.name, before)
            if name != last:
                self._block(label, block, name, time.time())
        for (owner, block), name in list(self.blocks.items()):
            if owner == label and block not in seen and name not in _ENDED:
                self._block(label, block, JobState.SCALED_IN.name, time.time())

    def _block(self, label: str, block: str, name: str, when: float) -> None:
        self.blocks[label, block] = name
        row = (
            self.kernel.run_id,
            clean(label),
            clean(block),
            self.jobs.get((label, block)),
            self.clock.stamp(when),
            name,
        )
        self.put((ROW, "block", 0, 0.0, row))

    def _look_at_nodes(self, label: str, executor: Any) -> None:
        managers = getattr(executor, "connected_managers", None)
        if managers is None:
            return
        seen: set[tuple[str, str, str]] = set()
        for node in managers():
            block = "" if node["block_id"] is None else str(node["block_id"])
            key = (label, block, node["hostname"])
            seen.add(key)
            self._node(key, node["worker_count"], True)
        for key, (count, active) in list(self.nodes.items()):
            if key[0] == label and key not in seen and active:
                self._node(key, count, False)

    def _node(self, key: tuple[str, str, str], count: int, active: bool) -> None:
        if self.nodes.get(key) == (count, active):
            return
        label, block, host = key
        machine = self._machine(label, host)
        if machine is None:
            return
        self.nodes[key] = (count, active)
        name, cores, memory, python = machine
        now = self.clock.stamp(time.time())
        uid = f"{label}-{block}@{host}" if block else f"{label}@{host}"
        row = (
            self.kernel.run_id,
            clean(name),
            clean(uid),
            clean(block),
            cores,
            memory,
            active,
            count,
            python,
            now,
            now,
        )
        self.put((ROW, "node", 0, 0.0, row))

    def _machine(self, label: str, host: str) -> tuple[str, int, int, str] | None:
        """Name, cores, bytes of memory and Python of a host; None while nobody has said."""
        known = self.hosts.get(host)
        if known is None:
            known = machine() if host == socket.gethostname() else self._ask(label, host)
            if known is not None:
                self.hosts[host] = known
        return known

    def _ask(self, label: str, host: str) -> tuple[str, int, int, str] | None:
        """Ask one of a host's workers; what is busy for too long is described by what is known here."""
        client = getattr(self.clusters.get(label), "client", None)
        if client is None or not self.may_ask:
            return None
        tries = self.asked[host] = self.asked.get(host, 0) + 1
        if tries > ATTEMPTS:
            return host, 1, 0, machine()[3]
        addresses = [w["address"] for w in self.kernel.executors[label].lane.workers() if w["host"] == host]
        for address in addresses[:1]:
            try:
                answers = client.sync(run_on_worker, client, address, machine, callback_timeout=PATIENCE)
                found: tuple[str, int, int, str] = answers[address]
                return found
            except Exception:
                logger.debug("worker %s does not say what it runs on", address, exc_info=True)
                self.may_ask = False  # not all of them one after the other
        return None

    def close(self) -> None:
        """Note that all blocks and nodes are given back."""
        with self.lock:
            for (label, block), name in list(self.blocks.items()):
                if name not in _ENDED:
                    self._block(label, block, JobState.SCALED_IN.name, time.time())
            for key, (count, active) in list(self.nodes.items()):
                if active:
                    self._node(key, count, False)


def _job_of(executor: Any, block: str) -> str | None:
    """The id of a block's job, as its batch system or system calls it."""
    job = getattr(executor, "blocks_to_job_id", {}).get(block)
    if job is None:
        made = getattr(getattr(executor.lane, "cluster", None), "blocks", {}).get(block)
        job = getattr(getattr(made, "process", None), "pid", None)
    return None if job is None else clean(str(job))
