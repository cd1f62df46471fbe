"""What apps find in their environment, beside what they find there with Parsl, and MPI programs that apps start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hpc.conftest import need
from tests.hpc.slurm import Slurm

PARSL = os.environ.get("PARSL_PYTHON", "/opt/parsl/bin/python")
needs_parsl = pytest.mark.skipif(
    not os.access(PARSL, os.X_OK), reason="no Python with Parsl here: let PARSL_PYTHON name one"
)

SCRIPT = """\
import json
import os
import sys

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import MpiExecLauncher, SimpleLauncher, SingleNodeLauncher, SrunLauncher
from parsl.providers import SlurmProvider

launcher, affinity, command = sys.argv[1:]


@parsl.python_app
def look():
    import os

    return dict(os.environ)


@parsl.bash_app
def printed(command, stdout="printed.txt"):
    return command or "python3 -c 'import json, os; print(json.dumps(dict(os.environ)))'"


executor = HighThroughputExecutor(
    label="htex",
    address="127.0.0.1",
    encrypted=False,
    max_workers_per_node=1,
    cpu_affinity=affinity,
    provider=SlurmProvider(
        partition="debug",
        exclusive=False,
        cores_per_node=2,
        mem_per_node=1,
        walltime="00:05:00",
        worker_init=f"export PATH={os.path.dirname(sys.executable)}:$PATH FROM_INIT=yes",
        launcher=eval(launcher)(),
        cmd_timeout=60,
    ),
)
with parsl.load(Config(executors=[executor], strategy="none")):
    found = look().result()
    printed(command, stdout=os.path.abspath("printed.txt")).result()
with open("found.json", "w") as file:
    json.dump([found, open("printed.txt").read()], file)
"""

#: What is of one run, of one program or of one installation.
OWN = {
    *("JOBNAME", "PATH", "PARSL_WORKER_POOL_ID", "SHLVL", "_", "PWD", "OLDPWD", "PYTHONPATH", "VIRTUAL_ENV"),
    *("SLURM_JOBID", "SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_SRUN_COMM_PORT", "SLURM_STEP_LAUNCHER_PORT"),
    *("SLURM_TASK_PID", "SLURM_SUBMIT_DIR", "SLURM_NODELIST", "SLURM_JOB_NODELIST", "SLURM_STEP_NODELIST"),
    *("SLURMD_NODENAME", "SLURM_TOPOLOGY_ADDR", "SLURM_JOB_START_TIME", "SLURM_JOB_END_TIME"),
}
#: What of ours apps may read, and what a script that an app starts goes by.
OURS = {"PARSL_ON_DASK_ALIAS", "PARSL_ON_DASK_JOB_END", "PARSL_ON_DASK_WORKER"}
#: What tests mark their processes with.
TESTS = {"PARSL_ON_DASK_TEST_SESSION", "PARSL_ON_DASK_TEST_SCRIPT", "PYTEST_CURRENT_TEST"}


def run(folder: Path, python: list[str], launcher: str, affinity: str = "none", command: str = "") -> tuple[str, str]:
    """The environments of a Python app and of a bash app (or what `command` prints), as texts of JSON."""
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PATH": f"{os.path.dirname(python[0])}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [*python, "script.py", launcher, affinity, command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    found, printed = json.loads((folder / "found.json").read_text())
    return json.dumps(found), printed


def ours(folder: Path, *arguments: str) -> tuple[str, str]:
    return run(folder, [sys.executable, "-m", "parsl_on_dask"], *arguments)


def compared(text: str) -> dict[str, str]:
    return {name: value for name, value in json.loads(text).items() if name not in OWN | OURS | TESTS}


@needs_parsl
@pytest.mark.parametrize(
    ("launcher", "affinity"), [("SrunLauncher", "none"), ("SrunLauncher", "block"), ("SingleNodeLauncher", "none")]
)
def test_the_whole_environment_is_parsls(slurm: Slurm, tmp_path: Path, launcher: str, affinity: str) -> None:
    """Variable by variable, in Python and in a command."""
    theirs = run(tmp_path / "parsl", [PARSL], launcher, affinity)
    here = ours(tmp_path / "ours", launcher, affinity)
    for there, mine in zip(theirs, here, strict=True):
        assert compared(mine) == compared(there)
        own = {name for name in json.loads(mine) if name.startswith("PARSL_ON_DASK_")} - TESTS - set(os.environ)
        assert own <= OURS


NESTED = "srun -n 2 hostname && mpiexec --allow-run-as-root --oversubscribe -n 2 hostname && echo done"


@pytest.mark.parametrize("launcher", ["SrunLauncher", "SimpleLauncher", "MpiExecLauncher"])
def test_programs_that_an_app_starts_on_nodes(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    """With ``srun`` and ``mpiexec``, also where the worker was started by one of them."""
    need("mpiexec")
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT", "1")
    monkeypatch.setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
    _, printed = ours(tmp_path / "ours", launcher, "none", NESTED)
    assert len(printed.splitlines()) == 5 and printed.endswith("done\n")
