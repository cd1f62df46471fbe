"""A real Parsl reads what is written here, and the other way round."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.front_door.programs import FRONT, forked

SCRIPT = str(Path(__file__).with_name("parsl_itself.py"))
RESULTS = [8, [1, "a"] * 3, "abab", ["Point", 5], "x" * 200_000, ["File", "/data/in.txt"], 0]
ALL_RAN = {"results": RESULTS, "ran": ["double", "double", "double", "large", "place", "point"], "touched": True}
NONE_RAN = {"results": RESULTS, "ran": [], "touched": False}


@pytest.fixture(scope="module")
def parsl_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of an environment with Parsl."""
    named = os.environ.get("PARSL_PYTHON", "")
    if named == "make":
        from benchmarks.setup_parsl import setup

        return str(setup(tmp_path_factory.mktemp("parsl"), ["parsl", "cloudpickle"]))
    if not named:
        pytest.skip(
            "no real Parsl to compare with: set PARSL_PYTHON to the Python of an environment that has it (python -m "
            "benchmarks.setup_parsl DIR makes one), or to 'make' for an environment that is made now"
        )
    return named


def in_parsl(parsl_python: str, folder: Path, *words: str) -> Any:
    folder.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [parsl_python, SCRIPT, "parsl", "runinfo", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def here(folder: Path, *words: str) -> Any:
    folder.mkdir(exist_ok=True)
    done = forked(folder, SCRIPT, "ours", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_parsls_results_are_found_here(parsl_python: str, tmp_path: Path) -> None:
    assert in_parsl(parsl_python, tmp_path / "parsl") == ALL_RAN
    assert here(tmp_path / "ours", "read", "../parsl/runinfo/000/checkpoint") == NONE_RAN


def test_our_results_are_hits_in_parsl(parsl_python: str, tmp_path: Path) -> None:
    assert here(tmp_path / "ours", "write", "checkpoint") == NONE_RAN
    assert in_parsl(parsl_python, tmp_path / "parsl", "../ours/checkpoint") == NONE_RAN


def test_what_was_converted_twice_is_still_a_hit_in_parsl(parsl_python: str, tmp_path: Path) -> None:
    assert in_parsl(parsl_python, tmp_path / "parsl") == ALL_RAN
    for words in (["export", "ours", "--from-parsl", "parsl/runinfo"], ["export", "ours", "--to-parsl", "back"]):
        done = forked(tmp_path, *FRONT, "checkpoint", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith(f"{len(RESULTS)} results ")
    assert in_parsl(parsl_python, tmp_path / "again", "../back") == NONE_RAN
