"""Workers in blocks of nodes that a provider gives: what ``HighThroughputExecutor`` with any provider becomes.

A block is one job of the provider's. On each of its nodes the launcher starts a supervisor
(:mod:`parsl_on_dask.clusters.blocknode`), which finds the scheduler (:mod:`parsl_on_dask.clusters.block_scheduler`) by
itself. Asking for blocks, looking after them and giving them back is done by
:class:`~parsl_on_dask.clusters.jobs.Jobs`.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters.base import End, close_client
from parsl_on_dask.clusters.block import Block, Remains, describe_end
from parsl_on_dask.clusters.block_scheduler import BlockScheduler
from parsl_on_dask.clusters.blockspec import (
    node_command,
    node_spec,
    prefixed,
    python_of,
    site_of,
    spec_text,
    write_start_files,
)
from parsl_on_dask.clusters.jobs import Jobs
from parsl_on_dask.clusters.ledger import Ledger
from parsl_on_dask.clusters.roster import Member
from parsl_on_dask.clusters.started import StartedCluster
from parsl_on_dask.clusters.startup import Start, stdin_command, write_archive
from parsl_on_dask.clusters.supervisor import dask_config
from parsl_on_dask.providers.base import slots_of
from parsl_on_dask.providers.job_scripts.preamble import LATE
from parsl_on_dask.remote import scratch
from parsl_on_dask.remote.jobend import EXTENDED
from parsl_on_dask.remote.sidefiles import write_private

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
    from parsl_on_dask.jobs.node_hours import NodeHours
    from parsl_on_dask.jobs.states import JobStatus

logger = logging.getLogger("parsl.clusters.blocks")

#: A block that would have fewer seconds than this is not asked for.
USEFUL = 15.0


class BlockCluster(StartedCluster):
    """A scheduler, and workers that come and go in blocks.

    Raises ExecutorError when the scheduler does not start. Blocks that do not start are seen in :meth:`status`.
    """

    def __init__(self, executor: HighThroughputExecutor) -> None:
        super().__init__(executor)
        if hasattr(self.provider, "enter"):
            self.provider.enter()
        self.site = site_of(self.provider)
        self.scheduler = BlockScheduler(self)
        self.remains = Remains()
        #: when the job ends in which this script and all blocks are
        self.limit: float | None = None
        self.home = os.path.join(executor.run_dir, executor.label)
        os.makedirs(self.home, exist_ok=True)
        if self.provider.script_dir is None:
            self.provider.script_dir = os.path.join(executor.run_dir, "submit_scripts")
        os.makedirs(self.provider.script_dir, exist_ok=True)
        self.scratch = tempfile.mkdtemp(prefix="scratch-", dir=self.home)
        self.sockets = scratch.make(sockets=True)
        self.archive = os.path.join(self.scratch, "parsl_on_dask.zip")
        write_archive(self.archive)
        if not getattr(self.provider, "takes_stdin", False):
            write_start_files(executor, self.home, Start("blocknode", self.archive, LATE))
        self.orders = os.path.join(self.home, "nodes")
        self.config = json.dumps(dask_config(None), default=str)
        self.jobs = Jobs(self)
        self.ledger = Ledger(self.label, self.provider, self.home, self.jobs.blocks, self.roster.of_blocks)
        self._begin()

    def _start(self) -> None:
        if getattr(self.executor, "scheduler_in_job", False):
            self.scheduler.start_in_job()
        else:
            self.scheduler.start_here()
        self.client = self.scheduler.client
        self.jobs.start()

    # -- workers -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        super().refresh()
        self.ledger.look(self.busy())

    def node_hours(self) -> NodeHours:
        return self.ledger.now()

    def workers_of(self, blocks: Collection[str]) -> dict[str, str]:
        """Addresses and names of the workers of some blocks."""
        return {address: worker.name for address, worker in self.roster.members() if worker.block in blocks}

    def machine_of(self, worker: str) -> str | None:
        return self.roster.machine_of(worker)

    def leave_out(self, machine: str, why: str) -> bool:
        return self.jobs.bad_nodes.blame(machine, why)

    def greet(self, worker: Member) -> None:
        block = self.jobs.blocks.get(worker.block or "")
        if block is not None:
            block.has_workers()
        super().greet(worker)

    def miss(self) -> None:
        self.jobs.look_soon()

    def last_of(self, worker: str) -> tuple[int, list[bytes]] | None:
        block = self.jobs.blocks.get(self.block_of(worker) or "")
        return None if block is None else self.remains.last_of(block, worker)

    def end_of(self, worker: str) -> End | None:
        block = self.jobs.blocks.get(self.block_of(worker) or "")
        return None if block is None else self.remains.end_of(block, worker)

    def cut_off(self) -> str:
        block, error = self.scheduler.block, super().cut_off()
        if not error and block is not None and block.over:
            return f"the block that ran its scheduler ended: {describe_end(block.status)}"
        return error

    # -- blocks ------------------------------------------------------------------------------------------

    def submit(self, block: Block, scheduler: dict[str, Any] | None) -> Any:
        """Submit a block's job; returns its id. One thread at a time, unless the provider allows more."""
        name = self._job_name(block)
        if getattr(self.provider, "takes_stdin", False):
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
            self.scheduler.addresses,
            self.scheduler.pems,
            block.folder,
            self.scheduler.loopback,
            scheduler,
            self.config,
        )
        self.limit = spec["job_end"]
        self.renews = self.limit is None
        return spec

    def _describe(self, block: Block, scheduler: dict[str, Any] | None) -> str:
        """Write down what a block's nodes have to know; returns the command that starts one of them."""
        if not os.path.isdir(self.orders):
            self.jobs.will.keys_are_written()
            os.makedirs(self.orders, mode=0o700, exist_ok=True)
        write_private(block.spec_file, spec_text(self._spec(block, scheduler)))
        return node_command(self.executor, self.home, block.spec_file)

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

    def tell_supervisor(self, message: dict[str, Any]) -> None:
        """Tell the process of the scheduler something, if that is on this machine."""
        if self.scheduler.supervisor is not None:
            with suppress(OSError):
                self.scheduler.supervisor.tell(message)

    def blocks_with_workers(self) -> Collection[str | None]:
        """Ids of the blocks that have workers now."""
        return self.roster.blocks()

    # -- the end -----------------------------------------------------------------------------------------

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.jobs.close()  # so that nothing new comes, and the nodes write nothing more for us
        if hasattr(self.scheduler, "client"):
            close_client(self.scheduler.client)
        if self.scheduler.supervisor is not None:
            self.jobs.will.revoke()
            self.scheduler.supervisor.close()
        self.jobs.cancel_all()
        self.ledger.close()
        shutil.rmtree(self.orders, ignore_errors=True)
        shutil.rmtree(self.scratch, ignore_errors=True)
        scratch.remove(self.sockets)
