"""The job that a script is in: which nodes it has, and when it ends, by each batch system's own words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from parsl_on_dask.launchers import MpiExecLauncher, SimpleLauncher, SrunLauncher, SrunMPILauncher, WrappedLauncher
from parsl_on_dask.providers import LocalProvider
from parsl_on_dask.providers.allocation import SHARES, Allocation, allocation_here, end_of
from tests.clusters.allocations import Job

JOBS = {"Slurm": "12", "PBS": "12.server", "LSF": "12", "Flux": "", "OAR": "12"}


@pytest.mark.parametrize("system", JOBS)
def test_its_nodes(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Job(tmp_path, monkeypatch, system)
    assert allocation_here() == Allocation(system, JOBS[system], ["n1", "n2"])
    assert str(allocation_here()).endswith("2 nodes")


def test_a_script_in_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Job(tmp_path, monkeypatch, "none")
    assert allocation_here() is None
    assert LocalProvider(launcher=SrunLauncher()).allocation_end() is None


def test_flux_in_a_job_of_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Job(tmp_path, monkeypatch, "Slurm", nodes=("outer",))
    monkeypatch.setenv("FLUX_URI", "local:///run/flux/local")
    (tmp_path / "bin" / "flux").write_text("#!/bin/bash\necho inner1 inner2\n")
    (tmp_path / "bin" / "flux").chmod(0o755)
    assert allocation_here() == Allocation("Flux", "", ["inner1", "inner2"])


@pytest.mark.parametrize("system", ["Slurm", "PBS", "LSF", "Flux"])
def test_its_end(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Job(tmp_path, monkeypatch, system)
    found = allocation_here()
    assert found is not None
    assert end_of(found) == pytest.approx(time.time() + 600, abs=60)


TORQUE = "    Walltime.Remaining = 600\n    Resource_List.walltime = 10:00:00"
BEGAN = "    Resource_List.walltime = 00:30:00\n    stime = BEGAN\n    resources_used.walltime = 00:00:01"


@pytest.mark.parametrize(
    ("system", "command", "answer", "left"),
    [
        ("Slurm", "squeue", "1-00:10:00", 87000),
        ("Slurm", "squeue", "UNLIMITED", None),
        ("PBS", "qstat", TORQUE, 600),
        ("PBS", "qstat", BEGAN, 600),
        ("PBS", "qstat", "qstat: Unknown Job Id", None),
        ("LSF", "bjobs", "-", None),
        ("LSF", "bjobs", "2:30 L", 9000),
    ],
)
def test_answers(
    system: str, command: str, answer: str, left: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path, monkeypatch, system)
    began = time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(time.time() - 1200))
    job.says(command, answer.replace("BEGAN", began))
    found = allocation_here()
    assert found is not None
    end = end_of(found)
    assert end == (None if left is None else pytest.approx(time.time() + left, abs=60))
    assert found.job in job.asked(command)


def test_a_batch_system_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path, monkeypatch, "Slurm")
    job.command("squeue", "#!/bin/bash\necho no controller >&2; exit 1\n")
    found = allocation_here()
    assert found is not None
    assert end_of(found) is None
    monkeypatch.setenv("SLURM_JOB_END_TIME", "2000000000")
    assert end_of(found) == 2000000000.0


@pytest.mark.parametrize(
    ("launcher", "nodes", "system", "others"),
    [
        (None, 2, "Slurm", False),
        (SimpleLauncher(), 1, "Slurm", False),
        (WrappedLauncher("nice"), 1, "none", False),
        (WrappedLauncher("nice"), 1, "PBS", True),
        (SrunLauncher(), 1, "none", True),
        (lambda command, tasks, nodes: command, 2, "none", True),
    ],
)
def test_what_may_be_on_other_machines(
    launcher: object, nodes: int, system: str, others: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Job(tmp_path, monkeypatch, system)
    assert LocalProvider(nodes_per_block=nodes, launcher=launcher).reaches_others is others  # type: ignore[arg-type]


SHOW = 'echo "hosts $SLURM_HOSTFILE, nodes $PBS_NODEFILE, was $PARSL_ON_DASK_WAS_PBS_NODEFILE"; sleep 60; true'


@pytest.mark.parametrize("launcher", [SrunLauncher(), MpiExecLauncher()])
def test_blocks_are_on_different_nodes(launcher: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three nodes each of two blocks gets one, and the one that is given back is the next block's."""
    Job(tmp_path, monkeypatch, "Slurm", "srun", nodes=("n1", "n2", "n3"))
    monkeypatch.setattr(type(launcher), "__call__", lambda self, command, *_: command)
    provider = LocalProvider(launcher=launcher, max_blocks=3)  # type: ignore[arg-type]
    provider.script_dir = str(tmp_path)
    first, second = provider.submit(SHOW, 1), provider.submit(SHOW, 1)
    hosts = [Path(provider.resources[job]["script_path"] + ".hosts") for job in (first, second)]
    assert [path.read_text() for path in hosts] == ["n1\n", "n2\n"]
    script = Path(provider.resources[first]["script_path"]).read_text()
    assert ("SLURM_HOSTFILE" in script.replace(SHOW, "")) is isinstance(launcher, SrunLauncher)
    assert provider.cancel([first, "77", second]) == [True, False, True]
    assert not +SHARES.blocks


def test_a_block_of_all_nodes_is_left_to_the_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Job(tmp_path, monkeypatch, "Slurm")
    assert LocalProvider(nodes_per_block=2, launcher=SrunLauncher())._share() == []
    assert LocalProvider(nodes_per_block=1, launcher=SrunMPILauncher())._share() == []
