"""When batch systems are asked: rarely, and once for all; by a clock of the test's own."""

from __future__ import annotations

import bisect
import os
import random
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.clusters import polling
from parsl_on_dask.clusters.polling import WINDOW, Timetable
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.launchers import SimpleLauncher
from parsl_on_dask.providers import SlurmProvider
from tests.helpers import eventually


class Day:
    """Hours at a timetable, in steps of a tenth of a second."""

    def __init__(self, interval: float) -> None:
        self.now = 0.0
        self.table = Timetable(interval, lambda: self.now)
        self.asked: list[float] = []

    def go(self, seconds: float, news: Callable[[float], bool | None] = lambda now: None, settled: bool = True) -> Day:
        end = self.now + seconds
        while self.now < end:
            kind = news(self.now)
            if kind is not None:
                self.table.news(sudden=kind)
            if not self.table.wait():
                self.asked.append(self.now)
                self.table.asked(settled)
            self.now = round(self.now + 0.1, 1)
        return self

    def most_in_a_window(self) -> int:
        return max(
            (bisect.bisect_left(self.asked, at + WINDOW) - i for i, at in enumerate(self.asked)),
            default=0,
        )


@pytest.mark.parametrize("interval", [5.0, 30.0, 60.0, 200.0, 600.0])
def test_whatever_happens_there_are_no_more_questions_than_the_interval_allows(interval: float) -> None:
    chance = random.Random(7)
    kinds: Sequence[bool | None] = [True, False, None]
    day = Day(interval).go(
        4 * 3600, lambda now: chance.choice(kinds) if chance.random() < 0.01 else None, settled=False
    )
    assert day.most_in_a_window() <= max(1, WINDOW / interval)
    assert len(day.asked) >= 0.6 * 4 * 3600 / interval, "and what may be asked is asked"


def test_without_news_it_is_asked_about_once_an_interval() -> None:
    day = Day(60.0).go(3600)
    assert 35 <= len(day.asked) <= 60


def test_news_are_asked_after_at_once_and_then_more_slowly() -> None:
    day = Day(60.0).go(1800)
    quiet = len(day.asked)
    day.go(200, lambda now: True if now == 1800.0 else None, settled=False)
    first, *more = day.asked[quiet:]
    assert first == pytest.approx(1800.5)
    assert more[0] - first == pytest.approx(4.0, abs=61), "the next question comes later"
    assert day.most_in_a_window() <= 10


def test_a_submission_leaves_a_question_for_what_happens_suddenly() -> None:
    day = Day(60.0)
    day.go(60, lambda now: False if now % 6 == 0 else None)
    used = len(day.asked)
    assert used <= 2, "many submissions are no reason to ask often"
    day.go(2, lambda now: True if now == 60.0 else None)
    assert len(day.asked) == used + 1


def command(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def waiting_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slurm's commands, by which every job waits for ever; returns their folder, where they note their calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    # one job after the other, also from two executors
    command(
        folder,
        "sbatch",
        f"exec 9>{folder}/lock; flock 9; echo x >>{folder}/sbatch.log; n=$(wc -l <{folder}/sbatch.log)\n"
        'echo "Submitted batch job $n"',
    )
    command(
        folder,
        "squeue",
        f'echo "$*" >>{folder}/squeue.log; [ -e {folder}/gone ] && exit 0\n'
        "for word; do case $word in --jobs=*) ids=${word#--jobs=};; esac; done\n"
        'for id in ${ids//,/ }; do printf "%-40s%-30s%-30s%-200s\\n" $id PENDING 0 Priority; done',
    )
    command(folder, "scancel", f"touch {folder}/gone")
    command(
        folder,
        "sacct",
        "for word; do case $word in --jobs=*) ids=${word#--jobs=};; esac; done\n"
        'for id in ${ids//,/ }; do echo "$id|CANCELLED|0:0"; done',
    )
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(polling, "_desks", {})
    return folder


@pytest.mark.extended
def test_executors_on_one_batch_system_share_a_command(waiting_slurm: Path, tmp_path: Path) -> None:
    def one(label: str, **options: Any) -> HighThroughputExecutor:
        provider = SlurmProvider(
            "debug", init_blocks=2, max_blocks=2, launcher=SimpleLauncher(), job_arrays=False, **options
        )
        return HighThroughputExecutor(label=label, address="127.0.0.1", provider=provider)

    executors = [one("a"), one("b"), one("c", clusters="other")]
    with parsl.load(parsl.Config(executors=executors, strategy="none", run_dir=str(tmp_path / "runinfo"))):
        eventually(lambda: len(text(waiting_slurm / "sbatch.log").split()) == 6, "six jobs were submitted")
        desks = {executor.lane.cluster.jobs.desk for executor in executors}
        assert len(desks) == 2, "one for each batch system"
        for desk in desks:
            desk.table._due = 0.0
            desk.table._left = 3.0
            eventually(lambda desk=desk: desk.table._left < 3.0, "it was asked")
        eventually(
            lambda: all(s.message == "Priority" for e in executors for s in e.status().values()), "all know why", 10
        )
        asked = [line for line in text(waiting_slurm / "squeue.log").splitlines() if "--clusters" not in line]
        mine = {job for e in executors[:2] for job in e.blocks_to_job_id.values()}
        together = [line for line in asked if set(line.split("--jobs=")[1].split()[0].split(",")) == mine]
        assert together, f"no command asked after the jobs of both: {asked}"
        assert all(s.state is JobState.PENDING for e in executors for s in e.status().values())


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
