"""Batch systems beside Slurm: each is started for a module of tests, and its queue is empty after every test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.config import Config
from tests.helpers import WAIT, eventually
from tests.hpc.conftest import lacking, up
from tests.kernels import unload


def words(*command: str) -> str:
    """What the command prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@contextmanager
def started(system: str, required: str) -> Iterator[None]:
    """Start the system with ``ci/<system>/up``; its settings are those of this process until it is stopped."""
    if os.getuid() != 0:
        lacking(f"{system} can be started by root only", required)
    with up(system) as directory, pytest.MonkeyPatch.context() as patch:
        before = dict(line.partition("=")[::2] for line in words("env").splitlines())
        settings = words("bash", "-c", f". {directory}/environment && env")
        for name, _, value in (line.partition("=") for line in settings.splitlines()):
            if name.isidentifier() and name not in ("_", "SHLVL") and before.get(name) != value:
                patch.setenv(name, value)
        yield


@contextmanager
def loading(folder: Path, jobs: Callable[[], list[str]]) -> Iterator[Callable[..., Any]]:
    """A function that loads an executor, with its files in this folder; then nothing of it is left in the queue."""

    def load(executor: Any, strategy: str = "none") -> Any:
        parsl.load(
            Config([executor], run_dir=str(folder / "runinfo"), strategy=strategy, strategy_period=0.5, retries=2)
        )
        return executor

    yield load
    unload()
    eventually(lambda: not jobs(), "no job is left in the queue", WAIT)
