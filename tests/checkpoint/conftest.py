"""Runs of one workflow, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import kernels
from tests.checkpoint.runs import Run


@pytest.fixture
def log(tmp_path: Path) -> str:
    """A file to which a call adds a letter when it is run."""
    return str(tmp_path / "log")


@pytest.fixture
def run(make_config: Callable[..., Any], tmp_path: Path) -> Iterator[Run]:
    """A function that begins a run; keywords go to its Config. All runs of a test share the directory of runs."""

    def begin(memoizer: Any = None, **options: Any) -> Any:
        options.setdefault("run_dir", str(tmp_path / "runinfo"))
        return kernels.load(make_config(memoizer=memoizer, **options))

    yield begin
    kernels.unload()
