"""What a worker makes of its environment about the end of its job."""

from __future__ import annotations

import doctest
import time

import pytest

from parsl_on_dask.remote import jobend
from parsl_on_dask.remote.jobend import JobEnd, is_leaving, job_end


def test_examples() -> None:
    assert doctest.testmod(jobend) == doctest.TestResults(0, 3)


@pytest.mark.parametrize(
    ("left", "kept"),
    [(10.0, 2.0), (60.0, 3.0), (600.0, 30.0), (86400.0, 30.0)],
)
def test_a_share_of_the_job_is_kept_for_leaving(left: float, kept: float) -> None:
    environment = {"PARSL_ON_DASK_JOB_END": str(1000.0 + left)}
    assert job_end(environment, False, 5.0, 1000.0) == JobEnd(5.0 + left - kept, 5.0 + left - kept, 5.0 + left)


@pytest.mark.parametrize("text", ["", "0", "tomorrow"])
def test_what_is_no_time_is_no_end(text: str) -> None:
    assert job_end({"PARSL_ON_DASK_JOB_END": text}, False, 0.0, 1000.0) is None


def test_slurm_counts_where_it_is_to_be_believed() -> None:
    environment = {"SLURM_JOB_END_TIME": "1100"}
    assert job_end(environment, False, 0.0, 1000.0) is None
    ours = job_end({**environment, "PARSL_ON_DASK_JOB_END": "1200"}, True, 0.0, 1000.0)
    assert ours is not None and ours.end == 200.0


def test_a_job_that_goes_on_after_its_end_was_extended(monkeypatch: pytest.MonkeyPatch) -> None:
    for past, known in ((1.0, True), (jobend.EXTENDED + 1.0, False)):
        monkeypatch.setattr(jobend, "_known", {})
        monkeypatch.setenv("PARSL_ON_DASK_JOB_END", str(time.time() - past))
        assert (jobend.end_of_this_job(False) is not None) is known


def test_leaving() -> None:
    assert is_leaving({"PARSL_ON_DASK_JOB_END": str(time.time() + 3)})
    assert is_leaving({"PARSL_ON_DASK_DRAIN": str(time.time() - 3)})
    assert not is_leaving({"PARSL_ON_DASK_JOB_END": str(time.time() + 60)})
    assert not is_leaving({})
