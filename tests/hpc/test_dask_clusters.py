"""DaskExecutor on a cluster object of dask-jobqueue that the user made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import WAIT, eventually, hold
from tests.hpc.slurm import Slurm


@pytest.fixture
def slurm_cluster(slurm: Slurm, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that makes a SLURMCluster as a Dask user would."""
    from dask_jobqueue import SLURMCluster

    made: list[Any] = []

    def make(**options: Any) -> Any:
        options = {
            "cores": 1,
            "processes": 1,
            "memory": "900MB",
            "walltime": "00:10:00",
            "interface": "lo",
            "log_directory": str(tmp_path),
            "local_directory": str(tmp_path),
            "scheduler_options": {"dashboard_address": "127.0.0.1:0"},
            "worker_extra_args": ["--no-dashboard", "--memory-limit", "0"],
            **options,
        }
        made.append(SLURMCluster(**options))
        return made[-1]

    yield make
    from tests.kernels import unload

    unload()
    for cluster in made:
        cluster.close()


def test_a_cluster_object_is_scaled_by_jobs(
    slurm: Slurm, slurm_cluster: Callable[..., Any], run_slurm: Callable[..., Any], tmp_path: Path
) -> None:
    import parsl_on_dask as parsl
    from parsl_on_dask.executors import DaskExecutor

    cluster = slurm_cluster()
    executor = DaskExecutor(cluster=cluster, init_blocks=0, max_blocks=2)
    run_slurm(executor, strategy="simple", max_idletime=3)
    assert not slurm.jobs()
    app = parsl.python_app(hold)
    gate = str(tmp_path / "gate")
    held = [app(f"{gate}{i}", gate, i) for i in range(6)]
    slurm.running(2)
    eventually(lambda: len(executor.connected_blocks()) == 2, "both jobs have workers", WAIT)
    assert len(slurm.jobs()) == 2 and len(executor.status()) == 2
    os.close(os.open(gate, os.O_CREAT))
    assert [f.result(WAIT) for f in held] == list(range(6))
    eventually(lambda: not slurm.jobs(), "the jobs are given back when there is nothing to do", WAIT)
    assert app(gate, gate, "again").result(WAIT) == "again"


def test_a_lost_job_is_replaced(slurm: Slurm, slurm_cluster: Callable[..., Any], run_slurm: Callable[..., Any]) -> None:
    import parsl_on_dask as parsl
    from parsl_on_dask.executors import DaskExecutor

    executor = DaskExecutor(cluster=slurm_cluster(cores=2, processes=2), max_blocks=1)
    run_slurm(executor, strategy="simple", retries=1)
    where = parsl.python_app(lambda: __import__("os").environ["SLURM_JOB_ID"])
    first = where().result(WAIT)
    slurm.cancel(first)
    assert where().result(WAIT) != first


def test_without_max_blocks_it_is_left_as_it_is(
    slurm: Slurm, slurm_cluster: Callable[..., Any], run_slurm: Callable[..., Any]
) -> None:
    import parsl_on_dask as parsl
    from parsl_on_dask.executors import DaskExecutor

    cluster = slurm_cluster()
    cluster.scale(jobs=1)
    run_slurm(DaskExecutor(cluster=cluster), strategy="simple", max_idletime=1)
    square = parsl.python_app(lambda x: x * x)
    assert sum(f.result(WAIT) for f in [square(x) for x in range(100)]) == 328350
    parsl.clear()
    assert len(slurm.jobs()) == 1
