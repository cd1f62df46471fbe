"""``report`` of runs in batch jobs: with monitoring, and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from parsl_on_dask.jobs.node_hours import NODE_HOURS, BlockHours, NodeHours, dump, read
from parsl_on_dask.monitoring import node_hours, report
from parsl_on_dask.monitoring.pages.database import Database
from parsl_on_dask.monitoring.pages.model import Reader
from tests.monitoring.conftest import MIXED
from tests.monitoring.test_pages import command, plain

HOURS = NodeHours(
    "nodes",
    "pbspro",
    [
        BlockHours("0", 2, "77.pbs", "TIMEOUT", 3600.0, 0.0, 61.0, 3600.0, 360.0),
        BlockHours("1", 2, None, "FAILED", 3600.0),
    ],
)
LINE = "nodes (pbspro), 2 blocks, node-hours: 2.00 asked for, 2.00 used, 0.20 of them idle (10 %); 0:01:01 in the queue"


def leave(folder: Path, hours: NodeHours = HOURS) -> None:
    """Write what a run would."""
    (folder / hours.label).mkdir(parents=True)
    (folder / hours.label / NODE_HOURS).write_text(dump(hours))


def test_the_command_without_monitoring(tmp_path: Path) -> None:
    leave(tmp_path / "runinfo" / "002")
    leave(tmp_path / "runinfo" / "010", NodeHours("later", "slurm", HOURS.blocks[1:]))
    done = command("report", "runinfo/002", cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert LINE in lines and lines[0].startswith("Node-hours of ") and lines[0].endswith("002")
    assert "      0  77.pbs  TIMEOUT      2       0:01:01  1:00:00       2.00  2.00  0.20" in lines
    assert "      1    none   FAILED      2       0:00:00  0:00:00       2.00  0.00  0.00" in lines
    assert lines[-1] == "Times are by what the run saw once a second."
    assert "later (slurm)" in command("report", cwd=tmp_path).stdout, "the latest run"
    assert "nodes (pbspro)" in command("report", "--run", "002", cwd=tmp_path).stdout
    assert [p.name for p in tmp_path.iterdir()] == ["runinfo"]


@pytest.mark.parametrize("arguments", [["runinfo/003"], ["--run", "003"], ["nowhere"], ["runinfo/002", "-o", "x.html"]])
def test_what_is_not_there(tmp_path: Path, arguments: list[str]) -> None:
    leave(tmp_path / "runinfo" / "002")
    (tmp_path / "runinfo" / "003").mkdir()
    done = command("report", *arguments, cwd=tmp_path)
    assert done.returncode == 1 and not done.stdout and "Traceback" not in done.stderr
    assert "no monitoring database" in done.stderr or "no such file or folder" in done.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 2, "blocks": [{}]}'])
def test_files_that_cannot_be_read_are_passed_over(tmp_path: Path, text: str) -> None:
    leave(tmp_path / "000")
    (tmp_path / "000" / "other").mkdir()
    (tmp_path / "000" / "other" / NODE_HOURS).write_text(text)
    assert read(tmp_path / "000") == [HOURS]


def test_the_page_has_them(monitored: Path, tmp_path: Path) -> None:
    reader = Reader(Database(f"sqlite:///{monitored}"))
    path = tmp_path / "report.html"
    report.write(reader, report.choose(reader, run=MIXED), path, [HOURS])
    page = path.read_text()
    text = plain(page)
    assert LINE.removeprefix("nodes ") in text and "77.pbs" in text and 'href="#node-hours"' in page
    report.write(reader, report.choose(reader, run=MIXED), path)
    assert "Node-hours" not in path.read_text()


def test_books_correct_what_the_run_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(tmp_path / "000")
    monkeypatch.setattr(node_hours, "by_the_books", lambda hours: NodeHours("nodes", "slurm", source="sacct"))
    assert node_hours.text("000", node_hours.of_run(str(tmp_path / "000"))).endswith("Times are by sacct.")
