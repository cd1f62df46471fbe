"""A real HTCondor, started for this module in a small Debian of its own (``ci/condor/install`` makes it)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor
from parsl_on_dask.jobs.error_handlers import TooManyJobFailuresError
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.providers import CondorProvider
from tests.helpers import WAIT, eventually
from tests.hpc.blocks import environment
from tests.hpc.conftest import lacking
from tests.hpc.systems import loading, started, words

CHROOT = os.environ.get("CONDOR_CHROOT", "/var/lib/condor-chroot")


def jobs() -> list[str]:
    """Ids of the jobs that are waiting, running or held."""
    rows = words("condor_q", "-allusers", "-constraint", "JobStatus != 4", "-af:j", "JobStatus").splitlines()
    return [row.split()[0] for row in rows]


@pytest.fixture(scope="module")
def condor(nothing_left_behind: None) -> Iterator[None]:
    if not os.path.exists(f"{CHROOT}/complete"):
        lacking("no HTCondor here; install it, as root: bash ci/condor/install", "PARSL_ON_DASK_REQUIRE_CONDOR")
    with started("condor", "PARSL_ON_DASK_REQUIRE_CONDOR"):
        yield


@pytest.fixture
def run(condor: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A function that loads an executor with this provider."""
    monkeypatch.chdir(tmp_path)
    with loading(tmp_path, jobs) as load:

        def load_one(one: Any = None, *, strategy: str = "none", **options: Any) -> Any:
            options = {"cores_per_slot": 2, "mem_per_slot": 0.5, "cmd_timeout": 60, **options}
            return load(
                one
                or HighThroughputExecutor(
                    label="condor", address="127.0.0.1", max_workers_per_node=2, provider=CondorProvider(**options)
                ),
                strategy,
            )

        yield load_one


def test_blocks(run: Callable[..., Any]) -> None:
    one = run(init_blocks=2, max_blocks=2, environment={"COLOUR": "dark blue"})
    seen = parsl.python_app(environment)("COLOUR", "PARSL_WORKER_BLOCK_ID", "_CONDOR_SLOT").result(WAIT)
    assert seen["COLOUR"] == "dark blue" and seen["PARSL_WORKER_BLOCK_ID"] in ("0", "1") and seen["_CONDOR_SLOT"]
    eventually(lambda: sorted(one.connected_blocks()) == ["0", "1"], "both blocks have workers", WAIT)
    assert len(one.scale_in(1)) == 1
    eventually(lambda: len(jobs()) == 1, "one job is left", WAIT)


def test_a_job_that_is_removed_is_replaced(run: Callable[..., Any]) -> None:
    run(strategy="simple")
    where = parsl.python_app(environment)
    first = where("PARSL_WORKER_BLOCK_ID").result(WAIT)["PARSL_WORKER_BLOCK_ID"]
    words("condor_rm", "-all")
    eventually(lambda: not jobs(), "it has gone", WAIT)
    assert where("PARSL_WORKER_BLOCK_ID").result(WAIT)["PARSL_WORKER_BLOCK_ID"] != first


def test_a_held_job(run: Callable[..., Any]) -> None:
    one = run(scheduler_options="hold = True")
    future = parsl.python_app(environment)("_CONDOR_SLOT")
    eventually(lambda: [s.state for s in one.status().values()] == [JobState.HELD], "it is seen to be held", WAIT)
    words("condor_release", "-all")
    assert future.result(WAIT)


def test_a_refused_submission(run: Callable[..., Any]) -> None:
    run(requirements="this is (no expression")
    with pytest.raises((ExecutorError, TooManyJobFailuresError), match="(?i)requirements"):
        parsl.python_app(environment)("HOME").result(WAIT)


def test_a_job_that_dies_at_once(run: Callable[..., Any]) -> None:
    run(worker_init="echo no licence >&2; exit 9")
    with pytest.raises((ExecutorError, TooManyJobFailuresError), match="no licence"):
        parsl.python_app(environment)("HOME").result(WAIT)


def test_one_line(run: Callable[..., Any]) -> None:
    run(DaskExecutor(jobqueue="htcondor", interface="lo", cores=1, memory="500MB", max_workers_per_node=1))
    assert parsl.python_app(environment)("_CONDOR_SLOT").result(WAIT)["_CONDOR_SLOT"]
