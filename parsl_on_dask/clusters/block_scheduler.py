"""The scheduler of blocks: a process of its own on this machine, or a part of the first block."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from parsl_on_dask.clusters import supervisor
from parsl_on_dask.clusters.addressing import ANYWHERE, SchedulerAddress, contacts_of, ports_for, scheduler_address, url
from parsl_on_dask.clusters.base import connected
from parsl_on_dask.clusters.block import Block, describe_end
from parsl_on_dask.clusters.ledger import Ledger
from parsl_on_dask.clusters.supervisor import Supervisor, certificates
from parsl_on_dask.errors import ExecutorError

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("parsl.clusters.blocks")

#: Seconds after which a scheduler in a job ends when no client is there.
LONELY = 60.0


class Jobs(Protocol):
    """The jobs of the blocks."""

    def ask_for(self, count: int, scheduler: dict[str, Any] | None = None) -> list[Block]: ...
    def look_if_due(self) -> None: ...


class Cluster(supervisor.Cluster, Protocol):
    """A cluster of blocks, as its scheduler sees it."""

    home: str
    jobs: Jobs
    label: str
    ledger: Ledger
    provider: Any
    site: Callable[[str], Any]
    sockets: str


class BlockScheduler:
    """Starts the scheduler of a cluster of blocks, and the client of it.

    - `addresses`: where nodes may find it.
    - `pems`: the certificates of its connections, as text; None when they are not encrypted.
    - `loopback`: whether all of it is on this machine.
    - `supervisor`: what keeps its process here; None when it is in a job.
    - `block`: the block whose job it is in.
    """

    client: Client

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.executor = cluster.executor
        self.label = cluster.label
        self.addresses: list[str] = []
        self.pems: dict[str, str] | None = None
        self.loopback = False
        self.supervisor: Supervisor | None = None
        self.block: Block | None = None

    def start_here(self) -> None:
        """Start it in a process of its own, and ask for the first blocks.

        Raises ExecutorError when it does not start.
        """
        place = self._place()
        self.loopback = place.loopback
        self._warn_of_plain_text(place.host)
        process = self.supervisor = Supervisor(self.cluster, self.cluster.sockets, None)
        process.launch()
        security, self.pems = certificates(self.executor)
        settings = self._settings(place.host, place.ports)
        address = process.begin({"scheduler": settings, "address": "", "workers": [], "security": self.pems})
        self.addresses = contacts_of(address, place.contacts)
        self.cluster.jobs.ask_for(int(self.cluster.provider.init_blocks))
        port = int(address.rpartition(":")[2])
        here = "127.0.0.1" if place.host == ANYWHERE else place.host
        self._connect([url(self.pems is not None, here, port)], security)

    def start_in_job(self) -> None:
        """Ask for a block that runs it, wait until it does, and ask for the other first blocks.

        Raises ExecutorError when that block ends before.
        """
        place = scheduler_address(self.executor, self.cluster.site("interface")) if self.executor.address else None
        self.loopback = place is not None and place.loopback
        host = "127.0.0.1" if self.loopback else ANYWHERE
        self._warn_of_plain_text(host)
        security, self.pems = certificates(self.executor)
        where = os.path.join(self.cluster.home, "block-0", "scheduler.json")
        for left_over in (where, where + ".claim"):
            with suppress(FileNotFoundError):
                os.unlink(left_over)
        jobs = self.cluster.jobs
        (block,) = jobs.ask_for(1, self._settings(host, ports_for(self.executor)))
        logger.info("Executor %s waits for its first block, which is to run the scheduler", self.label)
        while not self.addresses:
            try:
                with open(where) as file:
                    self.addresses = json.load(file)
            except FileNotFoundError:
                time.sleep(0.1)
                jobs.look_if_due()
                self.cluster.ledger.look({})
                if block.over:
                    raise ExecutorError(
                        self.executor, f"the block that was to run its scheduler ended: {describe_end(block.status)}"
                    ) from None
        self._connect(self.addresses, security)
        self.block = block
        jobs.ask_for(int(self.cluster.provider.init_blocks) - 1)

    def _place(self) -> SchedulerAddress:
        if self.executor.address is None and not getattr(self.cluster.provider, "reaches_others", True):
            return SchedulerAddress("127.0.0.1", ["127.0.0.1"], ports_for(self.executor))
        return scheduler_address(self.executor, self.cluster.site("interface"))

    def _settings(self, host: str, ports: list[int]) -> dict[str, Any]:
        in_job = bool(getattr(self.executor, "scheduler_in_job", False))
        return {
            "host": host,
            "ports": ports,
            "lonely": LONELY if in_job else None,
            "contacts": ["127.0.0.1"] if host == "127.0.0.1" else None,
        }

    def _warn_of_plain_text(self, host: str) -> None:
        if not self.executor.encrypted and not host.startswith("127."):
            logger.warning(
                "Executor %s: encrypted=False, so anybody who can connect to this network can run code as you, on this "
                "machine and on the nodes",
                self.label,
            )

    def _connect(self, addresses: list[str], security: Any) -> None:
        patience = 30 if len(addresses) == 1 else 10
        for address in addresses:
            try:
                self.client = connected(self.label, address, security, timeout=patience)
                break
            except OSError:
                if address is addresses[-1]:
                    raise
        logger.info("Executor %s runs on the Dask cluster %s", self.label, address)
