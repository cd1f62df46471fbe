"""MPI programs on the nodes of a real Slurm's jobs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.executors import MPIExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.launchers import SimpleLauncher
from tests.helpers import WAIT, eventually
from tests.hpc.blocks import provider
from tests.hpc.conftest import need
from tests.hpc.slurm import Slurm

Load = Callable[..., Any]

# Open MPI wants to be told that root is no accident
ROOT = "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1\n"
# and that nodes which share a machine do not share its memory
ON_ONE_MACHINE = "--oversubscribe --mca btl self,tcp --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo"
PROGRAM = Path(__file__).parents[1] / "executors" / "mpi_program.py"


def executor(workers: int = 2, launcher: str = "srun", **options: Any) -> MPIExecutor:
    options.setdefault("worker_init", ROOT)
    options.setdefault("exclusive", True)
    return MPIExecutor(
        label="mpi",
        address="127.0.0.1",
        max_workers_per_block=workers,
        mpi_launcher=launcher,
        provider=provider(launcher=SimpleLauncher(), **options),
    )


@parsl.bash_app
def ranks(
    seconds: float = 0.0, stdout: Any = None, stderr: Any = None, parsl_resource_specification: Any = None
) -> str:
    """Start a program on the call's nodes, whose ranks say on which of them they are."""
    return f"$PARSL_MPI_PREFIX sh -c 'echo $SLURMD_NODENAME; sleep {seconds}'; echo $PARSL_MPI_NODELIST"


@parsl.bash_app
def program(command: str, stdout: Any = None, stderr: Any = None, parsl_resource_specification: Any = None) -> str:
    return f"$PARSL_MPI_PREFIX {command}"


def test_srun_starts_ranks_on_the_nodes_of_the_call(slurm: Slurm, run_slurm: Load, tmp_path: Path) -> None:
    run_slurm(executor(nodes_per_block=2))
    for number, (nodes, each) in enumerate([(2, 2), (1, 2), (2, 1)]):
        out = tmp_path / f"out{number}"
        wanted = {"num_nodes": nodes, "ranks_per_node": each}
        assert ranks(stdout=str(out), stderr=str(out) + ".err", parsl_resource_specification=wanted).result(WAIT) == 0
        *started, listed = out.read_text().split()
        assert sorted(started) == sorted(listed.split(",") * each) and len(set(started)) == nodes


def test_two_programs_at_a_time_have_different_nodes(slurm: Slurm, run_slurm: Load, tmp_path: Path) -> None:
    run_slurm(executor(nodes_per_block=2))
    outs = [tmp_path / f"out{number}" for number in range(4)]
    calls = [ranks(1.0, stdout=str(out), parsl_resource_specification={"num_nodes": 1}) for out in outs]
    assert [call.result(2 * WAIT) for call in calls] == [0] * 4
    seen = [out.read_text().split() for out in outs]
    assert all(started == listed for started, listed in seen)
    assert len({started for started, _ in seen}) == 2


def test_more_nodes_than_the_job_has(slurm: Slurm, run_slurm: Load) -> None:
    run_slurm(executor(nodes_per_block=2))
    with pytest.raises(InvalidResourceSpecification, match="no 3 nodes.*has 2 .*larger nodes_per_block"):
        ranks(parsl_resource_specification={"num_nodes": 3}).result(WAIT)


def test_open_mpi_runs_a_program(slurm: Slurm, run_slurm: Load, tmp_path: Path) -> None:
    need("mpirun")
    run_slurm(executor(nodes_per_block=2, launcher="mpiexec"))
    out = tmp_path / "out"
    wanted = {"num_nodes": 2, "ranks_per_node": 2, "launcher_options": ON_ONE_MACHINE}
    call = program(
        f"{sys.executable} {PROGRAM}", stdout=str(out), stderr=str(out) + ".err", parsl_resource_specification=wanted
    )
    assert call.result(2 * WAIT) == 0
    answer = json.loads(out.read_text())
    assert (answer["size"], answer["sum"]) == (4, 0 + 1 + 2 + 3)
    assert len(set(answer["nodes"])) == 2


def test_blocks_come_as_calls_need_them(slurm: Slurm, run_slurm: Load, tmp_path: Path) -> None:
    """One call a block, so that two of them make the strategy ask for a second block."""
    one = executor(workers=1, nodes_per_block=2, init_blocks=1, min_blocks=0, max_blocks=2)
    run_slurm(one, strategy="simple")
    outs = [tmp_path / f"out{number}" for number in range(6)]
    calls = [ranks(3.0, stdout=str(out), parsl_resource_specification={"num_nodes": 2}) for out in outs]
    eventually(lambda: len(one.connected_blocks()) == 2, "a second block has workers", 2 * WAIT)
    assert [call.result(2 * WAIT) for call in calls] == [0] * 6
    assert {node for out in outs for node in out.read_text().split() if "," not in node} == set(slurm_nodes(slurm))


def slurm_nodes(slurm: Slurm) -> list[str]:
    return slurm.call("sinfo", "-h", "-N", "-p", "debug", "-o", "%N").split()


def test_a_lost_block_gives_its_calls_to_another(slurm: Slurm, run_slurm: Load, tmp_path: Path) -> None:
    one = executor(workers=1, nodes_per_block=2, init_blocks=2, max_blocks=2)
    run_slurm(one, retries=2)
    eventually(lambda: len(one.connected_blocks()) == 2, "both blocks have workers", WAIT)
    outs = [tmp_path / f"out{number}" for number in range(4)]
    calls = [ranks(2.0, stdout=str(out), parsl_resource_specification={"num_nodes": 2}) for out in outs]
    eventually(lambda: sum(m["tasks"] for m in one.connected_managers()) == 2, "both blocks are busy", WAIT)
    slurm.cancel(slurm.jobs()[0].id)
    assert [call.result(2 * WAIT) for call in calls] == [0] * 4
