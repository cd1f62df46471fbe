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
from typing import Any

from parsl_on_dask.clusters import polling
from parsl_on_dask.clusters.arrays import Arrays
from parsl_on_dask.clusters.badnodes import BadNodes
from parsl_on_dask.clusters.block import Block
from parsl_on_dask.clusters.governor import Governor
from parsl_on_dask.clusters.judging import Judge
from parsl_on_dask.clusters.last_will import LastWill
from parsl_on_dask.clusters.parts import Cluster
from parsl_on_dask.clusters.submitting import Submissions
from parsl_on_dask.common.late_threads import beside
from parsl_on_dask.executors.errors import ScalingFailed
from parsl_on_dask.jobs.states import JobState, JobStatus

logger = logging.getLogger("parsl.clusters.jobs")

#: Seconds between two looks at the files that jobs leave at their end, and how much longer that is for each job.
PEEK, PEEK_EACH = 1.0, 0.05
#: Seconds for which news is gathered.
GATHER = 0.2
#: Seconds between two calls of an error handler that the user wrote.
HANDLE = 5.0
#: Seconds that running calls have to end in when their block is given back.
LEAVE = 10.0
#: Seconds that cancelling may take at the end, and then the jobs to be gone.
CANCEL, GONE = 30.0, 15.0
#: States in which a job is not said to run.
WAITING = (JobState.PENDING, JobState.UNKNOWN)


class Jobs:
    """All blocks of an executor, and the thread that looks after them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.executor = cluster.executor
        self.provider = cluster.provider
        self.label = cluster.label
        self.blocks: dict[str, Block] = {}
        self.lock = threading.Lock()
        self.parallel = bool(getattr(self.provider, "parallel", False))
        self.turn: Any = contextlib.nullcontext() if self.parallel else threading.Lock()
        self.governor = Governor(self.label)
        self.bad_nodes = BadNodes(self.label)
        self.judge = Judge(self)
        self.arrays = Arrays(self.provider, self.label)
        self.submissions = Submissions(self, self.governor)
        self.will = LastWill(self.provider, cluster.orders, cluster.tell_supervisor)
        self.closing = threading.Event()
        self.news = threading.Event()
        self.failed_looks = 0
        self.handled = self.peeked = 0.0
        self.desk = polling.join(self)
        self.thread: threading.Thread | None = None

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
                own = f"block-{name}"
                spec_file = os.path.join(self.cluster.orders, own + ".json")
                block = Block(name, os.path.join(self.cluster.home, own), spec_file)
                self.blocks[name] = block
                asked.append(block)
        self.submissions.put(asked, scheduler)
        return asked

    def was_submitted(self, block: Block, job_id: Any) -> None:
        """The provider has taken a block."""
        block.job_id = job_id
        logger.info("Executor %s: block %s is job %s", self.label, block.name, job_id)
        known = getattr(self.executor, "blocks_to_job_id", None)
        if known is not None:
            known[block.name] = job_id
            self.executor.job_ids_to_block[job_id] = block.name
        self.will.add(block)
        self.desk.news(sudden=False)
        self.news.set()

    def alive(self) -> bool:
        """Whether there are jobs that have not ended."""
        return any(block.job_id is not None and not block.gone for block in list(self.blocks.values()))

    # -- looking after them ------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self.closing.is_set():
            self.news.wait(max(GATHER, min(self.desk.wait(), self._pause())))
            changed = self.news.is_set()
            if changed and self.closing.wait(GATHER):  # what comes together is dealt with together
                return
            self.news.clear()
            try:
                self.look_if_due()
                self.judge.look(self._known())
                self._handle_errors(changed or self.news.is_set())
            except Exception:
                logger.exception("Executor %s: looking after its blocks failed", self.label)

    def _pause(self) -> float:
        seen = self.cluster.blocks_with_workers()
        waiting = sum(block.name not in seen for block in self.open_blocks())
        return PEEK + PEEK_EACH * waiting if waiting else HANDLE

    def _known(self) -> list[Block]:
        return list(self.blocks.values())

    def look_soon(self) -> None:
        """Have the jobs looked at before it is time: something has happened."""
        self.desk.news()
        self.news.set()

    def changed(self) -> None:
        """Some block has another state."""
        self.news.set()
        self.submissions.wake()

    def look_if_due(self) -> None:
        """Look at what jobs have left, and ask after them if it is time."""
        self._peek()
        self.desk.look_if_due()

    def open_blocks(self) -> list[Block]:
        """The blocks whose jobs have been submitted and not ended, as far as is known."""
        return [b for b in self._known() if b.job_id is not None and not b.gone]

    def settled(self) -> bool:
        """Whether nothing about the jobs is likely to change soon without the workers telling it."""
        seen = self.cluster.blocks_with_workers()
        return all(
            block.name in seen if block.connected else block.status.state is not JobState.RUNNING
            for block in self.open_blocks()
        )

    def _peek(self) -> None:
        """Find the jobs without workers that have ended, by what they have left, without asking."""
        left_word = getattr(self.provider, "left_word", None)
        if left_word is None or time.monotonic() - self.peeked < self._pause():
            return
        self.peeked = time.monotonic()
        seen = self.cluster.blocks_with_workers()
        for block in self.open_blocks():
            if block.name in seen or (word := left_word(block.job_id)) is None:
                continue
            if block.connected:
                # the batch system knows more about the end of one that worked, and whether it will run again
                if not block.left_word:
                    block.left_word = True
                    self.desk.news()
                continue
            self._note([(block, self.provider.conclude(block.job_id, word))])

    def take(self, blocks: Sequence[Block]) -> None:
        """Take over the states of jobs from the provider, which has been, or is now, asked for them."""
        try:
            found = self._states(blocks)
        except Exception as e:
            level = logging.DEBUG if self.failed_looks else logging.WARNING
            self.failed_looks += 1
            logger.log(level, "Executor %s: no states of its jobs, the last ones stay: %r", self.label, e)
            return
        self.failed_looks = 0
        self._note(list(zip(blocks, found, strict=True)))

    def _states(self, blocks: Sequence[Block]) -> Sequence[JobStatus]:
        ids = [block.job_id for block in blocks]
        if polling.asks_by_command(self.provider):
            return list(self.provider.known(ids))
        with self.turn:
            found: Sequence[JobStatus] = list(self.provider.status(ids))
        if len(found) != len(blocks):
            raise ScalingFailed(self.executor, f"the provider gave {len(found)} states for {len(blocks)} jobs")
        return found

    def _note(self, states: Sequence[tuple[Block, JobStatus]]) -> None:
        ended = [(block, status) for block, status in states if status.terminal and not block.gone]
        self.will.remove(block for block, _ in ended)
        for block, status in ended:
            block.ended(status)
            logger.info("Executor %s: block %s has ended: %s", self.label, block.name, block.status)
        for block, status in states:
            # those it has now: a job that was put into the queue again has had some
            told_by_workers = status.state in WAITING and block.connected and self.cluster.workers_of({block.name})
            if not (status.terminal or block.over or told_by_workers):
                block.status = status
        if ended:
            self.governor_learns(self.governor.room)
        self.news.set()

    def governor_learns(self, *what: Callable[[], None]) -> None:
        """Tell the governor something."""
        with self.submissions.changed:
            for tell in what:
                tell()
            self.submissions.changed.notify_all()

    def _handle_errors(self, changed: bool) -> None:
        """Hand the states of the blocks that were submitted to the error handler."""
        handle: Callable[[dict[str, JobStatus]], None] | None = getattr(self.executor, "handle_errors", None)
        if handle is None or self.executor.bad_state_is_set:
            return
        if not changed and time.monotonic() - self.handled < HANDLE:
            return
        self.handled = time.monotonic()
        asked = {block.name: block.status for block in self._known() if block.job_id is not None or block.over}
        if asked:
            handle(asked)

    def status(self) -> dict[str, JobStatus]:
        """State of each block so far, by id."""
        waits, without = self.submissions.wait_text(), self.bad_nodes.text()
        found = {}
        for name, block in list(self.blocks.items()):
            status = block.status
            if not status.terminal and (without or (waits and block.job_id is None)):
                notes = (status.message, "" if block.job_id is not None else waits, without)
                status = JobStatus(status.state, "; ".join(note for note in notes if note))
                status.stdout_path, status.stderr_path = block.status.stdout_path, block.status.stderr_path
            found[name] = status
        return found

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
            self.submissions.wake()
            threading.Thread(target=self._let_go, args=(gone,), name="parsl-scale-in", daemon=True).start()
        return gone

    def _let_go(self, blocks: list[Block]) -> None:
        waiting = [b for b in blocks if not b.connected]
        self.cancel(waiting)
        leaving = [b for b in blocks if b.connected]
        if leaving:
            names = {b.name for b in leaving}
            workers = self.cluster.workers_of(names)
            self.cluster.leaving = self.cluster.leaving | set(workers.values())
            deadline = time.monotonic() + LEAVE
            self.cluster.retire(workers)
            while not names <= set(self.cluster.idle()) and time.monotonic() < deadline and not self.closing.wait(0.1):
                pass  # what they run may end in time
            self.cancel(leaving)
            self.cluster.leaving = self.cluster.leaving - set(workers.values())

    def cancel(self, blocks: Sequence[Block]) -> bool:
        """Have jobs cancelled; returns whether all of them will end."""
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
        self.submissions.close()
        polling.leave(self, self.desk)
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
        self.cancel(todo)
        deadline = time.monotonic() + GONE
        # a batch system needs a moment, and is not to be asked all the time
        pause, slower = (0.05, 2.0) if self.desk.table.interval <= 5 else (0.2, 3.0)
        while True:
            self.desk.look_for(self)
            if all(b.gone or b.job_id is None for b in todo) or time.monotonic() > deadline:
                return
            time.sleep(pause)
            pause = min(pause * slower, 1.0 if slower < 3 else 5.0)
