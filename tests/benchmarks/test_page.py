"""The page and the picture of a run: what they say, and what they keep."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page, plot
from benchmarks.__main__ import choose, parser, repeating
from benchmarks.report import compare_all
from benchmarks.rows import ROWS, Row
from benchmarks.runner import Key, Samples

ROOT = Path(__file__).resolve().parents[2]


def a_row(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


def a_run(**figures: dict[str, float]) -> dict[str, Any]:
    """A run in which each named row (with _ for -) has these figures."""
    collected: dict[Key, Samples] = {}
    for name, values in figures.items():
        row = a_row(name.replace("_", "-"))
        parameters = {"ms": 10} if row.name == "busy-10ms" else {"n": 7}
        found = {system: [{row.figure: value}] for system, value in values.items()}
        collected[Key(row.workload, row.kind)] = Samples(found, {}, parameters)
    versions: dict[str, dict[str, Any]] = {
        "ours": {"python": "3.11.7", "parsl-on-dask": "1.2", "numpy": None},
        "parsl": {"python": "3.11.7", "parsl": "2026.1"},
    }
    return {
        "date": "2026-01-01T00:00+00:00",
        "command": "python -m benchmarks --quick",
        "arguments": ["--repeat", "3"],
        "machine": {
            **{"system": "Linux 6", "cpu": "A Processor", "cores": 2, "memory_gb": 25.3},
            **{"load": 0.1, "load_at_end": 1.0},
        },
        "versions": versions,
        "repeat": 3,
        "log": False,
        "lines": compare_all(collected, "small-tasks"),
    }


BULK = {"ours": 9000.0, "parsl": 1000.0, "dask": 400.0}
BUSY = {"ours": 95.0, "parsl": 70.0, "dask": 50.0}


def test_the_page_says_what_falls_short_on_which_machine_and_how_to_repeat_it(tmp_path: Path) -> None:
    written = tmp_path / "docs" / "page.md"
    page.write(a_run(bulk_processes=BULK, busy_10ms=BUSY), written, tmp_path / "docs" / "img" / "rate.svg")
    text = written.read_text()
    assert "1 of 2 rows reach all of their targets." in text
    assert "- no-op calls, two processes: 9x against Parsl, and the target is 10x." in text
    assert "| no-op calls, two processes | calls/s | 9,000 | 1,000 | 400 | 9x | 22.5x |" in text
    assert "A Processor, 2 cores, 25.3 GB of memory, Linux 6" in text
    assert "Python 3.11.7, parsl-on-dask 1.2." in text
    assert "(img/rate.svg)" in text
    assert "--requirement parsl==2026.1\n" in text
    assert "python -m benchmarks --parsl-python parsl-env/bin/python --repeat 3 --markdown " in text


def test_what_is_written_between_the_markers_stays(tmp_path: Path) -> None:
    written = tmp_path / "page.md"
    page.write(a_run(busy_10ms=BUSY), written, None)
    assert "![" not in written.read_text()
    mine = "## Where the time goes\n\nInto | tables,\n\nand `more`."
    written.write_text(written.read_text().replace(page.BEGIN, f"{page.BEGIN}\n{mine}"))
    for _ in range(2):
        page.write(a_run(bulk_processes=BULK), written, None)
    text = written.read_text()
    assert text.count(f"{page.BEGIN}\n{mine}\n{page.END}\n") == 1
    assert "no-op calls" in text and "busy calls of 10 ms" not in text


@pytest.mark.parametrize("text", [page.BEGIN, page.END, f"{page.END} {page.BEGIN}", f"{page.BEGIN * 2}{page.END}"])
def test_a_page_with_unclear_markers_is_left_alone(text: str, tmp_path: Path) -> None:
    written = tmp_path / "page.md"
    written.write_text(text)
    with pytest.raises(ValueError, match="markers"):
        page.write(a_run(busy_10ms=BUSY), written, None)
    assert written.read_text() == text


def test_rates_come_from_the_rows_whatever_their_figure() -> None:
    found = plot.points(a_run(bulk_processes=BULK, busy_10ms={"ours": 95.0, "dask": 50.0})["lines"])
    assert found["ours"] == [(0.0, 9000.0), (10.0, pytest.approx(190.0))]
    assert found["parsl"] == [(0.0, 1000.0)]
    assert found["dask"][1] == (10.0, pytest.approx(100.0))


@pytest.mark.parametrize("rows", [{"bulk_processes": BULK, "busy_10ms": BUSY}, {"bulk_processes": BULK}])
def test_the_picture_names_the_systems_and_is_the_same_each_time(rows: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pictures = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for picture in pictures:
        plot.draw(a_run(**rows), picture)
    text = pictures[0].read_text()
    assert text == pictures[1].read_text()
    for word in (
        "parsl_on_dask",
        "Parsl HTEX",
        "bare Dask",
        "calls a second",
        "percent of ideal",
        *(["ideal: "] if len(rows) > 1 else []),
    ):
        assert word in text


def test_without_rows_for_it_there_is_no_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="busy-10ms"):
        plot.draw(a_run(chain_threads={"ours": 1.0}), tmp_path / "no.svg")


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"parsl-on-dask\[bench\]"):
        plot.check()


def test_names_may_be_joined_by_commas_and_repeated() -> None:
    given = parser().parse_args(["--only", "bulk,chain-threads", "submit", "--only", "import", "--limit", "60"])
    names = [name for names in given.only for name in names]
    assert {(w.name, kind) for w, kind in choose(names)} == {
        *(("bulk", kind) for kind in ("processes", "threads")),
        *(("submit", kind) for kind in ("processes", "threads")),
        ("chain", "threads"),
        ("import", "processes"),
    }
    assert repeating(given) == ["--limit", "60", "--only", "bulk,chain-threads,submit,import"]


def test_a_picture_of_a_run_without_names_needs_all_of_its_rows() -> None:
    plain, plotted = ({w.name for w, _ in choose([], plot_too)} for plot_too in (False, True))
    assert not set(plot.WORKLOADS) <= plain
    assert plotted == plain | set(plot.WORKLOADS)


def test_an_earlier_run_gives_the_same_page_and_nothing_is_measured(tmp_path: Path) -> None:
    earlier, written = tmp_path / "run.json", tmp_path / "page.md"
    earlier.write_text(json.dumps(a_run(bulk_processes=BULK)))
    command = [sys.executable, "-m", "benchmarks", "--from", str(earlier), "--markdown", str(written)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "9,000" in written.read_text()
    written.write_text(page.BEGIN)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "markers" in ended.stderr and "9,000" not in ended.stdout
