"""The harness measures: one tiny workload on threads, from the command line to the table and the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=110
    )


def test_a_tiny_workload_gives_figures_ratios_and_a_page(tmp_path: Path) -> None:
    found, page = tmp_path / "run.json", tmp_path / "page.md"
    ended = run_benchmarks(
        *("--only", "chain-threads", "--set", "chain.n=5", "--quick", "--systems", "ours,dask"),
        *("--json", str(found), "--markdown", str(page)),
    )
    assert ended.returncode == 0, ended.stderr
    (line,) = json.loads(found.read_text())["lines"]
    assert line["problems"] == {}
    assert line["medians"]["ours"] > 0 and line["medians"]["dask"] > 0
    assert line["ratios"]["dask"] == line["medians"]["dask"] / line["medians"]["ours"]
    assert "dependent chain, threads" in ended.stdout
    assert "| dependent chain, threads, a link | ms |" in page.read_text()
    assert "processes behind" not in ended.stderr


def test_a_system_that_is_not_there_leaves_a_reason() -> None:
    ended = run_benchmarks("--only", "chain-threads", "--set", "chain.n=5", "--systems", "parsl")
    assert ended.returncode == 0
    assert "--parsl-python" in ended.stderr


def test_an_unknown_name_is_refused() -> None:
    for arguments in (["--only", "no-such"], ["--set", "bulk.x=1"], ["--systems", "nobody"]):
        ended = run_benchmarks(*arguments)
        assert ended.returncode == 2
        assert arguments[1].partition("=")[0] in ended.stderr


def test_cached_calls_are_recorded_and_found_again(tmp_path: Path) -> None:
    found = tmp_path / "run.json"
    ended = run_benchmarks(
        *("--only", "cached-cold-threads", "--set", "cached.n=40", "--quick", "--systems", "ours,dask"),
        *("--json", str(found)),
    )
    assert ended.returncode == 0, ended.stderr
    lines = {line["name"]: line for line in json.loads(found.read_text())["lines"]}
    assert set(lines) == {"cached-cold-threads", "cached-warm-threads"}
    for line in lines.values():
        assert line["medians"]["ours"] > 0 and line["medians"]["dask"] is None and not line["problems"]


def test_checkpoints_are_opened(tmp_path: Path) -> None:
    found = tmp_path / "run.json"
    ended = run_benchmarks(
        *("--only", "open-checkpoint,open-tasks-pkl", "--set", "open-checkpoint.n=2000"),
        *("--set", "open-tasks-pkl.n=2000", "--repeat", "1", "--systems", "ours", "--json", str(found)),
    )
    assert ended.returncode == 0, ended.stderr
    medians = {line["name"]: line["medians"]["ours"] for line in json.loads(found.read_text())["lines"]}
    assert len(medians) == 4 and all(value is not None for value in medians.values()), ended.stderr


def test_blocks_that_only_exist_and_workers_of_an_existing_cluster(tmp_path: Path) -> None:
    found = tmp_path / "run.json"
    ended = run_benchmarks(
        *("--only", "blocks-50,workers-20", "--set", "blocks-50.n=3", "--set", "workers-20.n=2"),
        *("--set", "workers-20.calls=20", "--quick", "--systems", "ours,dask", "--json", str(found)),
    )
    assert ended.returncode == 0, ended.stderr
    lines = {line["name"]: line for line in json.loads(found.read_text())["lines"]}
    blocks = {"blocks-50", "blocks-50-idle", "blocks-50-whole", "blocks-50-whole-idle"}
    assert {*lines} == {*blocks, "workers-20", "workers-20-rate"}
    assert all(line["medians"]["ours"] is not None and not line["problems"] for line in lines.values())
    assert lines["workers-20"]["medians"]["dask"] is not None
