"""What a node of a block makes of a site's settings."""

from __future__ import annotations

import time
from typing import Any

import pytest

from parsl_on_dask.clusters.blocknode import own_folder
from parsl_on_dask.clusters.blockspec import node_spec, workers_of_node
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor
from parsl_on_dask.remote.jobend import DRAIN, JOB_END


def test_a_local_directory_is_the_nodes(tmp_path, monkeypatch):
    monkeypatch.setenv("FAST", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert own_folder("$FAST/job-${SLURM_JOB_ID}") == f"{tmp_path}/job-7"
    assert (tmp_path / "job-7").is_dir(), "as dask-jobqueue's workers make it"
    assert own_folder(None) is None


@pytest.mark.parametrize("setting", ["$NOT_SET_HERE/x", "/dev/null/x"])
def test_a_local_directory_that_cannot_be(setting):
    with pytest.raises(SystemExit, match=r"local-directory '.*' cannot be used on .*: "):
        own_folder(setting)


def workers(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[dict[str, Any]]:
    monkeypatch.setenv("PARSL_CORES", "8")
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    executor = DaskExecutor(jobqueue="slurm", cores=8, memory="1GB", **settings)
    executor.run_dir = "/nowhere"
    spec = {**node_spec(executor, "0", [], None, "", True), "began": time.time()}
    return workers_of_node(spec, "node", "/logs")


@pytest.mark.parametrize(("cores", "count"), [(0.1, 80), (0.3, 26), (1, 8), (3, 2)])
def test_there_are_as_many_workers_as_the_executor_says(monkeypatch, cores, count):
    """Also of a tenth of a core, where 8 // 0.1 is 79."""
    assert HighThroughputExecutor(cores_per_worker=cores).workers_per_node_for(8) == count
    assert len(workers(monkeypatch, cores_per_worker=cores)) == count


def test_workers_leave_at_the_end_of_their_lifetimes_not_all_at_once(monkeypatch):
    found = workers(monkeypatch, worker_extra_args=["--lifetime 50m", "--lifetime-stagger 4m"])
    leave = [float(worker["env"][DRAIN]) - time.time() for worker in found]
    assert len(found) == 8 and len(set(leave)) > 1
    assert all(46 * 60 - 60 < seconds < 54 * 60 + 60 for seconds in leave)


def test_workers_know_a_time_limit_that_only_a_directive_says(monkeypatch):
    """Also where Slurm sets no variable for it."""
    for worker in workers(monkeypatch, job_extra_directives=["--time=02:00:00"]):
        assert abs(float(worker["env"][JOB_END]) - time.time() - 7200) < 60


def test_as_many_workers_offer_resources_as_there_are_processes(monkeypatch):
    found = workers(monkeypatch, processes=2, worker_extra_args=["--resources GPU=1"])
    assert [worker["resources"] for worker in found] == [{"GPU": 1.0}] * 2 + [None] * 6
