"""A real Grid Engine: the one whose environment is set, or one started for this module."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, MPIExecutor
from parsl_on_dask.jobs.error_handlers import TooManyJobFailuresError
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.launchers import SimpleLauncher
from parsl_on_dask.providers import GridEngineProvider
from tests.front_door.runs import Folder
from tests.helpers import WAIT, alive, eventually
from tests.hpc.blocks import environment
from tests.hpc.conftest import lacking, need, system_path
from tests.hpc.systems import loading, started, words


def jobs() -> list[str]:
    """Ids of the jobs in the queue."""
    return [line.split()[0] for line in words("qstat", "-u", "*").splitlines() if line.split()[0].isdigit()]


@pytest.fixture(scope="module")
def grid_engine(nothing_left_behind: None) -> Iterator[None]:
    if os.environ.get("SGE_ROOT"):
        words("qstat")
        yield
        return
    if not shutil.which("sge_qmaster", path=system_path()) or not shutil.which("qsub"):
        lacking("no Grid Engine here; install it, as root: bash ci/sge/install", "PARSL_ON_DASK_REQUIRE_SGE")
    with started("sge", "PARSL_ON_DASK_REQUIRE_SGE"):
        yield


@pytest.fixture
def run(grid_engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A function that loads an executor with this provider."""
    monkeypatch.chdir(tmp_path)
    with loading(tmp_path, jobs) as load:

        def load_one(one: Any = None, *, strategy: str = "none", **options: Any) -> Any:
            options = {"walltime": "00:10:00", "cmd_timeout": 60, **options}
            return load(
                one
                or HighThroughputExecutor(
                    label="sge", address="127.0.0.1", max_workers_per_node=2, provider=GridEngineProvider(**options)
                ),
                strategy,
            )

        yield load_one


def test_blocks(run: Callable[..., Any]) -> None:
    one = run(init_blocks=2, max_blocks=2, scheduler_options="#$ -pe smp 2")
    seen = parsl.python_app(environment)("JOB_ID", "NSLOTS", "PARSL_WORKER_BLOCK_ID").result(WAIT)
    assert seen["JOB_ID"] in jobs() and seen["NSLOTS"] == "2" and seen["PARSL_WORKER_BLOCK_ID"] in ("0", "1")
    eventually(lambda: sorted(one.connected_blocks()) == ["0", "1"], "both blocks have workers", WAIT)
    assert one.blocks_to_job_id == {"0": f"{seen['JOB_ID']}.1", "1": f"{seen['JOB_ID']}.2"}, "one array of two"
    assert len(one.scale_in(1)) == 1
    eventually(lambda: len(jobs()) == 1, "one job is left", WAIT)


def test_a_job_that_is_deleted_is_replaced(run: Callable[..., Any]) -> None:
    run(strategy="simple")
    where = parsl.python_app(environment)
    first = where("JOB_ID").result(WAIT)["JOB_ID"]
    words("qdel", first)
    eventually(lambda: first not in jobs(), "it has gone")
    assert where("JOB_ID").result(WAIT)["JOB_ID"] != first


def test_a_held_job(run: Callable[..., Any]) -> None:
    one = run(scheduler_options="#$ -h")
    future = parsl.python_app(environment)("JOB_ID")
    eventually(lambda: [s.state for s in one.status().values()] == [JobState.HELD], "it is seen to be held", WAIT)
    words("qrls", jobs()[0])
    assert future.result(WAIT)


def test_a_refused_submission(run: Callable[..., Any]) -> None:
    run(queue="nowhere")
    with pytest.raises((ExecutorError, TooManyJobFailuresError), match="nowhere"):
        parsl.python_app(environment)("JOB_ID").result(WAIT)


def test_a_job_that_dies_at_once(run: Callable[..., Any]) -> None:
    run(worker_init="echo no licence >&2; exit 9")
    with pytest.raises((ExecutorError, TooManyJobFailuresError), match="no licence"):
        parsl.python_app(environment)("JOB_ID").result(WAIT)


def test_one_line(run: Callable[..., Any]) -> None:
    run(DaskExecutor(jobqueue="sge", queue="ci.q", interface="lo", walltime="00:10:00", max_workers_per_node=1))
    assert parsl.python_app(environment)("JOB_ID").result(WAIT)["JOB_ID"] in jobs()


def test_mpi_programs(run: Callable[..., Any], tmp_path: Path) -> None:
    """Its jobs are on one host here, so that is all that the list of nodes holds."""
    need("mpiexec")
    provider = GridEngineProvider(
        walltime="00:10:00",
        scheduler_options="#$ -pe smp 2",
        worker_init="export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
        launcher=SimpleLauncher(),
    )
    run(MPIExecutor(address="127.0.0.1", provider=provider))

    @parsl.bash_app
    def program(stdout: str, stderr: str, parsl_resource_specification: Any = None) -> str:
        return "$PARSL_MPI_PREFIX hostname; echo $PARSL_MPI_NODELIST $(cut -d' ' -f1 $PE_HOSTFILE)"

    out, wanted = tmp_path / "out", {"num_nodes": 1, "ranks_per_node": 2}
    assert program(f"{out}", f"{out}.err", parsl_resource_specification=wanted).result(WAIT) == 0
    host = socket.gethostname()
    *ranks, listed, told = out.read_text().split()
    assert ranks == [host, host] and listed == told


def test_a_script_in_a_job_ends_with_the_job(grid_engine: None, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "dask").mkdir()
    (tmp_path / "dask" / "jobqueue.yaml").write_text(
        "jobqueue: {sge: {cores: 1, memory: 500MB, walltime: '00:01:00', resource-spec: ''}}"
    )
    folder.environment["DASK_CONFIG"] = str(tmp_path / "dask")
    folder.held("print('here'); go_on()")
    name = folder.call("run", "--in-job=sge", "script.py").split()[0]
    folder.says(name, "here")
    pid = folder.pid(name)
    assert "is cancelled" in folder.call("stop", "--now", name)
    eventually(lambda: not alive(pid) and not jobs(), "script and job are gone")
