"""Times of jobs by Slurm's books, with a sacct that says what it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from parsl_on_dask.jobs import accounting
from parsl_on_dask.jobs.accounting import by_the_books
from parsl_on_dask.jobs.node_hours import BlockHours, NodeHours

ASKED = NodeHours(
    "cpu",
    "slurm",
    [
        BlockHours("0", 2, "101", "COMPLETED", 600.0, 0.0, 50.0, 300.0, 100.0),
        BlockHours("1", 2, None, "FAILED", 600.0),
        BlockHours("2", 2, "103_4", "PENDING", 600.0, 0.0, 20.0),
    ],
)


@pytest.fixture
def sacct(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its place; what is written there is its answer."""
    program = tmp_path / "sacct"
    program.write_text(f'#!/bin/sh\necho "$SLURM_TIME_FORMAT $@" >> {tmp_path}/asked\n. {tmp_path}/answer\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "answer"


def says(place: Path, *lines: str, code: int = 0) -> None:
    place.write_text("".join(f"echo '{line}'\n" for line in lines) + f"exit {code}\n")


def test_times_are_those_of_the_books(sacct: Path) -> None:
    says(sacct, "101|2|1000|1070|1400|330|10|COMPLETED", "103_4|1|1000|Unknown|Unknown|0|10|PENDING")
    found = by_the_books(ASKED)
    assert found.source == "sacct" and ASKED.source == "the run"
    first, second, third = found.blocks
    assert (first.queued, first.used, first.idle, first.walltime) == (70.0, 330.0, 130.0, 600.0)
    assert second == ASKED.blocks[1], "it was not submitted"
    assert (third.queued, third.used, third.idle, third.nodes) == (20.0, 0.0, 0.0, 1)
    asked = (sacct.parent / "asked").read_text().split()
    assert asked[0] == "%s" and asked[asked.index("-j") + 1] == "101,103_4"


def test_a_job_that_ran_several_times_used_the_sum(sacct: Path) -> None:
    says(sacct, "101|2|1000|1010|1100|90|10|NODE_FAIL", "101|2|1100|1130|1200|70|10|COMPLETED")
    block = by_the_books(ASKED).blocks[0]
    assert (block.queued, block.used, block.idle) == (40.0, 160.0, 100.0)


@pytest.mark.parametrize("limit", ["UNLIMITED", "Partition_Limit"])
def test_a_limit_that_is_no_number(sacct: Path, limit: str) -> None:
    says(sacct, f"101|2|1000|1070|1400|330|{limit}|COMPLETED")
    assert by_the_books(ASKED).blocks[0].walltime == 600.0


@pytest.mark.parametrize(
    "answer",
    [
        "echo Slurm accounting storage is disabled >&2; exit 1",
        "exit 0",
        "echo 101",
        "sleep 60",
    ],
)
def test_without_books_all_stays(sacct: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounting, "PATIENCE", 0.5)
    sacct.write_text(f"{answer}\n" if "sleep" not in answer else f"exec {answer}\n")
    assert by_the_books(ASKED) is ASKED


def test_other_systems_are_not_asked(sacct: Path) -> None:
    says(sacct, "101|2|1000|1070|1400|330|10|COMPLETED")
    other = NodeHours("cpu", "pbspro", ASKED.blocks)
    assert by_the_books(other) is other and not (sacct.parent / "asked").exists()


def test_clusters_and_many_jobs(sacct: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounting, "TOGETHER", 1)
    says(sacct, "101|2|1000|1070|1400|330|10|COMPLETED")
    by_the_books(NodeHours("cpu", "slurm", ASKED.blocks, clusters="a,b"))
    lines = (sacct.parent / "asked").read_text().splitlines()
    assert len(lines) == 2 and all("--clusters=a,b" in line for line in lines)
