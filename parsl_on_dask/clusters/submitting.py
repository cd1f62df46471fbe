"""Blocks that are to be submitted: one after the other, as fast as the governor lets them go."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from parsl_on_dask.clusters.block import Block
from parsl_on_dask.clusters.governor import Governor
from parsl_on_dask.clusters.parts import Jobs
from parsl_on_dask.executors.errors import ScalingFailed
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.providers.refusals import Refusal, refusal_of

logger = logging.getLogger("parsl.clusters.submitting")

#: How many submissions run at a time, with a provider that allows it.
TOGETHER = 8


class Submission(NamedTuple):
    """What one call of the provider asks for.

    - `scheduler`: settings of the scheduler, if it is to run in the first of them.
    """

    blocks: list[Block]
    scheduler: dict[str, Any] | None


class Submissions:
    """The queue of submissions of an executor, and the threads that work through it."""

    def __init__(self, jobs: Jobs, governor: Governor) -> None:
        self.jobs = jobs
        self.governor = governor
        self.queue: deque[Submission] = deque()
        self.changed = threading.Condition()
        self.threads = 0
        self.closed = False

    def put(self, blocks: Sequence[Block], scheduler: dict[str, Any] | None) -> None:
        """Have blocks submitted."""
        with self.changed:
            self.queue.extend(Submission(group, scheduler) for group in self.jobs.arrays.groups(blocks))
            if self.closed:
                self._drop()
            self._have_worked()

    def wake(self) -> None:
        """Look at the queue again: something about it, or about the governor, has changed."""
        with self.changed:
            self._drop()
            self._have_worked()

    def close(self) -> None:
        """Submit nothing more."""
        with self.changed:
            self.closed = True
            self._drop()
            self.changed.notify_all()

    def wait_text(self) -> str:
        """Why submissions wait, and until when; ``""`` while they do not."""
        reason, seconds = self.governor.reason, self.governor.wait()
        if not reason or not (self.threads or seconds):
            return ""
        if not seconds:
            return f"being asked for again: {reason}"
        at = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
        return f"not asked for before {at}: {reason}"

    def _have_worked(self) -> None:
        """Have as many threads work through the queue as may. Under the lock."""
        most = TOGETHER if self.jobs.parallel else 1
        while self.threads < min(most, len(self.queue)):
            self.threads += 1
            threading.Thread(target=self._work, name=f"parsl-submit-{self.jobs.label}", daemon=True).start()
        self.changed.notify_all()

    def _drop(self) -> None:
        """Forget what is not wanted any more. Under the lock."""
        kept: deque[Submission] = deque()
        for submission in self.queue:
            blocks = []
            for block in submission.blocks:
                if self.closed or block.given_back:
                    block.gone = True
                    block.submitted.set()
                else:
                    blocks.append(block)
            if blocks:
                kept.append(submission._replace(blocks=blocks))
        self.queue = kept

    def _next(self) -> Submission | None:
        """The submission whose turn it is; None when there is none left. Under the lock."""
        while True:
            if self.queue and (self.closed or any(block.given_back for block in self.queue[0].blocks)):
                self._drop()
            if not self.queue:
                return None
            wait = self.governor.wait()
            if not wait:
                submission = self.queue.popleft()
                if self.governor.trial and len(submission.blocks) > 1:  # one is enough to see whether they live
                    one, *others = submission.blocks
                    self.queue.appendleft(submission._replace(blocks=others))
                    return submission._replace(blocks=[one])
                return submission
            self.changed.wait(wait)

    def _work(self) -> None:
        while True:
            with self.changed:
                submission = self._next()
                if submission is None:
                    self.threads -= 1
                    return
                trial = self.governor.sent()
            for block in submission.blocks:
                block.trial = trial
            if not self._submit(submission):
                with self.changed:
                    self.queue.appendleft(submission)

    def _submit(self, submission: Submission) -> bool:
        """Submit; False when it has to be tried again."""
        jobs, blocks = self.jobs, submission.blocks
        try:
            with jobs.turn:
                if hasattr(jobs.provider, "left_out"):
                    jobs.provider.left_out = jobs.bad_nodes.left_out()
                if len(blocks) > 1:
                    job_ids = jobs.cluster.submit_array(blocks)
                else:
                    job_ids = [jobs.cluster.submit(blocks[0], submission.scheduler)]
            for block, job_id in zip(blocks, job_ids, strict=True):
                if not job_id:
                    raise ScalingFailed(jobs.executor, f"the provider gave no job id for block {block.name}")
                jobs.was_submitted(block, job_id)
            with self.changed:
                self.governor.taken()
                if len(blocks) == 1:
                    jobs.arrays.single(True)
        except Exception as error:
            several = len(blocks) > 1
            room_for_some = several and refusal_of(error) is Refusal.FULL
            if not room_for_some and self._is_passing(error):
                return False
            if several:
                if not room_for_some:
                    jobs.arrays.refused(error)
                self._divide(submission)
            else:
                jobs.arrays.single(False)
                self._refused(blocks[0], error)
        finally:
            self._settle(blocks)
        return True

    def _divide(self, submission: Submission) -> None:
        """Have the blocks of an array that was not taken submitted one by one."""
        with self.changed:
            self.queue.extendleft(Submission([block], submission.scheduler) for block in reversed(submission.blocks))
            self._have_worked()

    def _is_passing(self, error: Exception) -> bool:
        """Whether a submission that failed is to be tried again."""
        kind = refusal_of(error, alive=self.jobs.alive())
        if kind is Refusal.FINAL and self.jobs.bad_nodes.forgive():
            logger.warning("Executor %s uses the nodes again that it avoided: %s", self.jobs.label, error)
            return True
        if kind not in (Refusal.NO_ANSWER, Refusal.FULL):
            return False
        why = str(getattr(error, "message", "") or error)
        with self.changed:
            (self.governor.full if kind is Refusal.FULL else self.governor.not_answered)(why)
        return True

    def _refused(self, block: Block, error: Exception) -> None:
        block.gone = True
        if not block.given_back:
            block.status = JobStatus(JobState.FAILED, f"Failed to start block {block.name}: {error}")
            block.status.refused = refusal_of(error) is Refusal.FINAL
            block.status.trial = block.trial
            logger.warning("Executor %s: block %s could not be obtained: %s", self.jobs.label, block.name, error)
            with self.changed:
                self.governor.died(block.trial, f"{error}")
        block.forget()
        self.jobs.changed()

    def _settle(self, blocks: Sequence[Block]) -> None:
        """Blocks have been submitted or given up; what nobody wants any more is cancelled."""
        late = []
        for block in blocks:
            if block.gone or block.job_id is not None:
                block.submitted.set()
            if block.job_id is not None and (block.given_back or self.jobs.closing.is_set()):
                late.append(block)
        if late:
            self.jobs.cancel(late)
