"""Batch systems of fake commands."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.providers.fakes.system import System

ROOT = str(Path(__file__).parents[2])
RUN = f"import sys; sys.path.insert(0, {ROOT!r}); from tests.providers.fakes.commands import main; main(*sys.argv[1:])"
COMMANDS = {
    "slurm": ("sbatch", "squeue", "sacct", "scancel"),
    "pbspro": ("qsub", "qstat", "qdel"),
    "torque": ("qsub", "qstat", "qdel"),
    "moab": ("msub", "checkjob", "canceljob"),
    "lsf": ("bsub", "bjobs", "bkill"),
    "sge": ("qsub", "qstat", "qacct", "qdel"),
    "condor": ("condor_submit", "condor_q", "condor_history", "condor_rm"),
    "oar": ("oarsub", "oarstat", "oardel"),
}


class Fake(System):
    """A running fake; ``set`` writes a knob."""

    def set(self, knob: str, value: object = "") -> None:
        (self.home / knob).write_text(str(value))

    def unset(self, knob: str) -> None:
        (self.home / knob).unlink()

    def calls(self) -> list[str]:
        path = self.home / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Fake]]:
    """Put the commands of a batch system first on the PATH."""
    home = tmp_path / "batch system"
    tools = tmp_path / "commands"
    home.mkdir()
    tools.mkdir()

    def start(system: str) -> Fake:
        for name in COMMANDS[system]:
            program = shlex.join([sys.executable, "-S", "-c", RUN, system, name])
            (tools / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
            (tools / name).chmod(0o755)
        return Fake(home)

    monkeypatch.setenv("FAKE_BATCH_HOME", str(home))
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    yield start
    Fake(home).end()


@pytest.fixture(autouse=True)
def no_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests see no site's settings but their own."""
    import dask.config

    # dask-jobqueue's defaults come with its import, once: inside the block they would go with it
    import parsl_on_dask.dask_internals.jobqueue  # noqa: F401

    with dask.config.set(jobqueue={}):
        yield
