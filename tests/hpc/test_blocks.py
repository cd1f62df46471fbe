"""Blocks on a real Slurm: what a job is, which workers it has, and what they know."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.jobs.states import JobState
from tests.helpers import WAIT, eventually, hold
from tests.hpc.blocks import environment, executor, here
from tests.hpc.slurm import Slurm

Load = Callable[..., Any]


def test_a_block_of_one_node(slurm: Slurm, run_slurm: Load, tmp_path: Path) -> None:
    one = executor(init_blocks=1, worker_init="export FROM_WORKER_INIT=yes")
    kernel = run_slurm(one)
    look = parsl.python_app(environment)
    names = ("PARSL_WORKER_BLOCK_ID", "PARSL_WORKER_COUNT", "PARSL_WORKER_RANK", "PARSL_CORES", "FROM_WORKER_INIT")
    seen = look(*names, "SLURM_JOB_ID").result(WAIT)
    [job] = slurm.jobs()
    assert seen["SLURM_JOB_ID"] == job.id and job.nodes == 1
    assert (seen["PARSL_WORKER_BLOCK_ID"], seen["PARSL_WORKER_COUNT"], seen["PARSL_CORES"]) == ("0", "2", "2")
    assert seen["PARSL_WORKER_RANK"] in ("0", "1") and seen["FROM_WORKER_INIT"] == "yes"
    assert {block: status.state for block, status in one.status().items()} == {"0": JobState.RUNNING}
    assert one.connected_blocks() == ["0"] and one.workers_per_node == 2
    scripts = os.listdir(os.path.join(kernel.run_dir, "submit_scripts"))
    assert any(name.startswith("parsl.slurm.block-0.") and name.endswith(".stderr") for name in scripts)
    text = slurm.script(job.id)
    assert "export FROM_WORKER_INIT=yes" in text and "#SBATCH --partition=debug" in text
    parsl.clear()
    assert not slurm.jobs()
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"runinfo"}, "nothing is left but the run directory"


def test_blocks_of_two_nodes(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(nodes_per_block=2, init_blocks=2, max_blocks=2)
    run_slurm(one)
    jobs = slurm.running(2)
    assert [job.nodes for job in jobs] == [2, 2]
    eventually(lambda: sum(m["worker_count"] for m in one.connected_managers()) == 8, "eight workers", WAIT)
    where = parsl.python_app(here)
    seen = {f.result(WAIT) for f in [where(0.3) for _ in range(32)]}
    nodes = {job.id: {node for j, node, _ in seen if j == job.id} for job in jobs}
    assert all(len(of_job) == 2 for of_job in nodes.values()), nodes
    assert len({pid for _, _, pid in seen}) == 8
    names = [worker["name"] for worker in one.lane.workers()]
    assert len(set(names)) == 8 and all(name.startswith(("slurm-block0-", "slurm-block1-")) for name in names)
    assert sorted(one.connected_blocks()) == ["0", "1"] and len(one.connected_managers()) == 4
    assert one.outstanding() == 0
    gone = one.scale_in(1)
    assert len(gone) == 1
    eventually(lambda: len(slurm.jobs()) == 1, "a block goes as a whole", WAIT)
    eventually(lambda: len(one.connected_managers()) == 2, "its two nodes have gone", WAIT)
    assert where().result(WAIT)[0] == slurm.jobs()[0].id


def test_accelerators_and_affinity_of_each_worker(slurm: Slurm, run_slurm: Load) -> None:
    htex = {"available_accelerators": 2, "cpu_affinity": "block"}
    run_slurm(executor(gpus_per_node=2, htex=htex))

    @parsl.python_app
    def look() -> tuple[str, str, tuple[int, ...]]:
        import os
        import time

        time.sleep(0.3)
        affinity = tuple(sorted(os.sched_getaffinity(0)))
        return os.environ["PARSL_WORKER_RANK"], os.environ["CUDA_VISIBLE_DEVICES"], affinity

    seen = {f.result(WAIT) for f in [look() for _ in range(16)]}
    assert {(rank, device) for rank, device, _ in seen} == {("0", "0"), ("1", "1")}
    if len(os.sched_getaffinity(0)) > 1:
        first, second = (set(cores) for _, _, cores in sorted(seen))
        assert not first & second
    [job] = slurm.jobs()
    assert "gpu:2" in slurm.facts(job.id)["TresPerNode"]


def test_the_arguments_reach_slurm(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(
        partition="short",
        account="other",
        qos="urgent",
        constraint="ci",
        gres="gpu:1",
        cores_per_node=3,
        mem_per_node=2,
        nodes_per_block=2,
        walltime="00:04:30",
        exclusive=True,
        scheduler_options="#SBATCH --comment=from-options\n#SBATCH --nice=7",
    )
    run_slurm(one)
    [job] = slurm.jobs()
    facts = slurm.facts(job.id)
    wanted = {
        "Partition": "short",
        "Account": "other",
        "Features": "ci",
        "NumNodes": "2",
        "CPUs/Task": "3",
        "MinMemoryNode": "2G",
        "TimeLimit": "00:04:00",
        "OverSubscribe": "NO",
        "Comment": "from-options",
        "Nice": "7",
    }
    shown = {name: facts.get(name) for name in wanted}
    shown["NumNodes"] = facts["NumNodes"].split("-")[0]
    assert shown == wanted
    assert "gpu:1" in facts["TresPerNode"] and "#SBATCH --qos=urgent" in slurm.script(job.id)


def test_loading_waits_for_no_job(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(partition="closed", init_blocks=2, max_blocks=3)
    began = time.monotonic()
    run_slurm(one)
    took = time.monotonic() - began
    eventually(lambda: len(slurm.jobs()) == 2, "both init blocks are asked for", WAIT)
    assert took < 30
    assert {status.state for status in one.status().values()} == {JobState.PENDING}
    assert one.connected_blocks() == []
    assert parsl.python_app(here)().done() is False


def test_no_blocks_at_the_start(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(init_blocks=0)
    run_slurm(one)
    assert one.status() == {} and not slurm.jobs()
    assert one.scale_out_facade(1) == ["0"]
    assert parsl.python_app(here)().result(WAIT)[0] == slurm.jobs()[0].id


def test_two_executors_at_once(slurm: Slurm, run_slurm: Load) -> None:
    run_slurm(executor("cpu"), executor("gpu", gpus_per_node=1, workers=1))
    on_cpu = parsl.python_app(here, executors=["cpu"])
    on_gpu = parsl.python_app(environment, executors=["gpu"])
    seen = on_gpu("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID")
    job = on_cpu().result(WAIT)[0]
    assert seen.result(WAIT)["CUDA_VISIBLE_DEVICES"] == "0"
    names = {j.id: j.name for j in slurm.jobs()}
    assert names[job].startswith("parsl.cpu.block-0")
    assert names[seen.result()["SLURM_JOB_ID"]].startswith("parsl.gpu.block-0")


def test_a_value_of_one_node_is_used_on_another(slurm: Slurm, run_slurm: Load) -> None:
    run_slurm(executor(nodes_per_block=2, workers=1))

    @parsl.python_app
    def make(size: int) -> bytes:
        return bytes(size)

    @parsl.python_app
    def total(*parts: bytes) -> int:
        return sum(len(part) for part in parts)

    assert total(*[make(1_000_000 + i) for i in range(6)]).result(WAIT) == 6_000_015


def test_encryption(slurm: Slurm, run_slurm: Load) -> None:
    """A client without certificates is refused; keys are for this user only; nothing listens off loopback."""
    from distributed import Client

    kernel = run_slurm(executor())
    one = kernel.executors["slurm"]
    assert parsl.python_app(here)().result(WAIT)
    address = one.lane.client.scheduler.address
    assert address.startswith("tls://")
    with pytest.raises(OSError):
        Client(address.replace("tls://", "tcp://"), timeout=3, set_as_default=False)
    secret = keys(kernel.run_dir)
    assert secret and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secret)
    # batch systems that this process has started are no Python
    ours = [process for process in psutil.Process().children(recursive=True) if "python" in process.name()]
    listening = {
        c.laddr.ip for process in ours for c in process.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN
    }
    assert listening and listening <= {"127.0.0.1", "::1"}
    parsl.clear()
    assert not keys(kernel.run_dir)


def keys(directory: str) -> list[Path]:
    """Files with private keys."""
    return [p for p in Path(directory).rglob("*") if p.is_file() and b"PRIVATE KEY" in p.read_bytes()]


def test_ports_of_a_range(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(htex={"worker_port_range": (23000, 23400), "encrypted": False})
    run_slurm(one)
    assert one.lane.client.scheduler.address.startswith("tcp://127.0.0.1:")
    assert 23000 <= int(one.lane.client.scheduler.address.rpartition(":")[2]) <= 23400
    assert parsl.python_app(here)().result(WAIT)


def test_the_scheduler_inside_the_first_block(slurm: Slurm, run_slurm: Load) -> None:
    one = executor(htex={"scheduler_in_job": True}, init_blocks=2, max_blocks=2, workers=1)
    run_slurm(one)
    where = parsl.python_app(here)
    assert {f.result(WAIT)[0] for f in [where(0.5) for _ in range(12)]} <= {job.id for job in slurm.jobs()}
    names = {" ".join(p.cmdline()) for p in psutil.Process().children(recursive=True)}
    assert not [name for name in names if "parsl_on_dask.clusters" in name], "no scheduler below the script"


def test_held_calls_and_the_gate(slurm: Slurm, run_slurm: Load, tmp_path: Path, gate: str) -> None:
    """Every slot of two blocks runs a call at the same time."""
    one = executor(init_blocks=2, max_blocks=2)
    run_slurm(one)
    calls = [parsl.python_app(hold)(str(tmp_path / f"started{i}"), gate, i) for i in range(4)]
    eventually(lambda: all((tmp_path / f"started{i}").exists() for i in range(4)), "all four run", WAIT)
    assert one.outstanding() == 4
    Path(gate).touch()
    assert [call.result(WAIT) for call in calls] == [0, 1, 2, 3]
