"""The rows for batch systems can be measured."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.test_harness import run_benchmarks
from tests.hpc.slurm import Slurm


def test_rows_for_slurm(slurm: Slurm, tmp_path: Path) -> None:
    found = tmp_path / "run.json"
    names = ["hpc-bulk", "hpc-block-start"]
    ended = run_benchmarks("--only", *names, "--quick", "--systems", "ours", "--json", str(found))
    assert ended.returncode == 0, ended.stderr
    lines = json.loads(found.read_text())["lines"]
    assert [line["name"] for line in lines] == names
    assert all(line["medians"]["ours"] > 0 and not line["problems"] for line in lines)
