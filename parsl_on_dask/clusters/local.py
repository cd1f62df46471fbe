"""Workers on this machine: what ``HighThroughputExecutor`` becomes with a ``LocalProvider`` that has no launcher."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters.base import End, close_client, connected
from parsl_on_dask.clusters.blockspec import memory_limit, node_command, prefixed, python_of, write_start_files
from parsl_on_dask.clusters.placement import describe_workers, usable_cores
from parsl_on_dask.clusters.started import StartedCluster
from parsl_on_dask.clusters.startup import Start, write_archive
from parsl_on_dask.clusters.supervisor import Supervisor, certificates
from parsl_on_dask.launchers.launchers import SimpleLauncher
from parsl_on_dask.providers.pythons import note
from parsl_on_dask.remote import journal, scratch

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor

logger = logging.getLogger("parsl.clusters.local")

#: Seconds that the news of how a worker ended may take.
NEWS = 0.5
#: So many ends of workers are remembered.
ENDS_KEPT = 100


class LocalCluster(StartedCluster):
    """A scheduler process, and one process per worker, of this machine.

    - `executor`: with a ``LocalProvider`` whose workers are all on this machine.

    Raises ExecutorError when the processes do not come up; the text has the end of their error output.
    """

    trusts_slurm = False

    def __init__(self, executor: HighThroughputExecutor) -> None:
        super().__init__(executor)
        self.lock = threading.Lock()
        self.blocks: dict[str, _LocalBlock] = {}
        self.names = map(str, itertools.count())
        self.ends: OrderedDict[str, End] = OrderedDict()
        self.news = threading.Condition()
        self.pems: dict[str, str] | None = None
        self.scratch = scratch.make(sockets=True)
        self._begin()

    def _start(self) -> None:
        wanted = int(self.provider.init_blocks)
        keeper = self.keeper = self._launched(next(self.names) if wanted else None)
        security, self.pems = certificates(self.executor)  # both sides import distributed at the same time
        self.address = keeper.start({"host": "127.0.0.1", "ports": [0]}, "")
        for _ in range(1, wanted):
            self._add()
        self.client = connected(self.label, self.address, security)
        logger.info("Executor %s runs on the Dask cluster %s", self.label, self.address)

    def _launched(self, name: str | None) -> _LocalBlock:
        made = _LocalBlock(self, name)
        if name is not None:
            self.blocks[name] = made
        made.launch()
        return made

    def _add(self) -> str:
        name = next(self.names)
        self._launched(name).start(None, self.address)
        return name

    def slots_per_block(self) -> int:
        from psutil import virtual_memory

        cores = self.provider.cores_per_node or len(usable_cores())
        memory = self.provider.mem_per_node or virtual_memory().available / 2**30
        per_node: int = self.executor.workers_per_node_for(cores, memory)
        if self.executor.enable_mpi_mode or type(self.provider.launcher) is SimpleLauncher:
            return per_node
        return per_node * int(self.provider.nodes_per_block)

    def workers(self) -> list[dict[str, Any]]:
        counts = {name: block.count for name, block in self.blocks.copy().items()}
        return [{**worker, "together": counts.get(worker["block"], 0)} for worker in super().workers()]

    def last_of(self, worker: str) -> tuple[int, list[bytes]] | None:
        return journal.read(journal.path_of(self.scratch, worker))

    def end_call(self, worker: str, number: int) -> bool:
        found = False
        for name in [worker] if worker else [known.name for _, known in self.roster.members()]:
            with suppress(OSError):  # it is gone
                journal.end_call(journal.path_of(self.scratch, name), number)
                found = True
        return found

    def end_of(self, worker: str) -> End | None:
        # the scheduler may have noticed it sooner than the supervisor
        with self.news:
            self.news.wait_for(lambda: worker in self.ends, NEWS)
            return self.ends.get(worker)

    def died(self, worker: str, address: str, end: End) -> None:
        """A worker's process has ended.

        - `address`: "" of one that was not registered yet.
        """
        with self.news:
            self.ends[worker] = end
            while len(self.ends) > ENDS_KEPT:
                self.ends.popitem(last=False)
            self.news.notify_all()
        if address:
            self.strike_off(address)

    def strike_off(self, address: str) -> None:
        """Tell the scheduler that a worker has died.

        It sees that by itself when the worker's connection closes, unless somebody holds a copy of that. Its tasks
        fail then.
        """
        client: Any = getattr(self, "client", None)
        if client is None:
            return

        async def tell() -> None:
            try:
                await client.scheduler.unregister(address=address, stimulus_id=f"parsl-died-{time.time()}")
            except Exception:  # the scheduler is gone, too
                logger.debug("nobody to tell that the worker at %s died", address, exc_info=True)

        client.loop.add_callback(tell)

    def scale_out(self, blocks: int) -> list[str]:
        with self.lock:
            return [self._add() for _ in range(blocks)]

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        with self.lock:
            gone = [b for b in reversed(self.blocks) if among is None or b in among][:blocks]
            for block in gone:
                ended = self.blocks.pop(block)
                if ended is self.keeper:
                    ended.drop_workers()
                else:
                    ended.close()
            return gone

    def status(self) -> dict[str, Any]:
        from parsl_on_dask.jobs.states import JobState, JobStatus

        def state(block: Supervisor) -> JobState:
            if block.closing:
                return JobState.SCALED_IN
            return JobState.FAILED if block.ended() else JobState.RUNNING

        return {name: JobStatus(state(block)) for name, block in self.blocks.items()}

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if hasattr(self, "client"):
            close_client(self.client)
        blocks = list(self.blocks.values())
        if hasattr(self, "keeper") and self.keeper not in blocks:
            blocks.insert(0, self.keeper)  # the last to end: workers without a scheduler would be replaced
        for block in reversed(blocks):
            block.close()
        scratch.remove(self.scratch)


class _LocalBlock(Supervisor):
    """One supervisor process with its workers."""

    cluster: LocalCluster

    def __init__(self, cluster: LocalCluster, name: str | None) -> None:
        super().__init__(cluster, cluster.scratch, name)
        self.count = 0

    @property
    def in_our_python(self) -> bool:
        """Whether nothing can have its processes run by another Python than the script's."""
        init, python = self.cluster.provider.worker_init, python_of(self.executor)
        return not init and python is None and prefixed(self.executor, "") == ""

    def command(self, path: str) -> str:
        if self.in_our_python:
            return super().command(path)
        archive = os.path.join(self.scratch, "parsl_on_dask.zip")
        if not os.path.exists(archive):
            write_archive(archive)
        write_start_files(self.executor, self.scratch, Start("node", archive, 0))
        return node_command(self.executor, self.scratch, path)

    def shell_text(self, command: str, job: str) -> str:
        before = "" if self.in_our_python else f"{note()}\n{self.cluster.provider.worker_init}\n"
        run = f"{command}\n" if prefixed(self.executor, "") else f"exec {command}\n"
        return f"{before}export JOBNAME={job}\n{run}"

    def start(self, scheduler: dict[str, Any] | None, address: str) -> str:
        """Say what to start; returns the scheduler's address."""
        workers = [] if self.name is None else self._workers()
        self.count = len(workers)
        return self.begin(
            {
                "scheduler": scheduler,
                "address": address,
                "workers": workers,
                "security": self.cluster.pems,
                "memory_limit": memory_limit(self.cluster.executor),
            }
        )

    def _workers(self) -> list[dict[str, Any]]:
        executor, label = self.cluster.executor, self.cluster.label
        logs = os.path.join(executor.worker_logdir, f"block-{self.name}")
        os.makedirs(logs, exist_ok=True)
        spec = {
            "block": str(self.name),
            "accelerators": executor.available_accelerators,
            "cpu_affinity": executor.cpu_affinity,
            "worker_debug": executor.worker_debug,
        }
        count, prefix = self.cluster.slots_per_block(), f"{label}-block{self.name}"
        made = describe_workers(spec, count, prefix=prefix, pool_id=f"{label}-{self.name}", logs=logs)
        return [{**worker, "host": "127.0.0.1"} for worker in made]

    def received(self, message: dict[str, Any]) -> None:
        if "died" in message:
            logger.warning("Worker %s (pid %s) died: %s", message["died"], message["pid"], message["end"]["how"])
            self.cluster.died(message["died"], message["address"], End(**message["end"]))
        else:
            super().received(message)

    def drop_workers(self) -> None:
        """End the workers, and keep the scheduler."""
        self.count = 0
        self.tell("drop workers")
