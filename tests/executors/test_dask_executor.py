"""DaskExecutor as a description: where its workers come from, and what it refuses."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.clusters.existing import overridden
from parsl_on_dask.clusters.hosts import HostsProvider
from parsl_on_dask.common.overrides import ClusterOverride
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import LocalProvider, PBSProProvider, SlurmProvider
from tests.helpers import shown


class SLURMCluster:
    """As much of a cluster object as the description looks at."""

    job_cls: Any = None


@pytest.fixture
def site(tmp_path: Path) -> Any:
    """Settings of a jobqueue.yaml."""
    import dask

    text = "jobqueue:\n  mine:\n    queue: regular\n    cores: 64\n    processes: 16\n    walltime: '02:00:00'\n"
    (tmp_path / "jobqueue.yaml").write_text(text)
    with dask.config.set(dask.config.collect([str(tmp_path)], env={})):
        yield


def test_jobs_by_settings_of_dask(site: Any) -> None:
    one = DaskExecutor(jobqueue="slurm", config_name="mine", max_blocks=4, nodes_per_block=2, launcher=SrunLauncher())
    provider: Any = one.provider
    assert isinstance(provider, SlurmProvider) and one.kind == "processes"
    assert (provider.init_blocks, provider.min_blocks, provider.max_blocks, provider.nodes_per_block) == (1, 0, 4, 2)
    script = provider.script()
    assert "--partition=regular" in script or "-p regular" in script
    assert one.workers_per_node == 64, "as many calls at a time as 16 processes of dask-jobqueue would have threads"
    assert DaskExecutor(jobqueue="slurm", config_name="mine", max_workers_per_node=4).max_workers_per_node == 4
    again = pickle.loads(pickle.dumps(one))
    assert repr(again) == repr(one) and "nodes_per_block=2" in repr(one)


@pytest.mark.parametrize(
    "arguments, word",
    [
        ({"address": "tcp://a:1", "jobqueue": "slurm"}, "exactly one"),
        ({"jobqueue": "slurm", "hosts": ["a"]}, "exactly one"),
        ({"jobqueue": "slumr"}, "slurm"),
        ({"jobqueue": 3}, "jobqueue"),
        ({"jobqueue": "slurm", "quue": "debug"}, "queue"),
        ({"jobqueue": "slurm", "config_name": "nowhere"}, "nowhere"),
        ({"jobqueue": "slurm", "max_blocks": -1}, "max_blocks"),
        ({"jobqueue": "slurm", "security": object()}, "security"),
        ({"address": "tcp://a:1", "config_name": "mine"}, "config_name"),
        ({"address": "tcp://a:1", "queue": "debug"}, "queue"),
        ({"address": "tcp://a:1", "max_blocks": 2}, "max_blocks"),
        ({"address": "tcp://a:1", "scheduler_in_job": True}, "scheduler_in_job"),
        ({"cluster": object(), "max_blocks": 2}, "max_blocks"),
        ({"cluster": SLURMCluster(), "min_blocks": 1}, "max_blocks"),
        ({"hosts": "node1"}, "hosts"),
        ({"hosts": []}, "hosts"),
        ({"hosts": [1]}, "hosts"),
        ({"hosts": ["a"], "quue": 1}, "quue"),
    ],
    ids=shown,
)
def test_what_is_refused(arguments: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        DaskExecutor(**arguments)


def test_hosts() -> None:
    one = DaskExecutor(hosts=["a", "me@b"], max_workers_per_node=2)
    assert isinstance(one.provider, HostsProvider) and one.kind == "processes"
    assert (one.provider.init_blocks, one.provider.max_blocks) == (2, 2)
    assert DaskExecutor(hosts=("a", "b"), init_blocks=1).provider.init_blocks == 1  # type: ignore[union-attr]


def test_a_cluster_object_with_numbers() -> None:
    one = DaskExecutor(cluster=SLURMCluster(), max_blocks=3)
    assert one.kind == "existing" and one.provider is not None and one.provider.max_blocks == 3
    assert DaskExecutor(cluster=SLURMCluster()).provider is None


def test_resource_specifications_are_those_of_the_kind() -> None:
    DaskExecutor("tcp://a:1").validate_resource_spec({"workers": ["a"], "priority": 1})
    made = DaskExecutor(jobqueue="slurm")
    made.validate_resource_spec({"priority": 1})
    with pytest.raises(InvalidResourceSpecification, match="workers"):
        made.validate_resource_spec({"workers": ["a"]})


def place(executor: Any, **override: Any) -> Any:
    executor.run_dir = "/nowhere"
    made = overridden(executor, ClusterOverride(**override))
    assert (made.label, made.run_dir) == (executor.label, "/nowhere")
    return made


def test_the_command_line_takes_processes_into_jobs(site: Any) -> None:
    provider = LocalProvider(init_blocks=2, max_blocks=5, parallelism=0.5, worker_init="module load python")
    one = HighThroughputExecutor("a", provider, max_workers_per_node=3, cores_per_worker=2, encrypted=False)
    made = place(one, jobqueue="slurm", config_name="mine")
    assert isinstance(made.provider, SlurmProvider)
    assert (made.provider.init_blocks, made.provider.max_blocks, made.provider.parallelism) == (2, 5, 0.5)
    assert "module load python" in made.provider.script()
    assert (made.max_workers_per_node, made.cores_per_worker, made.encrypted) == (3, 2, False)
    limited = place(one, jobqueue="pbs", max_blocks=1)
    assert isinstance(limited.provider, PBSProProvider)
    assert (limited.provider.init_blocks, limited.provider.max_blocks) == (1, 1)


def test_the_command_line_takes_threads_into_jobs() -> None:
    made = place(ThreadPoolExecutor("t", max_threads=6), jobqueue="slurm", max_blocks=2)
    assert (made.max_workers_per_node, made.provider.max_blocks) == (6, 2)


def test_the_command_line_keeps_what_is_written_for_a_batch_system() -> None:
    written = SlurmProvider(nodes_per_block=4, walltime="03:00:00", launcher=SrunLauncher(), cores_per_node=32)
    made = place(HighThroughputExecutor("a", written), jobqueue="slurm")
    script = made.provider.script()
    assert "#SBATCH --nodes=4" in script and "srun --ntasks 4" in script
    assert made.provider.walltime == "03:00:00"


def test_a_walltime_that_nobody_wrote_does_not_cut_the_sites(site: Any) -> None:
    made = place(HighThroughputExecutor("a", SlurmProvider()), jobqueue="slurm", config_name="mine")
    assert made.provider.walltime == "02:00:00"
    assert place(HighThroughputExecutor("a", SlurmProvider()), jobqueue="slurm").provider.walltime == "00:30:00"


def test_an_executor_given_up_is_given_up_in_its_place_too() -> None:
    one = HighThroughputExecutor("a", LocalProvider())
    made = place(one, jobqueue="slurm")
    made.set_bad_state_and_fail_all(RuntimeError("no node left"))
    assert one.bad_state_is_set and str(one.refusal()) == "no node left"
    threads = ThreadPoolExecutor("t")
    place(threads, jobqueue="slurm").set_bad_state_and_fail_all(RuntimeError("no node left"))
