"""The queue of submissions, with a provider that answers when the test says so."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.clusters.arrays import Arrays
from parsl_on_dask.clusters.block import Block
from parsl_on_dask.clusters.governor import Governor
from parsl_on_dask.clusters.submitting import TOGETHER, Submissions
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.providers.arrays import SLURM
from tests.helpers import eventually

FULL = RuntimeError("QOSMaxSubmitJobPerUserLimit")


class Site:
    """The jobs of an executor, and the batch system behind them; the clock stands still until it is moved."""

    def __init__(self, parallel: bool, array: bool) -> None:
        self.answers: list[Exception] = []
        self.asked: list[list[str]] = []
        self.hold = threading.Event()
        self.hold.set()
        self.inside = 0
        self.now = 0.0
        self.bad_nodes = SimpleNamespace(forgive=lambda: False)
        self.provider, self.executor, self.cluster = object(), None, self
        self.label, self.parallel, self.closing = "site", parallel, threading.Event()
        self.turn = contextlib.nullcontext()
        self.arrays = Arrays(SimpleNamespace(array_way=SLURM) if array else object(), "site")
        self.governor = Governor("site", lambda: self.now)
        self.submissions = Submissions(self, self.governor)  # type: ignore[arg-type]
        self.blocks: list[Block] = []
        self._lock = threading.Lock()

    def ask(self, count: int) -> list[Block]:
        blocks = [Block(str(len(self.blocks) + i), "/nowhere", "/nowhere/block.json") for i in range(count)]
        self.blocks += blocks
        self.submissions.put(blocks, None)
        return blocks

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.submissions.wake()

    def submit(self, block: Block, scheduler: Any) -> str:
        return self.submit_array([block])[0]

    def submit_array(self, blocks: Sequence[Block]) -> list[str]:
        with self._lock:
            self.asked.append([block.name for block in blocks])
            answer = self.answers.pop(0) if self.answers else None
            self.inside += 1
        assert len(blocks) > 1 or self.hold.wait(30)  # arrays are answered at once
        with self._lock:
            self.inside -= 1
        if answer:
            raise answer
        return [f"job {block.name}" for block in blocks]

    def was_submitted(self, block: Block, job_id: str) -> None:
        block.job_id = job_id

    def alive(self) -> bool:
        return True

    def changed(self) -> None:
        self.submissions.wake()

    def cancel(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            block.gone = True

    def submitted(self) -> bool:
        return all(block.submitted.is_set() for block in self.blocks)


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    made = Site(**{"parallel": False, "array": False, **getattr(request, "param", {})})
    yield made
    made.hold.set()
    made.submissions.close()
    eventually(lambda: not made.submissions.threads, "the threads end")


def test_the_reason_stays_in_the_status_while_a_block_is_asked_for_again(site: Site) -> None:
    site.answers = [FULL, FULL]
    site.ask(1)
    eventually(lambda: site.governor.reason, "the first answer")
    assert "not asked for before" in site.submissions.wait_text() and "QOSMax" in site.submissions.wait_text()
    site.hold.clear()
    site.pass_time(15)
    eventually(lambda: site.inside, "the second try is under way")
    assert site.submissions.wait_text().startswith("being asked for again: ")
    assert "QOSMax" in site.submissions.wait_text()
    site.hold.set()
    eventually(lambda: site.governor.wait(), "the second answer")
    site.pass_time(30)
    eventually(site.submitted, "the third try is taken")
    eventually(lambda: not site.submissions.threads, "nothing is left to do")
    assert site.submissions.wait_text() == ""


@pytest.mark.parametrize("site", [{"parallel": True, "array": True}], indirect=True)
def test_the_blocks_of_a_refused_array_go_out_side_by_side(site: Site) -> None:
    site.answers = [RuntimeError("Invalid job array specification")]
    site.hold.clear()
    site.ask(20)
    eventually(lambda: site.inside == TOGETHER, "as many as may are under way")
    site.hold.set()
    eventually(site.submitted, "all are had one by one")
    assert len(site.asked[0]) == 20 and sorted(name for [name] in site.asked[1:]) == sorted(site.asked[0])


@pytest.mark.parametrize("site", [{"parallel": True}], indirect=True)
def test_a_parallel_provider_is_asked_for_some_at_a_time(site: Site) -> None:
    site.hold.clear()
    site.ask(20)
    eventually(lambda: site.inside == TOGETHER, "as many as may are under way")
    site.hold.set()
    eventually(site.submitted, "all are had")


def test_what_nobody_wants_any_more_is_dropped_from_behind(site: Site) -> None:
    """The newest blocks are given back first, while the oldest one is held up."""
    site.answers = [FULL]
    first, *others = site.ask(3)
    eventually(lambda: site.governor.reason, "the first is refused for now")
    for block in others:
        block.given_back = True
    site.submissions.wake()
    assert [block.gone and block.submitted.is_set() for block in others] == [True, True]
    site.pass_time(15)
    eventually(first.submitted.is_set, "the first one is had")
    assert site.asked == [["0"], ["0"]] and first.job_id == "job 0"


def test_a_block_that_is_given_back_during_its_submission_is_cancelled(site: Site) -> None:
    site.hold.clear()
    (block,) = site.ask(1)
    eventually(lambda: site.inside, "it is being asked for")
    block.given_back = True
    site.hold.set()
    eventually(lambda: block.gone, "it is cancelled")
    assert block.job_id == "job 0"


def test_a_refusal_for_good_fails_the_block_with_the_systems_words(site: Site) -> None:
    site.answers = [RuntimeError("Invalid account or account/partition combination")]
    (block,) = site.ask(1)
    assert block.submitted.wait(30)
    assert block.status.state is JobState.FAILED and "Invalid account" in str(block.status.message)
    assert site.governor.trial == 1


def test_after_deaths_one_block_of_an_array_goes_first() -> None:
    site = Site(parallel=True, array=True)
    site.governor.died(0, "exit code 1")
    site.ask(6)
    site.pass_time(5)
    eventually(lambda: site.asked, "one is asked for")
    eventually(lambda: site.blocks[0].submitted.is_set(), "and had")
    assert site.asked == [["0"]]
    site.governor.lived()
    site.submissions.wake()
    eventually(site.submitted, "then all the others")
    assert site.asked[1:] == [["1", "2", "3", "4", "5"]]
    eventually(lambda: not site.submissions.threads, "the threads end")
