"""A report is one file that needs nothing else."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from parsl_on_dask.monitoring import report
from parsl_on_dask.monitoring.pages.database import Database, DatabaseProblem
from parsl_on_dask.monitoring.pages.model import Reader
from tests.monitoring.conftest import CHAIN, LARGE, MIXED, RUNNING
from tests.monitoring.test_pages import command, plain


@pytest.fixture
def reader(monitored: Path) -> Reader:
    return Reader(Database(f"sqlite:///{monitored}"))


@pytest.mark.parametrize("run", [MIXED, LARGE, CHAIN, RUNNING])
def test_a_report_fetches_nothing(reader: Reader, run: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert report.write(reader, report.choose(reader, run=run), path) == path.stat().st_size < 6 * 2**20
    page = path.read_text()
    tags = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", tags) and "@import" not in tags
    assert os.listdir(tmp_path) == ["report.html"]


def test_it_has_everything(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    report.write(reader, report.choose(reader, run=MIXED), path)
    text = plain(path.read_text())
    for words in (
        "43 done",
        "Tasks over time",
        "Workers",
        "Task graph",
        "← task 7",
        "analysis.py",
        "4 retries",
        "20 %",
    ):
        assert words in text


def test_a_large_run_keeps_the_tasks_that_matter(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "ROWS", 500)
    path = tmp_path / "report.html"
    report.write(reader, report.choose(reader, run=LARGE), path)
    page = path.read_text()
    assert "9,500 others are left out of this file" in page
    assert page.count('"failed","failed"') + page.count('"failed", "failed"') == 6


def test_the_run_is_chosen_by_directory_id_or_date(reader: Reader, monitored: Path) -> None:
    assert report.choose(reader).id == RUNNING
    assert report.choose(reader, str(monitored.parent / "004")).id == LARGE
    assert report.choose(reader, str(monitored)).id == RUNNING
    assert report.choose(reader, run="e5c0").id == LARGE and report.choose(reader, run="005").id == CHAIN
    with pytest.raises(DatabaseProblem, match=r"no run called 'zzz' here; there are .*e5c0beef \(004"):
        report.choose(reader, run="zzz")
    with pytest.raises(DatabaseProblem, match="2 runs called '003'"):
        report.choose(reader, run="003")


def test_the_command(monitored: Path, tmp_path: Path) -> None:
    done = command("report", str(monitored.parent / "004"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.iterdir()
    assert made.name == "parameter_scan-004-report.html" and made.name in done.stdout
    assert made.stat().st_mode & 0o777 == 0o600
    done = command("report", "nowhere", cwd=tmp_path)
    assert done.returncode == 1 and "no such file or folder" in done.stderr and "Traceback" not in done.stderr
    done = command("report", str(monitored), "-o", "missing/report.html", cwd=tmp_path)
    assert done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
