"""Workers in blocks of nodes that a provider gives: what ``HighThroughputExecutor`` with any provider becomes.

A block is one job of the provider's. On each of its nodes the launcher starts a supervisor
(:mod:`parsl_on_dask.clusters.blocknode`), which finds the scheduler by itself. The scheduler has a process of its own
on this machine, or is part of the first block. Asking for blocks, looking after them and giving them back is done by
:class:`~parsl_on_dask.clusters.jobs.Jobs`.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters.addressing import ANYWHERE, Place, contacts_of, place_for, ports_for, url
from parsl_on_dask.clusters.base import Cluster, End, close_client
from parsl_on_dask.clusters.blockspec import (
    node_command,
    node_spec,
    prefixed,
    python_of,
    site_of,
    spec_text,
    warn_of_idle_nodes,
    write_private,
)
from parsl_on_dask.clusters.hub import Supervisor, dask_config, pems_of
from parsl_on_dask.clusters.jobs import Block, Jobs, told
from parsl_on_dask.clusters.ledger import Ledger
from parsl_on_dask.clusters.roster import TOPIC, Member, Roster, parts_of
from parsl_on_dask.clusters.startup import Start, first_file, start_files, stdin_command, write_archive
from parsl_on_dask.dask_internals.intervals import shorten
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.providers.base import slots_of
from parsl_on_dask.providers.job_scripts.preamble import LATE
from parsl_on_dask.remote import journal, scratch
from parsl_on_dask.remote.jobend import EXTENDED

if TYPE_CHECKING:
    from parsl_on_dask.jobs.node_hours import NodeHours
    from parsl_on_dask.jobs.states import JobStatus

logger = logging.getLogger("parsl.clusters.blocks")

#: This process's Python; functions travel as bytecode, which differs between minor versions.
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
#: Seconds that the journal of a dead worker may take to arrive.
JOURNAL = 1.0
#: Seconds after which a scheduler in a job ends when no client is there.
LONELY = 60.0
#: Seconds that workers have for handing values over.
RETIRE = 10.0
#: A block that would have fewer seconds than this is not asked for.
USEFUL = 15.0


class BlockCluster(Cluster):
    """A scheduler, and workers that come and go in blocks.

    Parameters
    ----------
    executor : HighThroughputExecutor

    Raises
    ------
    ExecutorError
        When the scheduler does not start. Blocks that do not start are seen in :meth:`status`.
    """

    ours = True
    parsl_page = True

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self.provider = executor.provider
        if hasattr(self.provider, "enter"):
            self.provider.enter()
        self.label = executor.label
        self.site = site_of(self.provider)
        self.error: str | None = None
        self.closed = False
        self.pems: dict[str, str] | None = None
        self.hub: _Hub | None = None
        self.roster = Roster(self)
        self.silent: dict[str, float] = {}
        #: when the job ends in which this script and all blocks are
        self.limit: float | None = None
        self.leaving = set()
        self.home = os.path.join(executor.run_dir, executor.label)
        os.makedirs(self.home, exist_ok=True)
        if self.provider.script_dir is None:
            self.provider.script_dir = os.path.join(executor.run_dir, "submit_scripts")
        os.makedirs(self.provider.script_dir, exist_ok=True)
        self.scratch = tempfile.mkdtemp(prefix="scratch-", dir=self.home)
        self.sockets = scratch.make()
        self.archive = os.path.join(self.scratch, "parsl_on_dask.zip")
        write_archive(self.archive)
        self.config = json.dumps(dask_config(None), default=str)
        self.jobs = Jobs(self)
        self.ledger = Ledger(self)
        warn_of_idle_nodes(executor)
        try:
            if getattr(executor, "scheduler_in_job", False):
                self._start_in_job()
            else:
                self._start_here()
            self.jobs.start()
        except BaseException:
            self.close()
            raise

    # -- the scheduler -----------------------------------------------------------------------------------

    def _start_here(self) -> None:
        place = self._place()
        self.loopback = place.loopback
        self._warn_of_plain_text(place.host)
        hub = _Hub(self)
        self.hub = hub
        hub.launch()
        security = self._security()
        address = hub.begin(
            {
                "scheduler": self._settings(place.host, place.ports),
                "address": "",
                "workers": [],
                "security": self.pems,
            }
        )
        self.addresses = contacts_of(address, place.contacts)
        self.jobs.ask_for(int(self.provider.init_blocks))
        port = int(address.rpartition(":")[2])
        here = "127.0.0.1" if place.host == ANYWHERE else place.host
        self._connect([url(self.pems is not None, here, port)], security)

    def _place(self) -> Place:
        if self.executor.address is None and not getattr(self.provider, "reaches_others", True):
            return Place("127.0.0.1", ["127.0.0.1"], ports_for(self.executor))
        return place_for(self.executor, self.site("interface"))

    def _start_in_job(self) -> None:
        place = place_for(self.executor, self.site("interface")) if self.executor.address else None
        self.loopback = place is not None and place.loopback
        self._warn_of_plain_text("127.0.0.1" if self.loopback else ANYWHERE)
        security = self._security()
        self.addresses = []
        where = os.path.join(self.home, "block-0", "scheduler.json")
        for left_over in (where, where + ".claim"):
            with suppress(FileNotFoundError):
                os.unlink(left_over)
        block = self.jobs.ask_for(
            1, self._settings("127.0.0.1" if self.loopback else ANYWHERE, ports_for(self.executor))
        )
        logger.info("Executor %s waits for its first block, which is to run the scheduler", self.label)
        while not self.addresses:
            try:
                with open(where) as file:
                    self.addresses = json.load(file)
            except FileNotFoundError:
                time.sleep(0.1)
                self.jobs.look_if_due()
                self.ledger.look({})
                if block[0].over:
                    raise ExecutorError(
                        self.executor, f"the block that was to run its scheduler ended: {told(block[0].status)}"
                    ) from None
        self._connect(self.addresses, security)
        self.jobs.scheduler_block = block[0]
        self.jobs.ask_for(int(self.provider.init_blocks) - 1)

    def _settings(self, host: str, ports: list[int]) -> dict[str, Any]:
        in_job = bool(getattr(self.executor, "scheduler_in_job", False))
        return {
            "host": host,
            "ports": ports,
            "announce": TOPIC,
            "lonely": LONELY if in_job else None,
            "contacts": ["127.0.0.1"] if host == "127.0.0.1" else None,
        }

    def _security(self) -> Any:
        from distributed.security import Security

        if not self.executor.encrypted:
            return None
        security = Security.temporary()
        self.pems = pems_of(security)
        return security

    def _warn_of_plain_text(self, host: str) -> None:
        if not self.executor.encrypted and not host.startswith("127."):
            logger.warning(
                "Executor %s: encrypted=False, so whoever can connect to this network can run code as you, on this "
                "machine and on the nodes",
                self.label,
            )

    def _connect(self, addresses: list[str], security: Any) -> None:
        from distributed import Client

        for address in addresses:
            try:
                self.client = Client(
                    address,
                    security=security,
                    set_as_default=False,
                    name=f"parsl-{self.label}",
                    timeout=30 if len(addresses) == 1 else 10,
                )
                break
            except OSError:
                if address is addresses[-1]:
                    raise
        shorten(self.client)
        self.roster.begin(self.client)
        logger.info("Executor %s runs on the Dask cluster %s", self.label, address)

    # -- workers -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        super().refresh()
        self.roster.refresh(self.client)
        self.ledger.look(self.busy())

    def node_hours(self) -> NodeHours:
        return self.ledger.now()

    def slots(self) -> int:
        return max(1, self.roster.slots)

    def workers(self) -> list[dict[str, Any]]:
        return [
            {
                "address": address,
                "name": worker.name,
                "host": worker.host,
                "pid": worker.pid,
                "block": worker.block,
                "node": worker.node,
                "nthreads": worker.nthreads,
                "idle": self.idle_seconds(worker.block),
                "draining": worker.name in self.leaving,
            }
            for address, worker in self.roster.members()
        ]

    def block_of(self, worker: str) -> str | None:
        return parts_of(worker)[0]

    def workers_of(self, blocks: Collection[str]) -> dict[str, str]:
        """Addresses and names of the workers of some blocks."""
        return {address: worker.name for address, worker in self.roster.members() if worker.block in blocks}

    def machine_of(self, worker: str) -> str | None:
        return self.roster.machine_of(worker)

    def leave_out(self, machine: str, why: str) -> bool:
        return self.jobs.bad_nodes.blame(machine, why)

    def greet(self, worker: Member) -> None:
        """A worker has come."""
        block = self.jobs.blocks.get(worker.block or "")
        if block is not None:
            block.has_workers()
        if worker.python not in (None, PYTHON) and self.error is None:
            self.error = (
                f"its workers run Python {worker.python}, this script Python {PYTHON}. Functions cannot be sent "
                "between them: give the provider, or the jobqueue settings, the path of a Python of this version"
            )

    def miss(self) -> None:
        """The last worker of a block has gone, and maybe its job."""
        self.jobs.look_soon()

    def last_of(self, worker: str) -> tuple[int, list[bytes]] | None:
        name = self.block_of(worker)
        block = self.jobs.blocks.get(name or "")
        if block is None:
            return None
        path = os.path.join(block.folder, worker + ".journal")
        # a node that is gone writes no journals: its other workers' are not waited for
        patient = time.monotonic() - self.silent.get(block.name, -100.0) > 10
        deadline = time.monotonic() + (JOURNAL if patient else 0.0)
        while True:
            found = journal.read(path)
            if found is not None:
                with suppress(OSError):
                    os.unlink(path)
                return found
            if time.monotonic() >= deadline:
                break
            time.sleep(0.01)
        if patient:
            self.silent[block.name] = time.monotonic()
        return None

    def end_of(self, worker: str) -> End | None:
        block = self.jobs.blocks.get(self.block_of(worker) or "")
        if block is None:
            return None
        path = os.path.join(block.folder, worker + ".end")
        try:  # it is written before the journal, for which last_of() has waited
            with open(path) as file:
                end = End(**json.load(file))
            os.unlink(path)
        except (OSError, ValueError, TypeError):
            return None
        return end

    def trouble(self) -> BaseException | None:
        error = self.error or self.cut_off()
        if not error and self.jobs.scheduler_block is not None and self.jobs.scheduler_block.over:
            error = f"the block that ran its scheduler ended: {told(self.jobs.scheduler_block.status)}"
        return ExecutorError(self.executor, error) if error else None

    # -- blocks ------------------------------------------------------------------------------------------

    def submit(self, block: Block, scheduler: dict[str, Any] | None) -> Any:
        """Submit a block's job; returns its id. One thread at a time, unless the provider allows more."""
        name = self._job_name(block)
        if getattr(self.provider, "takes_stdin", False):
            os.makedirs(block.folder, exist_ok=True)
            text = spec_text(self._spec(block, scheduler)) + "\n"
            start = Start("blocknode", self.archive, 0)
            command = prefixed(self.executor, stdin_command(start, python_of(self.executor)))
            return self.provider.submit(command, 1, name, stdin=text.encode())
        return self.provider.submit(self._describe(block, scheduler), 1, name)

    def _job_name(self, block: Block) -> str:
        return f"parsl.{self.label}.block-{block.name}"

    def submit_array(self, blocks: Sequence[Block]) -> list[Any]:
        """Submit blocks as one job array; returns the id of each."""
        names = [self._job_name(block) for block in blocks]
        together = f"parsl.{self.label}.blocks-{blocks[0].name}-{blocks[-1].name}"
        commands = [self._describe(block, None) for block in blocks]
        return list(self.provider.submit_array(commands, 1, names, together))

    def _spec(self, block: Block, scheduler: dict[str, Any] | None) -> dict[str, Any]:
        spec = node_spec(
            self.executor,
            block.name,
            self.addresses,
            self.pems,
            block.folder,
            self.loopback,
            scheduler,
            self.config,
        )
        self.limit = spec["job_end"]
        self.renews = self.limit is None
        return spec

    def _describe(self, block: Block, scheduler: dict[str, Any] | None) -> str:
        """Write down what a block's nodes have to know; returns the command that starts one of them."""
        os.makedirs(block.folder, exist_ok=True)
        self.jobs.will.add(block)
        self._write_start_files()
        write_private(block.spec_file, spec_text(self._spec(block, scheduler)))
        return node_command(self.executor, self.home, block.spec_file)

    def _write_start_files(self) -> None:
        """Write what every block starts with, once."""
        python = python_of(self.executor)
        if not os.path.exists(first_file(self.home, python)):
            for path, text in start_files(self.home, Start("blocknode", self.archive, LATE), python).items():
                write_private(path, text)

    def slots_per_block(self) -> int:
        """By Parsl's formula; what blocks turn out to have, where that has nothing to go by."""
        executor, provider = self.executor, self.provider
        # where calls start MPI programs, only the first node has workers
        pools = 1 if getattr(executor, "enable_mpi_mode", False) else int(getattr(provider, "nodes_per_block", 1))
        by_formula = int(executor.workers_per_node) * pools
        hinted = slots_of(provider) or executor.max_workers_per_node
        return by_formula if hinted else max(by_formula, self.roster.largest_block())

    def status(self) -> dict[str, JobStatus]:
        return self.jobs.status()

    def scale_out(self, blocks: int) -> list[str]:
        if self.limit is not None and -EXTENDED < self.limit - time.time() < USEFUL:
            logger.info("Executor %s: the job that it is in is about to end, so it gets no more blocks", self.label)
            return []
        return [block.name for block in self.jobs.ask_for(blocks)]

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        return [block.name for block in self.jobs.give_back(blocks, among)]

    def retire(self, addresses: Collection[str], seconds: float = RETIRE) -> None:
        """Have workers hand their values over and take no new tasks, within some seconds."""
        client: Any = self.client
        if not addresses or client.status != "running":
            return
        try:
            client.sync(
                client.scheduler.retire_workers,
                workers=list(addresses),
                close_workers=False,
                remove=False,
                callback_timeout=seconds,
            )
        except Exception as e:  # no time, nobody to hand over to, or the workers have just gone
            logger.info("Executor %s: workers could not hand over all they have: %r", self.label, e)

    def tell_hub(self, message: dict[str, Any]) -> None:
        """Tell the process of the scheduler something, if that is on this machine."""
        if self.hub is not None:
            with suppress(OSError):
                self.hub.tell(message)

    def blocks_with_workers(self) -> Collection[str | None]:
        """Ids of the blocks that have workers now."""
        return self.roster.blocks()

    # -- the end -----------------------------------------------------------------------------------------

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.jobs.close()  # so that nothing new comes, and the nodes write nothing more for us
        if hasattr(self, "client"):
            close_client(self.client)
        if self.hub is not None:
            self.jobs.will.revoke()
            self.hub.close()
        self.jobs.cancel_all()
        self.ledger.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
        scratch.remove(self.sockets)


class _Hub(Supervisor):
    """The process that keeps the scheduler of blocks elsewhere."""

    def __init__(self, cluster: BlockCluster) -> None:
        super().__init__(cluster.executor, cluster.sockets, None)
        self.cluster = cluster

    def heard(self, message: dict[str, Any]) -> None:
        if "error" in message:
            logger.error("Executor %s: %s", self.cluster.label, message["error"])
            self.cluster.error = message["error"]

    def over(self) -> None:
        self.cluster.error = self.cluster.error or "the process that keeps its scheduler ended"
