"""Scripts that run inside of a job of two nodes, and use both of them."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hpc.conftest import need
from tests.hpc.slurm import Slurm

SCRIPT = """
    import json
    import os
    import subprocess
    import time

    import parsl_on_dask as parsl
    from parsl_on_dask.config import Config
    from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor
    from parsl_on_dask.launchers import MpiExecLauncher, SrunLauncher
    from parsl_on_dask.providers import LocalProvider

    INIT = "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"


    @parsl.python_app
    def look():
        import os
        import time

        time.sleep(0.2)
        return dict(os.environ)


    @parsl.bash_app
    def nested(stdout="nested.txt", stderr="nested.txt"):
        return "srun -n 2 hostname && mpiexec --oversubscribe -n 2 hostname"


    def seen(workers):
        found = {}
        deadline = time.monotonic() + 100
        while len(found) < workers and time.monotonic() < deadline:
            for future in [look() for _ in range(3 * workers)]:
                environment = future.result()
                found[environment["PARSL_ON_DASK_WORKER"]] = environment
        return list(found.values())


    def steps():
        text = subprocess.run(
            ["squeue", "--steps", "--noheader", "--format=%i", "--jobs", os.environ["SLURM_JOB_ID"]],
            capture_output=True,
            text=True,
        ).stdout
        return [step for step in text.split() if not step.endswith(("batch", "extern"))]


    # the executor
    found = {}
    with parsl.load(Config([executor], strategy="none")):
        found["workers"] = seen(count)
        found["names"] = [worker["name"] for worker in executor.lane.workers()]
        found["address"] = executor.lane.client.scheduler.address
        nested().result()
        if count == 2 and executor.provider.max_blocks == 2:
            executor.scale_in_facade(1)
            deadline = time.monotonic() + 60
            while len(steps()) > 1 and time.monotonic() < deadline:
                time.sleep(0.2)
            found["after"] = [steps(), executor.connected_blocks()]
            executor.scale_out_facade(1)
            found["again"] = seen(2)
    deadline = time.monotonic() + 60
    while steps() and time.monotonic() < deadline:
        time.sleep(0.2)
    found["left"] = steps()
    with open("found.json", "w") as file:
        json.dump(found, file)
    """

LOCAL = "HighThroughputExecutor('inside', LocalProvider({}, worker_init=INIT), max_workers_per_node={}, {})"
EXECUTORS = {
    "srun": LOCAL.format("nodes_per_block=2, launcher=SrunLauncher(overrides='--cpus-per-task=2')", 2, ""),
    "mpiexec": LOCAL.format("nodes_per_block=2, launcher=MpiExecLauncher()", 1, ""),
    "two blocks": LOCAL.format("launcher=SrunLauncher(), init_blocks=2, max_blocks=2", 1, "encrypted=False"),
    "allocation": "DaskExecutor(hosts='allocation', worker_init=INIT)",
    "allocation, two blocks": "DaskExecutor(hosts='allocation', nodes_per_block=1, max_workers_per_node=1)",
}
WORKERS = {"srun": 4, "mpiexec": 2, "two blocks": 2, "allocation": 4, "allocation, two blocks": 2}


@pytest.fixture
def inside(slurm: Slurm, tmp_path: Path) -> Callable[[str, int], dict[str, Any]]:
    """A function that runs the script with an executor and so many workers in a job; returns what it found."""

    def run(executor: str, count: int) -> dict[str, Any]:
        chosen = f"executor = {executor}\ncount = {count}\n"
        text = textwrap.dedent(SCRIPT).replace("# the executor\n", chosen)
        init = "import os\nos.environ.update(OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1')\n"
        (tmp_path / "script.py").write_text(init + text)
        out = tmp_path / "out.txt"
        job = ["sbatch", "--wait", "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=2", f"--output={out}"]
        command = f"cd {tmp_path} && {sys.executable} script.py"
        done = subprocess.run([*job, "--wrap", command], capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stderr + (out.read_text() if out.exists() else "")
        found: dict[str, Any] = json.loads((tmp_path / "found.json").read_text())
        return found

    return run


@pytest.mark.parametrize("executor", EXECUTORS)
def test_both_nodes_of_the_job(executor: str, inside: Callable[[str, int], dict[str, Any]]) -> None:
    need("mpiexec")
    found = inside(EXECUTORS[executor], WORKERS[executor])
    workers = found["workers"]
    blocks = 2 if "two blocks" in executor else 1
    nodes = {worker["SLURMD_NODENAME"] for worker in workers}
    assert len(nodes) == 2
    assert len({worker["PARSL_WORKER_BLOCK_ID"] for worker in workers}) == blocks
    assert len({name.rsplit("-", 2)[1] for name in found["names"]}) == 2, "names tell the nodes apart"
    assert found["address"].startswith("tcp://" if executor == "two blocks" else "tls://")
    ends = {float(worker["PARSL_ON_DASK_JOB_END"]) for worker in workers}
    assert all(time.time() < end < time.time() + 660 for end in ends), "the job's ten minutes are known"
    for worker in workers:
        assert not [name for name in worker if name.startswith("PARSL_ON_DASK_WAS_")]
        assert not {"SLURM_OVERLAP", "SLURM_HOSTFILE", "PBS_NODEFILE", "PMIX_RANK"} & set(worker)
    assert found["left"] == []
    if blocks == 2:
        assert len(found["after"][0]) == 1 and found["after"][1] == ["0"]
        assert {worker["SLURMD_NODENAME"] for worker in found["again"]} == nodes
