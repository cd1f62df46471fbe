"""The blocks of an executor: asked for, looked after, given back.

A provider may be slow, and may fail: nothing that scripts or other threads wait for happens inside of it. Providers
that people write for Parsl are used by one thread there, so only one thread at a time is inside a provider here;
unless it says ``parallel = True``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters.arrays import Arrays
from parsl_on_dask.executors.errors import ScalingFailed
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.late_threads import beside

if TYPE_CHECKING:
    from parsl_on_dask.clusters.blocks import BlockCluster

logger = logging.getLogger("parsl.clusters.jobs")

#: The most seconds between two looks at the jobs.
POLL = 5.0
#: Seconds between two looks when there is reason to believe that something has changed.
SOON = 0.5
#: How many submissions run at a time, with a provider that allows it.
TOGETHER = 8
#: Seconds that running calls have to end in when their block is given back.
LEAVE = 10.0
#: Seconds that cancelling may take at the end, and then the jobs to be gone.
CANCEL, GONE = 30.0, 15.0

#: States in which a job is not said to run.
WAITING = (JobState.PENDING, JobState.UNKNOWN)

NEVER_CONNECTED = (
    "The job ended before any of its workers had connected to the scheduler; its output, in the submit_scripts "
    "directory of the run, may say why"
)


class Block:
    """One job.

    Attributes
    ----------
    name : str
        Its id, a number.
    folder : str
        Directory that its nodes and this process share.
    job_id : object
        The provider's; None before the submission.
    status : JobStatus
        As it is shown.
    connected : bool
        Whether it ever had workers.
    given_back : bool
        Whether it is, or is about to be, cancelled.
    gone : bool
        Whether the provider says that the job has ended.
    """

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        self.folder = folder
        self.spec_file = os.path.join(folder, "node.json")
        self.job_id: Any = None
        self.status = JobStatus(JobState.PENDING)
        self.connected = False
        self.given_back = False
        self.gone = False
        self.submitted = threading.Event()

    @property
    def over(self) -> bool:
        """Whether it runs no more and never will."""
        return self.status.terminal

    @property
    def running(self) -> bool:
        return self.connected or self.status.state is JobState.RUNNING

    def has_workers(self) -> None:
        """A worker of it is there."""
        self.connected = True
        if self.status.state in (JobState.PENDING, JobState.HELD, JobState.UNKNOWN):
            self.status = JobStatus(JobState.RUNNING)

    def ended(self, status: JobStatus) -> None:
        """The provider says so."""
        self.gone = True
        if not self.given_back:
            if not self.connected:
                message = status.message or NEVER_CONNECTED
                status = JobStatus(JobState.MISSING, message, status.exit_code, status.stdout_path, status.stderr_path)
            self.status = status
        self.forget()

    def forget(self) -> None:
        """Remove the file that its nodes start from: it holds keys."""
        with contextlib.suppress(OSError):
            os.unlink(self.spec_file)


class Jobs:
    """All blocks of an executor, and the thread that looks after them.

    Parameters
    ----------
    cluster : BlockCluster
    """

    def __init__(self, cluster: BlockCluster) -> None:
        self.cluster = cluster
        self.executor = cluster.executor
        self.provider = cluster.provider
        self.label = cluster.label
        self.blocks: dict[str, Block] = {}
        self.scheduler_block: Block | None = None
        self.lock = threading.Lock()
        self.turn: Any = contextlib.nullcontext() if getattr(self.provider, "parallel", False) else threading.Lock()
        self.submitters = threading.BoundedSemaphore(TOGETHER)
        self.arrays = Arrays(self.provider, self.label)
        self.closing = threading.Event()
        self.news = threading.Event()
        self.looked = time.monotonic()
        self.failed_looks = 0
        self.thread: threading.Thread | None = None

    @property
    def period(self) -> float:
        """Seconds between two looks."""
        wanted = getattr(self.provider, "status_polling_interval", POLL)
        return max(SOON, min(float(wanted), POLL)) if wanted else POLL

    def start(self) -> None:
        """Begin to look after the blocks."""
        self.thread = threading.Thread(target=self._run, name=f"parsl-blocks-{self.label}", daemon=True)
        self.thread.start()

    # -- asking for blocks -------------------------------------------------------------------------------

    def ask_for(self, count: int, scheduler: dict[str, Any] | None = None) -> list[Block]:
        """Ask for blocks, without waiting for the provider's answer."""
        asked = []
        with self.lock:
            for _ in range(count):
                if self.closing.is_set():
                    break
                name = str(len(self.blocks))
                block = Block(name, os.path.join(self.cluster.home, f"block-{name}"))
                self.blocks[name] = block
                asked.append(block)
        for blocks in self.arrays.groups(asked):
            threading.Thread(
                target=self._submit_all, args=(blocks, scheduler), name=f"parsl-submit-{blocks[0].name}", daemon=True
            ).start()
        return asked

    def _submit_all(self, blocks: list[Block], scheduler: dict[str, Any] | None) -> None:
        """Submit blocks as one job array, or one by one where the batch system does not take that."""
        if len(blocks) == 1 or not self._submit_array(blocks):
            for block in blocks:
                self._submit(block, scheduler)

    def _submit_array(self, blocks: list[Block]) -> bool:
        with self.submitters, self.turn:
            if self.closing.is_set() or any(block.given_back for block in blocks):
                return False
            try:
                job_ids = self.cluster.submit_array(blocks)
            except Exception as e:
                self.arrays.refused(e)
                return False
        for block, job_id in zip(blocks, job_ids, strict=True):
            self._was_submitted(block, job_id)
            block.submitted.set()
        late = [block for block in blocks if block.given_back or self.closing.is_set()]
        if late:
            self._cancel(late)
        return True

    def _was_submitted(self, block: Block, job_id: Any) -> None:
        """The provider has taken a block."""
        block.job_id = job_id
        logger.info("Executor %s: block %s is job %s", self.label, block.name, job_id)
        known = getattr(self.executor, "blocks_to_job_id", None)
        if known is not None:
            known[block.name] = job_id
            self.executor.job_ids_to_block[job_id] = block.name
        self._write_will()

    def _submit(self, block: Block, scheduler: dict[str, Any] | None) -> None:
        try:
            with self.submitters:
                with self.turn:
                    if self.closing.is_set() or block.given_back:
                        block.gone = True
                        return
                    job_id = self.cluster.submit(block, scheduler)
                if not job_id:
                    raise ScalingFailed(self.executor, f"the provider gave no job id for block {block.name}")
                self.arrays.single(True)
                self._was_submitted(block, job_id)
        except Exception as e:
            self.arrays.single(False)
            block.gone = True
            if not block.given_back:
                block.status = JobStatus(JobState.FAILED, f"Failed to start block {block.name}: {e}")
                logger.warning("Executor %s: block %s could not be had: %s", self.label, block.name, e)
            block.forget()
            self.look_soon()
        finally:
            block.submitted.set()
            if block.job_id is not None and (block.given_back or self.closing.is_set()):
                self._cancel([block])

    # -- looking after them ------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self.closing.is_set():
            soon = self.news.wait(self.period)
            if soon and not self.closing.wait(SOON):
                self.news.clear()
            if self.closing.is_set():
                return
            try:
                self.look()
                self._handle_errors()
            except Exception:
                logger.exception("Executor %s: looking after its blocks failed", self.label)

    def look_soon(self) -> None:
        """Have the jobs looked at before it is time."""
        self.news.set()

    def look_if_due(self) -> None:
        """Look at the jobs, if the last look is long enough ago. For use before :meth:`start`."""
        if time.monotonic() - self.looked > min(1.0, self.period):
            self.look()

    def look(self) -> None:
        """Ask the provider after the jobs that have not ended, in one go."""
        self.looked = time.monotonic()
        asked = [b for b in list(self.blocks.values()) if b.job_id is not None and not b.gone]
        if not asked:
            return
        try:
            with self.turn:
                found = self._states(asked)
        except Exception as e:
            level = logging.DEBUG if self.failed_looks else logging.WARNING
            self.failed_looks += 1
            logger.log(level, "Executor %s: no states of its jobs, the last ones stay: %r", self.label, e)
            return
        self.failed_looks = 0
        if any(status.terminal for status in found):
            self._write_will([b for b, status in zip(asked, found, strict=True) if status.terminal])
        for block, status in zip(asked, found, strict=True):
            if status.terminal:
                block.ended(status)
                logger.info("Executor %s: block %s has ended: %s", self.label, block.name, block.status)
            elif not block.over and not (self._has_workers(block) and status.state in WAITING):
                block.status = status

    def _has_workers(self, block: Block) -> bool:
        """Whether it has some now: a job that was put into the queue again has had some."""
        return block.connected and bool(self.cluster.workers_of({block.name}))

    def _states(self, blocks: Sequence[Block]) -> Sequence[JobStatus]:
        found: Sequence[JobStatus] = list(self.provider.status([b.job_id for b in blocks]))
        if len(found) != len(blocks):
            raise ScalingFailed(self.executor, f"the provider gave {len(found)} states for {len(blocks)} jobs")
        return found

    def _handle_errors(self) -> None:
        handle: Callable[[dict[str, JobStatus]], None] | None = getattr(self.executor, "handle_errors", None)
        if handle is not None and self.blocks and not self.executor.bad_state_is_set:
            handle(self.status())

    def status(self) -> dict[str, JobStatus]:
        """State of each block so far, by id."""
        return {name: block.status for name, block in list(self.blocks.items())}

    # -- giving them back --------------------------------------------------------------------------------

    def give_back(self, count: int, among: Collection[str] | None = None) -> list[Block]:
        """Give blocks back: first those that do not run yet, then idle ones, the newest first.

        The running ones hand over their values before their jobs are cancelled; that goes on in the background.
        """
        idle = self.cluster.idle()
        with self.lock:
            choice = [b for b in self.blocks.values() if not b.over and (among is None or b.name in among)]
            choice.sort(key=lambda b: (b.running, b.name not in idle, -int(b.name)))
            gone = choice[:count]
            for block in gone:
                block.given_back = True
                block.status = JobStatus(JobState.SCALED_IN)
        if gone:
            threading.Thread(target=self._let_go, args=(gone,), name="parsl-scale-in", daemon=True).start()
        return gone

    def _let_go(self, blocks: list[Block]) -> None:
        waiting = [b for b in blocks if not b.connected]
        self._cancel(waiting)
        leaving = [b for b in blocks if b.connected]
        if leaving:
            names = {b.name for b in leaving}
            workers = self.cluster.workers_of(names)
            self.cluster.leaving = self.cluster.leaving | set(workers.values())
            deadline = time.monotonic() + LEAVE
            self.cluster.retire(workers)
            while not names <= set(self.cluster.idle()) and time.monotonic() < deadline and not self.closing.wait(0.1):
                pass  # what they run may end in time
            self._cancel(leaving)
            self.cluster.leaving = self.cluster.leaving - set(workers.values())

    def _write_will(self, without: Collection[Block] = ()) -> None:
        """Leave word of which jobs to cancel if this process is killed."""
        jobs = [b.job_id for b in list(self.blocks.values()) if b.job_id is not None and not (b.gone or b in without)]
        secrets = [b.spec_file for b in list(self.blocks.values()) if not (b.gone or b in without)]
        self.cluster.leave_will(last_will(self.provider, jobs), secrets)

    def _cancel(self, blocks: Sequence[Block]) -> bool:
        submitted = [b for b in blocks if b.job_id is not None and not b.gone]
        if not submitted:
            return True
        for block in submitted:
            block.forget()  # by which its nodes see that this is not the batch system's wish
        try:
            with self.turn:
                answers = list(self.provider.cancel([b.job_id for b in submitted]))
        except Exception as e:
            logger.warning("Executor %s: jobs could not be cancelled: %r", self.label, e)
            return False
        for block, done in zip(submitted, answers, strict=False):
            if not done:
                logger.warning("Executor %s: job %s was not cancelled", self.label, block.job_id)
        return all(answers)

    # -- the end -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Ask for nothing any more."""
        with self.lock:
            self.closing.set()
        self.news.set()
        for block in self.blocks.values():
            block.forget()

    def cancel_all(self) -> None:
        """Cancel what has not ended, and see that it is gone, within bounded time."""
        if not self.blocks:
            return
        beside(self._end_all, name="parsl-cancel", patience=CANCEL + GONE)
        left = [b for b in self.blocks.values() if b.job_id is not None and not b.gone]
        if left:
            logger.warning(
                "Executor %s: these jobs may still be there, look at them and cancel them yourself: %s",
                self.label,
                ", ".join(str(b.job_id) for b in left),
            )
        for block in self.blocks.values():
            block.forget()

    def _end_all(self) -> None:
        deadline = time.monotonic() + CANCEL
        for block in self.blocks.values():
            block.submitted.wait(max(0.0, deadline - time.monotonic()))
        todo = list(self.blocks.values())
        for block in todo:
            if not block.over:
                block.given_back = True
                block.status = JobStatus(JobState.SCALED_IN)
        self._cancel(todo)
        deadline = time.monotonic() + GONE
        pause = 0.05
        while True:
            self.look()
            if all(b.gone or b.job_id is None for b in todo) or time.monotonic() > deadline:
                return
            time.sleep(pause)
            pause = min(1.0, pause * 2)


def last_will(provider: Any, jobs: Sequence[Any]) -> str:
    """A provider and its jobs as text; ``""`` when it is one that cannot travel."""
    import base64

    import cloudpickle

    try:
        return base64.b64encode(cloudpickle.dumps((provider, list(jobs)))).decode()
    except Exception as e:
        logger.debug("a %s cannot be pickled, so its jobs end by themselves if this process is killed: %r", provider, e)
        return ""
