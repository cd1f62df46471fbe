"""Scripts inside of batch jobs of several nodes: a LocalProvider with a launcher, and ``hosts="allocation"``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.check.plan import explain
from parsl_on_dask.clusters import allocated
from parsl_on_dask.clusters.allocated import AllocationProvider, start_on
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.launchers import AprunLauncher, JsrunLauncher, MpiExecLauncher, SimpleLauncher, SrunLauncher
from parsl_on_dask.providers import LocalProvider
from parsl_on_dask.providers.allocation import SHARES, Allocation
from tests.clusters.allocations import Job
from tests.helpers import WAIT, eventually
from tests.kernels import unload

OPEN_MPI, HYDRA, PALS = "mpiexec (OpenRTE) 4.1.4", "HYDRA build details:", "PALS 1.2.12"
ALL = Allocation("PBS", "12", ["n1", "n2", "n3"])


@parsl.python_app
def look() -> tuple[dict[str, str], str]:
    """The worker's environment, and where it runs."""
    import os
    import time

    time.sleep(0.05)
    return dict(os.environ), os.getcwd()


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], Any]]:
    """A function that loads an executor, in a directory of its own; at the end no block has nodes any more."""
    monkeypatch.chdir(tmp_path)

    def load(executor: Any) -> Any:
        parsl.load(parsl.Config([executor], strategy="none", run_dir=str(tmp_path / "runs")))
        return executor

    yield load
    unload()
    assert not +SHARES.blocks


def seen(workers: int) -> list[tuple[dict[str, str], str]]:
    """What each of so many workers sees."""
    found: dict[str, tuple[dict[str, str], str]] = {}
    deadline = time.monotonic() + WAIT
    while len(found) < workers and time.monotonic() < deadline:
        for future in [look() for _ in range(4 * workers)]:
            environment, place = future.result(WAIT)
            found[environment["PARSL_ON_DASK_WORKER"]] = environment, place
    return list(found.values())


LAUNCHERS = {
    "srun": ("Slurm", SrunLauncher, "--ntasks"),
    "mpiexec": ("PBS", MpiExecLauncher, "-n"),
    "aprun": ("PBS", AprunLauncher, "-n"),
    "jsrun": ("LSF", JsrunLauncher, "-n"),
}


@pytest.mark.parametrize("starter", ["srun", "mpiexec", "jsrun"])
def test_a_local_provider_with_a_launcher(
    starter: str, load: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of two nodes: workers are on both, their names say so, and apps do not see that a launcher was there."""
    system, launcher, number = LAUNCHERS[starter]
    job = Job(tmp_path, monkeypatch, system, starter)
    provider = LocalProvider(nodes_per_block=2, launcher=launcher(), worker_init="export INIT=done")
    executor = load(HighThroughputExecutor(label="both", max_workers_per_node=1, provider=provider))
    found = seen(2)
    assert {environment["FAKE_NODE"] for environment, _ in found} == {"n1", "n2"}
    for environment, place in found:
        assert environment["INIT"] == "done" and place == str(tmp_path)
        assert not {name for name in environment if re.match("PMI|OMPI_COMM|SLURM_OVERLAP|PARSL_ON_DASK_WAS", name)}
        assert float(environment["PARSL_ON_DASK_JOB_END"]) == pytest.approx(time.time() + 600, abs=60)
    names = [worker["name"] for worker in executor.lane.workers()]
    assert len({name.rsplit("-", 2)[1] for name in names}) == 2 and all("both-block0-" in name for name in names)
    assert executor.connected_blocks() == ["0"] and len(executor.connected_managers()) == 2
    assert executor.lane.client.scheduler.address.startswith("tls://")
    [[name, *options]] = job.started()
    assert name == starter and options[options.index(number) + 1] == "2"


def test_blocks_come_and_go(load: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two blocks of one node is on a node of its own, whatever it was told of the other one."""
    Job(tmp_path, monkeypatch, "PBS", "mpiexec")
    provider = LocalProvider(launcher=MpiExecLauncher(), init_blocks=2, max_blocks=2)
    executor = load(HighThroughputExecutor(label="one", max_workers_per_node=1, provider=provider))
    found = [environment for environment, _ in seen(2)]
    places = {environment["PARSL_WORKER_BLOCK_ID"]: environment["FAKE_NODE"] for environment in found}
    assert sorted(places.values()) == ["n1", "n2"]
    assert {environment["PBS_NODEFILE"] for environment in found} == {str(tmp_path / "nodes")}, "the job's, not ours"
    executor.scale_in_facade(1)
    eventually(lambda: executor.connected_blocks() == ["0"], "a block has gone", WAIT)
    eventually(lambda: set(+SHARES.blocks) == {places["0"]}, "its node is free", WAIT)
    executor.scale_out_facade(1)
    assert {environment["PARSL_WORKER_BLOCK_ID"]: environment["FAKE_NODE"] for environment, _ in seen(2)} == {
        "0": places["0"],
        "2": places["1"],
    }


def test_a_job_that_is_about_to_end(
    load: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks for blocks that could do nothing."""
    job = Job(tmp_path, monkeypatch, "Slurm", "srun")
    executor = load(
        HighThroughputExecutor(max_workers_per_node=1, provider=LocalProvider(launcher=SrunLauncher(), max_blocks=3))
    )
    seen(1)
    assert executor.scale_out_facade(1) == ["1"]
    job.says("squeue", "0:08")
    executor.lane.cluster._spec(executor.lane.cluster.jobs.blocks["0"], None)
    assert executor.scale_out_facade(1) == []
    job.says("squeue", "9:00")
    executor.lane.cluster._spec(executor.lane.cluster.jobs.blocks["0"], None)
    assert executor.scale_out_facade(1) == ["2"], "the job was given more time"


def test_more_nodes_than_there_are(load: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path, monkeypatch, "Slurm")
    job.command("srun", "#!/bin/bash\necho More processors requested than permitted >&2; exit 1\n")
    executor = load(HighThroughputExecutor(provider=LocalProvider(nodes_per_block=5, launcher=SrunLauncher())))
    with pytest.raises(Exception, match="More processors requested than permitted"):
        look().result(WAIT)
    assert executor.status()["0"].state is JobState.MISSING


STARTS = {
    "srun": ("Slurm", "", True, ["srun", "--overlap", "--nodelist=n1"]),
    "flux": ("Flux", "", True, ["flux", "--noinput", "--rank=0"]),
    "mpiexec": ("PBS", OPEN_MPI, False, ["mpiexec", "ppr:1:node", "n1:1"]),
    "ssh": ("OAR", "", False, ["ssh", "-tt", "n1"]),
}


@pytest.mark.parametrize("starter", STARTS)
def test_hosts_of_the_allocation(
    starter: str, load: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two blocks of a node each; also where the starter takes no environment to the nodes."""
    system, version, carries, expected = STARTS[starter]
    job = Job(tmp_path, monkeypatch, system, starter, version, carries)
    if starter == "mpiexec":
        monkeypatch.setattr(
            allocated.shutil, "which", lambda name, **_: str(job.bin / name) if name == "mpiexec" else None
        )
    else:
        job.only(allocated, starter)
    executor = DaskExecutor(hosts="allocation", nodes_per_block=1, max_workers_per_node=1, worker_init="export INIT=1")
    assert (executor.provider.init_blocks, executor.provider.max_blocks) == (2, 2)
    load(executor)
    found = seen(2)
    assert {environment["FAKE_NODE"] for environment, _ in found} == {"n1", "n2"}
    assert {environment["PARSL_WORKER_BLOCK_ID"] for environment, _ in found} == {"0", "1"}
    assert {(environment["INIT"], place) for environment, place in found} == {("1", str(tmp_path))}
    first = min(job.started())
    assert [word for word in first if word in expected] == expected


def test_all_nodes_are_a_block(load: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path, monkeypatch, "Slurm", "srun")
    executor = load(DaskExecutor(hosts="allocation", max_workers_per_node=1))
    assert {environment["FAKE_NODE"] for environment, _ in seen(2)} == {"n1", "n2"}
    assert executor.connected_blocks() == ["0"]
    assert "--nodelist=n1,n2" in job.started()[0]


def test_a_launcher_of_the_users_own_choice(
    load: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, monkeypatch, "PBS", "mpiexec")
    load(DaskExecutor(hosts="allocation", max_workers_per_node=1, launcher=MpiExecLauncher(bind_cmd="--cpu-bind")))
    assert {environment["FAKE_NODE"] for environment, _ in seen(2)} == {"n1", "n2"}
    assert job.started()[0][:3] == ["mpiexec", "--cpu-bind", "none"]


@pytest.mark.parametrize(
    ("system", "there", "version", "text", "carries"),
    [
        ("PBS", "mpiexec", HYDRA, "mpiexec -n 2 -ppn 1 -hosts n1,n3 -bind-to none", True),
        ("PBS", "mpiexec", PALS, "mpiexec -n 2 -ppn 1 -hosts n1,n3 --cpu-bind none", True),
        ("PBS", "mpiexec", OPEN_MPI, "mpiexec -n 2 --map-by ppr:1:node --host n1:1,n3:1 --bind-to none", False),
        ("PBS", "aprun", "", "aprun -n 2 -N 1 -node-list n1,n3", True),
        ("LSF", "jsrun", "", "jsrun --nrs=2 --rs_per_host=1 --tasks_per_rs=1 --cpu_per_rs=ALL_CPUS --bind=none", True),
        ("LSF", "blaunch", "", "blaunch -z 'n1 n3'", True),
        ("Flux", "", "", "flux exec --noinput --rank=0,2", True),
    ],
)
def test_what_starts_workers(
    system: str, there: str, version: str, text: str, carries: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, monkeypatch, "none", "mpiexec", version)
    job.only(allocated, there)
    start = start_on(ALL._replace(system=system, job="" if system == "Flux" else "12"), ["n1", "n3"])
    assert (start.text, start.carries) == (text, carries)


def test_outside_of_a_job(load: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Job(tmp_path, monkeypatch, "none")
    executor = DaskExecutor(hosts="allocation")
    assert explain(parsl.Config([executor])).executors[0].facts["nodes of a block"] == "all"
    with pytest.raises(ConfigurationError, match="is not in a job of a batch system.*sbatch, salloc, qsub"):
        load(executor)


def test_wrong_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Job(tmp_path, monkeypatch, "Slurm")
    with pytest.raises(ConfigurationError, match="Slurm job 12, 2 nodes"):
        AllocationProvider(nodes_per_block=3)
    with pytest.raises(ConfigurationError, match=r"ssh_options.*no such setting.*nodes_per_block"):
        DaskExecutor(hosts="allocation", ssh_options=["-p", "22"])
    with pytest.raises(ConfigurationError, match="hosts='allocation'"):
        DaskExecutor(hosts="node1")


def test_check_says_where_workers_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Job(tmp_path, monkeypatch, "Slurm")

    def plan(**options: Any) -> Any:
        provider = LocalProvider(**options)
        return explain(parsl.Config([HighThroughputExecutor(provider=provider)])).executors[0]

    inside = plan(nodes_per_block=2, launcher=SrunLauncher())
    assert "on nodes of the job that the script is in: Slurm job 12, 2 nodes" in inside.becomes
    assert inside.facts["nodes of a block"] == "2" and "will not start" not in inside.facts
    assert "will not start" in plan(nodes_per_block=3, launcher=SrunLauncher()).facts
    assert "worker processes on this machine" in plan().becomes
    allocation = explain(parsl.Config([DaskExecutor(hosts="allocation")])).executors[0]
    assert allocation.facts["started through"].startswith("srun --overlap")
    monkeypatch.delenv("SLURM_JOB_NODELIST")
    assert "here it is in none" in plan(nodes_per_block=2, launcher=SrunLauncher()).becomes


def test_idle_nodes_are_told_of(
    load: Callable[[Any], Any], caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launcher that stays on its node starts one node's workers, and the log says so."""
    Job(tmp_path, monkeypatch, "Slurm")
    provider = LocalProvider(nodes_per_block=2, launcher=SimpleLauncher())
    load(HighThroughputExecutor(max_workers_per_node=1, provider=provider))
    assert "SimpleLauncher starts all workers on one of the 2 nodes" in caplog.text
    assert len(seen(1)) == 1
