"""Jobs of one minute on a real Slurm, and a campaign that takes longer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from tests.hpc.blocks import counted, counts, executor, here
from tests.hpc.slurm import Slurm


@pytest.mark.extended
def test_a_campaign_longer_than_its_jobs(slurm: Slurm, run_slurm: Callable[..., Any], tmp_path: Path) -> None:
    """No retry is spent, no call is lost, and hardly one is cut off."""
    one = executor(init_blocks=1, max_blocks=1, walltime="00:01:00")
    run_slurm(one, strategy="simple", retries=0)
    work = tmp_path / "work"
    work.mkdir()
    app = parsl.python_app(counted)
    futures = [app(str(work), i, 1.5) for i in range(90)]
    assert [f.result(200) for f in futures] == list(range(90))
    ended, began = counts(str(work), "ended"), counts(str(work), "began")
    assert sorted(ended) == list(range(90))
    assert sum(began.values()) - sum(ended.values()) <= 2, "at most what ran when the job was ended is begun again"
    assert sum(ended.values()) == 90, "nothing that got to its end runs again"
    assert len({status.state for status in one.status().values()}) >= 1 and len(one.status()) >= 2
    assert all(f.task_record["fail_count"] == 0 for f in futures)
    assert parsl.python_app(here)().result(60)
