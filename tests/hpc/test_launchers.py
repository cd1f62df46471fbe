"""Launchers, for real: each starts the workers of every node that it says it reaches."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.launchers import (
    GnuParallelLauncher,
    MpiExecLauncher,
    MpiRunLauncher,
    SimpleLauncher,
    SingleNodeLauncher,
    SrunLauncher,
    SrunMPILauncher,
    WrappedLauncher,
)
from parsl_on_dask.launchers.base import Launcher
from tests.helpers import WAIT, eventually
from tests.hpc.blocks import environment, executor
from tests.hpc.conftest import need
from tests.hpc.slurm import Slurm

# Slurm does not set what launchers of other systems go by; and Open MPI wants to be told that root is no accident.
OTHER_SYSTEMS = """\
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PBS_NODEFILE=$PWD/nodes.$SLURM_JOB_ID
scontrol show hostnames "$SLURM_JOB_NODELIST" > "$PBS_NODEFILE"
"""


class MyLauncher(Launcher):
    """A launcher of the user's own."""

    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int, *_: Any) -> str:
        return f"export FROM=mine\nsrun --ntasks={tasks_per_node * nodes_per_block} bash -c {shlex.quote(command)}\n"


def run(slurm: Slurm, load: Callable[..., Any], launcher: Any, nodes: int, pools: int, **options: Any) -> list[Any]:
    """Environments of all workers of a block of `nodes` nodes, on which `pools` copies of the command run."""
    one = executor(launcher=launcher, nodes_per_block=nodes, workers=1, **options)
    load(one)
    count = lambda: sum(m["worker_count"] for m in one.connected_managers())  # noqa: E731
    eventually(lambda: count() == pools, f"{pools} workers of {nodes} nodes; there are {count()}", WAIT)
    assert len(slurm.running()) == 1 and one.connected_blocks() == ["0"]

    @parsl.python_app
    def look(*names: str) -> tuple[str | None, ...]:
        import os
        import time

        time.sleep(0.3)
        return (str(os.getpid()), *(os.environ.get(name) for name in names))

    seen = {f.result(WAIT) for f in [look("SLURMD_NODENAME", "FROM") for _ in range(pools * 6)]}
    assert len(seen) == pools
    return sorted(values[1:] for values in seen)


def nodes_of(seen: list[Any]) -> list[str]:
    return [node for node, _ in seen]


def test_srun(slurm: Slurm, run_slurm: Callable[..., Any]) -> None:
    seen = run(slurm, run_slurm, SrunLauncher(debug=False, overrides="--export=ALL,FROM=overrides"), 2, 2)
    assert len(set(nodes_of(seen))) == 2 and {made for _, made in seen} == {"overrides"}


def test_srun_mpi(slurm: Slurm, run_slurm: Callable[..., Any]) -> None:
    """One srun for each node; here each of them has one task."""
    one = executor(launcher=SrunMPILauncher(), nodes_per_block=2, workers=1)
    run_slurm(one)
    look = parsl.python_app(environment)
    assert look("SLURM_JOB_ID").result(WAIT)["SLURM_JOB_ID"] == slurm.jobs()[0].id
    eventually(lambda: sum(m["worker_count"] for m in one.connected_managers()) >= 2, "both sruns have workers", WAIT)
    names = [worker["name"] for worker in one.lane.workers()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("launcher", [SimpleLauncher(), SingleNodeLauncher(), WrappedLauncher("env FROM=wrapped")])
def test_those_of_one_node(slurm: Slurm, run_slurm: Callable[..., Any], launcher: Any) -> None:
    [(_, made)] = run(slurm, run_slurm, launcher, 1, 1)
    assert made == ("wrapped" if isinstance(launcher, WrappedLauncher) else None)


def test_all_on_the_first_node(slurm: Slurm, run_slurm: Callable[..., Any]) -> None:
    """As in Parsl: SingleNodeLauncher starts as many copies as there are nodes, all on the first."""
    run(slurm, run_slurm, SingleNodeLauncher(), 2, 2)


@pytest.mark.parametrize("launcher", [MpiExecLauncher(), MpiRunLauncher()], ids=["mpiexec", "mpirun"])
def test_open_mpi(slurm: Slurm, run_slurm: Callable[..., Any], launcher: Any) -> None:
    need("mpirun")
    seen = run(slurm, run_slurm, launcher, 2, 2, worker_init=OTHER_SYSTEMS)
    assert len(set(nodes_of(seen))) == 2


def test_a_launcher_of_the_users_own(slurm: Slurm, run_slurm: Callable[..., Any]) -> None:
    seen = run(slurm, run_slurm, MyLauncher(), 2, 2)
    assert len(set(nodes_of(seen))) == 2 and {made for _, made in seen} == {"mine"}


def test_gnu_parallel(slurm: Slurm, run_slurm: Callable[..., Any], ssh: list[str], tmp_path: Path) -> None:
    need("parallel")
    home = tmp_path / "parallel"
    home.mkdir()
    (home / "ignored_vars").write_text("")
    (home / "will-cite").write_text("")
    init = f"{OTHER_SYSTEMS}export PARALLEL_SSH={shlex.quote(shlex.join(ssh))} PARALLEL_HOME={home}\n"
    run(slurm, run_slurm, GnuParallelLauncher(), 2, 2, worker_init=init)
