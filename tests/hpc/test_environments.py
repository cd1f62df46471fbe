"""Which Python runs in jobs of a real Slurm, with two environments, containers, and files that come late."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.executors import DaskExecutor
from parsl_on_dask.executors.errors import BadStateException
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.launchers import SrunLauncher, WrappedLauncher
from tests.environments import is_in, looker, make
from tests.helpers import WAIT, eventually
from tests.hpc.blocks import executor, here
from tests.hpc.slurm import Slurm

Load = Callable[..., Any]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second environment, with packages of its own."""
    return make(tmp_path_factory.mktemp("other") / "env", "distributed", "numpy")


def found(load: Load, one: Any) -> dict[str, str | None]:
    load(one)
    seen: dict[str, str | None] = parsl.python_app(looker())().result(WAIT)
    return seen


@pytest.mark.parametrize("way", ["activate", "python", "jobqueue"])
def test_another_environment(slurm: Slurm, run_slurm: Load, other: Path, way: str) -> None:
    """Its packages are taken, on both nodes, and none of the script's."""
    options: dict[str, Any] = {
        "activate": {"worker_init": f"source {other}/bin/activate"},
        "python": {"htex": {"python": f"env A=1 {other}/bin/python"}},
        "jobqueue": {"jobqueue": {"python": f"{other}/bin/python"}},
    }[way]
    one = executor(workers=1, nodes_per_block=2, **options)
    run_slurm(one)
    eventually(lambda: len(one.connected_managers()) == 2, "both nodes have workers", WAIT)
    app = parsl.python_app(looker())
    assert all(is_in(other, future.result(WAIT)) for future in [app() for _ in range(8)])


def test_nothing_is_activated(slurm: Slurm, run_slurm: Load) -> None:
    seen = found(run_slurm, executor(worker_init="export OMP_NUM_THREADS=1"))
    assert (seen["python"], seen["only_here"], seen["before"]) == (sys.executable, None, None) and seen["pytest"]


def test_a_python_that_does_not_fit(slurm: Slurm, run_slurm: Load, tmp_path: Path) -> None:
    """The block fails, and tasks with it; the text has both Pythons."""
    bare = make(tmp_path / "bare")
    one = executor(worker_init=f"source {bare}/bin/activate")
    run_slurm(one)
    with pytest.raises(BadStateException) as raised:
        parsl.python_app(here)().result(WAIT)
    for text in (f"{bare}/bin/python", sys.executable, "No module named 'distributed'", "python= of the executor"):
        assert text in str(raised.value)
    assert [status.state for status in one.status().values()] == [JobState.MISSING]


def test_a_node_whose_worker_init_fails(slurm: Slurm, run_slurm: Load) -> None:
    """Its block says why; calls run on the other one."""
    init = 'if [ "$SLURMD_NODENAME" = node1 ]; then echo "module: command not found" >&2; exit 3; fi'
    one = executor(init_blocks=2, max_blocks=2, exclusive=True, worker_init=init)
    run_slurm(one)
    app = parsl.python_app(here)
    assert {future.result(WAIT)[1] for future in [app() for _ in range(8)]} <= {"node2", "node3", "node4"}

    def failed() -> list[Any]:
        return [status for status in one.status().values() if status.terminal]

    (status,) = eventually(failed, "the block has failed", WAIT)
    assert (status.state, status.exit_code) == (JobState.MISSING, 3)
    assert "module: command not found" in status.stderr_summary


@pytest.mark.parametrize("name", ["nodes/block-0.json", "start.sh"])
def test_files_that_come_late(slurm: Slurm, run_slurm: Load, tmp_path: Path, name: str) -> None:
    """As on NFS: the node does not see at once what the script has written."""
    path, away = tmp_path / "runinfo/000/slurm" / name, tmp_path / "away"
    init = f"mv {path} {away}; (sleep 3; mv {away} {path}) </dev/null >/dev/null 2>&1 &"
    run_slurm(executor(worker_init=init))
    assert parsl.python_app(here)().result(WAIT)


# ---------------------------------------------------------------- containers


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an image, with an environment in /opt/image."""
    folder = tmp_path_factory.mktemp("image") / "root"
    for name in ("usr", "etc", "proc", "dev", "tmp", "opt", sys.base_prefix.lstrip("/")):
        folder.joinpath(name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "lib", "lib64"):
        system = Path("/", name)
        if system.is_symlink():
            folder.joinpath(name).symlink_to(os.readlink(system))
        elif system.exists():
            folder.joinpath(name).mkdir()
    make(folder / "opt/image", "distributed", copies=True)
    return folder


@pytest.fixture(params=["clean", "inherited"])
def enter(request: pytest.FixtureRequest, image: Path, tmp_path: Path) -> Path:
    """A program that runs a command in the image, as ``apptainer exec image.sif`` does.

    Root and PATH are others in there; other variables are kept, or not.
    """
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("a mount namespace cannot be made here")
    script = tmp_path / "enter"
    mounts = [name for name in ("usr", "etc", "proc", "dev", "tmp", "bin", "lib", "lib64", sys.base_prefix.lstrip("/"))]
    bind = "\n".join(
        f"mount --rbind /{name} {image}/{name}" for name in mounts if not image.joinpath(name).is_symlink()
    )
    kept = "-i " if request.param == "clean" else ""
    inside = f'{bind}\nexec chroot {image} /usr/bin/env {kept}PATH=/opt/image/bin:/usr/bin:/bin "$@"'
    script.write_text(f"#!/bin/sh\nexec unshare -m /bin/sh -ec '{inside}' sh \"$@\"\n")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("way", ["launcher", "python", "jobqueue.yaml"])
def test_a_container(slurm: Slurm, run_slurm: Load, enter: Path, way: str) -> None:
    """The workers are of the image, where the script's environment is not."""
    if way == "launcher":
        one = executor(launcher=WrappedLauncher(prepend=str(enter)))
    elif way == "python":
        one = executor(htex={"python": f"{enter} python"})
    else:
        one = DaskExecutor(
            jobqueue="slurm", python=f"{enter} python", queue="debug", cores=1, memory="500MB", launcher=SrunLauncher()
        )
    seen = found(run_slurm, one)
    assert str(seen["python"]).startswith("/opt/image/bin/python")
    for name in ("distributed", "cloudpickle", "only_here"):
        assert str(seen[name]).startswith("/opt/image/lib/")
    assert (seen["pytest"], seen["before"]) == (None, None)
