"""The account of blocks: with a clock of its own, and of a run."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.clusters import ledger as module
from parsl_on_dask.clusters.block import Block
from parsl_on_dask.clusters.ledger import Ledger
from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl_on_dask.jobs.node_hours import NODE_HOURS, BlockHours, read
from parsl_on_dask.jobs.states import JobState, JobStatus
from tests.clusters.jobs import ShellProvider
from tests.helpers import eventually


class Account:
    """A ledger over blocks and workers that a test sets up."""

    def __init__(self, folder: Path, **provider: Any) -> None:
        self.now = 1000.0
        self.blocks: dict[str, Block] = {}
        provider = {"label": "slurm", "nodes_per_block": 2, "walltime": "01:00:00", **provider}
        self.slots: Counter[str | None] = Counter()
        home = folder / "cpu"
        home.mkdir(exist_ok=True)
        described = SimpleNamespace(**provider)
        self.ledger = Ledger("cpu", described, str(home), self.blocks, self.slots, lambda: self.now)

    def add(self, name: str, job: str | None = "77") -> Block:
        block = self.blocks[name] = Block(name, "folder", "orders")
        block.job_id = job
        return block

    def workers(self, block: Block, count: int) -> None:
        self.slots[block.name] = count
        if count:
            block.has_workers()

    def after(self, seconds: float, **busy: float) -> None:
        """Time passes, and the last look of it is taken; ``b0=2`` are two busy slots of block 0."""
        self.now += seconds
        self.ledger.look({name.removeprefix("b"): slots for name, slots in busy.items()})

    def __getitem__(self, name: str) -> BlockHours:
        return next(b for b in self.ledger.now().blocks if b.block == name)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def test_a_block_waits_works_and_ends(account: Account) -> None:
    block = account.add("0")
    account.after(0)
    account.after(60)
    account.workers(block, 4)
    account.after(100, b0=4)
    account.after(100, b0=1)
    account.after(50)
    account.workers(block, 0)
    account.after(30)
    block.ended(JobStatus(JobState.TIMEOUT))
    account.after(30)
    seen = account["0"]
    assert (seen.job, seen.state, seen.nodes, seen.walltime) == ("77", "TIMEOUT", 2, 3600.0)
    assert (seen.queued, seen.used, seen.idle) == (60.0, 250.0, 125.0)


def test_it_runs_when_the_batch_system_says_so_or_workers_do(account: Account) -> None:
    block = account.add("0")
    account.after(0)
    block.status = JobStatus(JobState.RUNNING)
    account.after(10)  # its workers are still to come
    account.workers(block, 2)
    account.after(10, b0=2)
    account.workers(block, 0)  # they have gone, and the batch system is not asked yet
    account.after(60)
    assert (account["0"].queued, account["0"].used, account["0"].idle) == (0.0, 20.0, 10.0)


def test_a_block_that_is_given_back_counts_while_its_workers_are_there(account: Account) -> None:
    block = account.add("0")
    account.workers(block, 2)
    account.after(0)
    block.given_back, block.status = True, JobStatus(JobState.SCALED_IN)
    account.after(10, b0=2)
    account.workers(block, 0)
    account.after(10)
    assert (account["0"].used, account["0"].idle, account["0"].state) == (10.0, 0.0, "SCALED_IN")


def test_a_submission_that_was_refused_asked_for_nothing(account: Account) -> None:
    block = account.add("0", None)
    account.after(0)
    account.after(5)
    block.gone, block.status = True, JobStatus(JobState.FAILED)
    account.after(5)
    hours = account.ledger.now()
    assert (hours.asked_for, hours.used, hours.idle) == (0, 0, 0)
    assert "in the queue" not in hours.summary()


def test_blocks_of_no_walltime_ask_for_no_number(tmp_path: Path) -> None:
    account = Account(tmp_path, walltime=None)
    account.add("0")
    account.after(1)
    assert account.ledger.now().asked_for is None and "asked for" not in account.ledger.now().summary()


def test_more_busy_slots_than_there_are_count_as_all(account: Account) -> None:
    block = account.add("0")
    account.workers(block, 2)
    account.after(0)
    account.after(10, b0=3)
    assert account["0"].idle == 0.0


def test_the_file_is_written_now_and_then(account: Account, tmp_path: Path) -> None:
    """A run that is killed leaves what was known a minute before."""
    path = tmp_path / "cpu" / NODE_HOURS
    account.after(100)
    assert not path.exists(), "there are no blocks"
    account.add("0")
    account.after(1)
    eventually(path.exists, "the file")
    account.add("1")
    account.after(module.WRITE - 1)
    assert [len(hours.blocks) for hours in read(tmp_path)] == [1]
    account.after(1)
    eventually(lambda: [len(hours.blocks) for hours in read(tmp_path)] == [2], "the next one")


def test_a_late_writer_does_not_undo_the_last_one(account: Account, tmp_path: Path) -> None:
    account.add("0")
    account.after(1)
    early = account.ledger._page()
    account.add("1")
    account.ledger.close()
    account.ledger._write(*early)
    assert len(read(tmp_path)[0].blocks) == 2


def test_a_directory_that_cannot_be_written_is_no_trouble(account: Account, tmp_path: Path) -> None:
    (tmp_path / "cpu").rmdir()
    account.add("0")
    account.ledger.close()
    assert read(tmp_path) == []


@pytest.mark.extended
def test_a_run_leaves_its_node_hours(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import time

    provider = ShellProvider(nodes_per_block=2, walltime="00:10:00")
    executor = HighThroughputExecutor("hpc", max_workers_per_node=1, address="127.0.0.1", provider=provider)
    caplog.set_level(logging.INFO, "parsl")
    with parsl.load(parsl.Config([executor], run_dir=str(tmp_path / "runinfo"), strategy="none")) as kernel:
        kernel.submit(time.sleep, 1.5).result(60)
        during = executor.node_hours()
        assert during is not None and during.blocks[0].state == "RUNNING"
        run_dir = kernel.run_dir
    after = executor.node_hours()
    assert after is not None and read(run_dir) == [after]
    [block] = after.blocks
    assert (block.block, block.job, block.state, block.nodes, block.walltime) == ("0", "1000", "SCALED_IN", 2, 600.0)
    assert block.used > 0 and 0 < block.idle < block.used
    assert any(r.getMessage() == f"Executor hpc: {after.summary()}" for r in caplog.records)
    assert json.loads(Path(run_dir, "hpc", NODE_HOURS).read_text())["version"] == 1


def test_waiting_for_the_block_of_the_scheduler_is_the_queue(tmp_path: Path) -> None:
    """Nothing else looks at blocks until it is there."""
    provider = ShellProvider(hold=True)
    executor = HighThroughputExecutor(
        "hpc", max_workers_per_node=1, address="127.0.0.1", provider=provider, scheduler_in_job=True
    )

    def run_when_it_has_waited() -> None:
        eventually(lambda: provider.resources, "the block is submitted")
        threading.Event().wait(1.5)
        for number in list(provider.resources):
            provider.run(number)

    threading.Thread(target=run_when_it_has_waited).start()
    with parsl.load(parsl.Config([executor], run_dir=str(tmp_path / "runinfo"), strategy="none")) as kernel:
        assert kernel.submit(divmod, 7, 2).result(60) == (3, 1)
    hours = executor.node_hours()
    assert hours is not None and hours.blocks[0].queued > 1.0


def test_executors_without_blocks_have_none(tmp_path: Path) -> None:
    with parsl.load(parsl.Config([ThreadPoolExecutor()], run_dir=str(tmp_path))) as kernel:
        assert kernel.executors["threads"].node_hours() is None
        assert read(kernel.run_dir) == []
    assert kernel.executors["threads"].node_hours() is None
