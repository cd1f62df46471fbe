"""A dask-jobqueue cluster that the user made, with as many jobs as the calls need.

One job of the cluster is one block. Growing is the cluster's own ``scale()``; everything else is done here, because
the cluster itself does not notice jobs that were refused or have ended, confuses jobs with their workers, and moves
nothing off the workers it gives back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters.existing import ExistingCluster
from parsl_on_dask.clusters.polling import Timetable
from parsl_on_dask.dask_internals.jobqueue import apply_specification, slots_of_job
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.errors import SubmitException
from parsl_on_dask.providers.local_provider import check_blocks

if TYPE_CHECKING:
    from parsl_on_dask.executors.dask import DaskExecutor

logger = logging.getLogger("parsl.clusters.jobs_of_cluster")

#: Seconds between two looks at whether it is time to ask the batch system.
POLL = 1.0
#: Seconds for which a job may be without workers that it had: a nanny may be starting one again.
GRACE = 10.0
#: Seconds that moving results off the workers of a block may take before its job is ended.
RETIRE_TIMEOUT = 30.0


class JobsOfCluster(ExecutionProvider):
    """How many jobs a cluster object has: the numbers that scaling goes by.

    - `max_blocks`: jobs at the most.
    - `init_blocks`, `min_blocks`: jobs at the start (default: one, or those that the cluster has), and at the least
      when idle (default 0).
    - `parallelism`: worker slots wanted for each waiting task.
    """

    def __init__(
        self, cluster: Any, max_blocks: int, init_blocks: int = 1, min_blocks: int = 0, parallelism: float = 1
    ) -> None:
        super().__init__()
        self.cluster = cluster
        self.init_blocks = init_blocks
        self.min_blocks = min_blocks
        self.max_blocks = max_blocks
        self.parallelism = parallelism
        check_blocks(self, "DaskExecutor")

    @property
    def label(self) -> str:
        """Class name of the cluster."""
        return type(self.cluster).__name__

    @property
    def status_polling_interval(self) -> int:
        return 60

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> object:
        """Always refused: the cluster decides what its jobs run."""
        raise SubmitException(job_name, f"the jobs of a {self.label} are submitted by the cluster itself")

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        """Return the states of jobs, as far as the cluster tells: those it still has run or will run."""
        known = {job.job_id for job in list(self.cluster.workers.values())}
        return [JobStatus(JobState.RUNNING if j in known else JobState.COMPLETED) for j in job_ids]

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        """Always refused, as :meth:`submit` is."""
        return [False] * len(job_ids)


class ScaledCluster(ExistingCluster):
    """A dask-jobqueue cluster of the user's, whose jobs come and go; it goes on, as it then is, when we leave."""

    def __init__(self, executor: DaskExecutor) -> None:
        self.jobs: Any = executor.cluster
        provider: Any = executor.provider
        self.provider: JobsOfCluster = provider
        self.lock = threading.Lock()
        self.had_workers: dict[str, float] = {}
        self.ended: dict[str, JobStatus] = {}
        self.seen: dict[str, JobStatus] = {}
        self.left = threading.Event()
        self.questions = Timetable(self.provider.status_polling_interval)
        super().__init__(executor)
        threading.Thread(target=self._watch, name=f"parsl-jobs-{executor.label}", daemon=True).start()
        missing = self.provider.init_blocks - len(self.jobs.worker_spec)
        if missing > 0:
            self.scale_out(missing)

    def slots_per_block(self) -> int:
        return slots_of_job(self.jobs)

    def block_of(self, worker: str) -> str | None:
        spec = self.jobs.worker_spec
        if worker in spec:
            return worker
        job = worker.rpartition("-")[0]  # of a job of several processes
        return job if job in spec else None

    def _watch(self) -> None:
        """Ask the batch system after the jobs, again and again: the cluster itself does not."""
        from parsl_on_dask.errors import ConfigurationError
        from parsl_on_dask.providers.jobqueue import provider_from_jobqueue

        try:
            asked: Any = provider_from_jobqueue(str(self.jobs.job_cls.config_name))
        except ConfigurationError:
            logger.debug("jobs of %s are only known by their workers", self.provider.label)
            return
        known: set[str] = set()
        while not self.left.wait(POLL):
            # jobs were asked for, or one has lost its workers
            now = set(self.jobs.worker_spec) | {
                f"{name} works" for name, workers in self._of_blocks().items() if workers
            }
            if now != known:
                self.questions.news(sudden=not now > known)
                known = now
            if self.questions.wait():
                continue
            jobs = {name: str(job.job_id) for name, job in list(self.jobs.workers.items()) if job.job_id is not None}
            for name, job_id in jobs.items():
                asked.watch(job_id, name)
            self.seen = dict(zip(jobs, asked.status(list(jobs.values())), strict=True))
            busy = {self.block_of(worker.name) for _, worker in self.roster.members()}
            # workers may have come and gone between two looks
            runs = {name for name, seen in self.seen.items() if seen.state is JobState.RUNNING}
            deserted = {name for name in runs.union(self.had_workers) if name in jobs} - busy
            self.questions.asked(settled=not deserted, really=bool(jobs))

    def close(self) -> None:
        self.left.set()
        super().close()

    def _of_blocks(self) -> dict[str, list[str]]:
        """Addresses of the workers of each block."""
        found: dict[str, list[str]] = {name: [] for name in list(self.jobs.worker_spec)}
        for address, worker in self.roster.members():
            block = self.block_of(worker.name)
            if block in found:
                found[block].append(address)
        return found

    def status(self) -> dict[str, Any]:
        """State of each job. One that was refused, or whose workers have all gone, has failed and is given up."""
        now = time.monotonic()
        states: dict[str, JobStatus] = {}
        for name, workers in self._of_blocks().items():
            job = self.jobs.workers.get(name)
            if workers:
                self.had_workers[name] = now
                states[name] = JobStatus(JobState.RUNNING)
            elif name in self.seen and self.seen[name].terminal:
                self._give_up(name, job, f"it ended ({self.seen[name].status_name}) and its workers have gone")
            elif job is not None and job.job_id is None:
                self._give_up(name, job, "it was not submitted; the log of Dask says why")
            elif name in self.had_workers and now - self.had_workers[name] > GRACE:
                self._give_up(name, job, "all its workers have gone")
            else:
                states[name] = JobStatus(JobState.PENDING)
        return {**self.ended, **states}

    def _give_up(self, name: str, job: Any, why: str) -> None:
        logger.warning("Executor %s: job %s of %s failed: %s", self.executor.label, name, self.provider.label, why)
        self.ended[name] = JobStatus(JobState.FAILED, why)
        if job is not None and job.job_id is None:
            from distributed.core import Status

            job.status = Status.failed  # closing the cluster would stumble over a job that never began
        self._remove([name])

    def scale_out(self, blocks: int) -> list[str]:
        with self.lock:
            before = set(self.jobs.worker_spec)
            self.jobs.scale(jobs=len(before) + blocks)
            return sorted(set(self.jobs.worker_spec) - before)

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        with self.lock:
            workers = self._of_blocks()
            order = [name for name in reversed(workers) if not workers[name]]  # not yet running, then the newest
            order += [name for name in reversed(workers) if workers[name]]
            gone = [name for name in order if among is None or name in among][:blocks]
            addresses = [address for name in gone for address in workers[name]]
            if not self.retire(addresses, RETIRE_TIMEOUT, remove=True):
                logger.warning("results could not be moved off %s", ", ".join(addresses))
            for name in gone:
                self.ended[name] = JobStatus(JobState.SCALED_IN)
            self._remove(gone)
            return gone

    def _remove(self, names: Collection[str]) -> None:
        for name in names:
            self.jobs.worker_spec.pop(name, None)
            self.had_workers.pop(name, None)
        apply_specification(self.jobs)
