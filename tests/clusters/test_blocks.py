"""Blocks of nodes that a provider gives: they come, run calls, and leave nothing behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.providers import LocalProvider
from tests.clusters.jobs import ShellProvider
from tests.helpers import eventually
from tests.kernels import own_children

Start = Callable[..., tuple[Any, HighThroughputExecutor, ShellProvider]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that loads a kernel over one executor with a ShellProvider."""
    providers: list[ShellProvider] = []

    def begin(
        strategy: str = "none", config: dict[str, Any] | None = None, provider: Any = None, **options: Any
    ) -> tuple[Any, HighThroughputExecutor, ShellProvider]:
        jobs = provider if isinstance(provider, ShellProvider) else ShellProvider(**(provider or {}))
        providers.append(jobs)
        options = {"label": "hpc", "max_workers_per_node": 2, "address": "127.0.0.1", **options}
        executor = HighThroughputExecutor(provider=jobs, **options)
        settings = {"strategy_period": 0.3, "max_idletime": 1.0, "run_dir": str(tmp_path / "runinfo"), **(config or {})}
        kernel = parsl.load(parsl.Config(executors=[executor], strategy=strategy, **settings))
        return kernel, executor, jobs

    before = own_children()
    yield begin
    parsl.clear()
    assert [p.left() for p in providers] == [[]] * len(providers)
    eventually(lambda: own_children() <= before, "every process has ended")


def where() -> tuple[str, str, str, str, str]:
    import os
    import time

    time.sleep(0.02)
    names = ("PARSL_WORKER_BLOCK_ID", "PARSL_WORKER_POOL_ID", "PARSL_WORKER_RANK", "PARSL_WORKER_COUNT")
    return (*(os.environ[n] for n in names), str(os.getpid()))  # type: ignore[return-value]


def seen(kernel: Any, count: int = 60) -> set[tuple[str, ...]]:
    return {f.result(60) for f in [kernel.submit(where) for _ in range(count)]}


def test_start_files_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    """Executors that are started without a kernel use the same directory each time."""
    executor = HighThroughputExecutor(
        label="bare", max_workers_per_node=1, address="127.0.0.1", provider=ShellProvider()
    )
    executor.run_dir = str(tmp_path)
    left = tmp_path / "bare" / "start.sh"
    left.parent.mkdir()
    left.write_text("exit 3\n")
    executor.start()
    try:
        assert executor.submit(sum, {}, [1, 2]).result(60) == 3
    finally:
        executor.shutdown()


@pytest.mark.parametrize(("nodes", "encrypted"), [(1, True), (2, False)], ids=["tls", "plain"])
def test_every_node_of_a_block_works(start: Start, nodes: int, encrypted: bool) -> None:
    others = own_children()
    kernel, executor, _ = start(provider={"nodes_per_block": nodes}, encrypted=encrypted)
    eventually(lambda: len(executor.lane.workers()) == 2 * nodes, "all workers are there", 60)
    nothing_listens_off_loopback(own_children() - others)
    assert os.getpid() != executor.lane.workers()[0]["pid"]
    found = eventually(lambda: len(places := seen(kernel)) == 2 * nodes and places, "calls on all of them", 60)
    assert {block for block, *_ in found} == {"0"}
    assert len({node for _, node, *_ in found}) == nodes
    assert {(rank, count) for _, _, rank, count, _ in found} == {("0", "2"), ("1", "2")}
    assert executor.connected_blocks() == ["0"]
    assert [m["worker_count"] for m in executor.connected_managers()] == [2] * nodes
    assert {b: s.state for b, s in executor.status().items()} == {"0": JobState.RUNNING}
    assert executor.lane.client.scheduler.address.startswith("tls://" if encrypted else "tcp://")
    for name in [w["name"] for w in executor.lane.workers()]:
        label, block, node, slot = name.split("-")
        assert (label, block) == ("hpc", "block0") and node in {n for _, n, *_ in found} and slot in "01"
    secret = Path(executor.run_dir, "hpc", "nodes", "block-0.json")
    assert secret.stat().st_mode & 0o777 == 0o600
    kernel.cleanup()
    assert {b: s.state for b, s in executor.status().items()} == {"0": JobState.SCALED_IN}
    assert not secret.exists()
    left = [str(p.relative_to(executor.run_dir)) for p in Path(executor.run_dir).rglob("*") if p.is_file()]
    assert [
        p for p in left if p.endswith((".journal", ".ran")) or "PRIVATE KEY" in Path(executor.run_dir, p).read_text()
    ] == []


def nothing_listens_off_loopback(processes: set[psutil.Process]) -> None:
    assert len(processes) >= 5
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    assert connection.laddr.ip == "127.0.0.1", (process, connection)


def test_blocks_are_asked_for_at_load_and_not_waited_for(start: Start) -> None:
    kernel, executor, jobs = start(provider={"init_blocks": 3, "hold": True})
    eventually(lambda: len(jobs.resources) == 3, "three jobs were submitted")
    assert {b: s.state for b, s in executor.status().items()} == dict.fromkeys("012", JobState.PENDING)
    waiting = kernel.submit(where)
    jobs.run("1001")
    assert waiting.result(60)[0] in "012"
    assert executor.connected_blocks() == [waiting.result()[0]]
    kernel.cleanup()
    assert jobs.left() == []


def test_scaling_out_and_in_by_hand(start: Start) -> None:
    kernel, executor, jobs = start(provider={"init_blocks": 0})
    assert (executor.status(), jobs.resources) == ({}, {})
    assert executor.scale_out_facade(2) == ["0", "1"]
    eventually(lambda: len(executor.lane.workers()) == 4, "two blocks of two workers", 60)
    assert {s.state for s in executor.status().values()} == {JobState.RUNNING}
    jobs.hold = True
    assert executor.scale_out_facade(1) == ["2"]
    eventually(lambda: len(jobs.resources) == 3, "the third job waits in the queue")
    assert executor.scale_in(1) == ["2"], "what does not run yet goes first"
    assert executor.scale_in(1) == ["1"], "then the newest"
    states = {b: s.state for b, s in executor.status().items()}
    assert states == {"0": JobState.RUNNING, "1": JobState.SCALED_IN, "2": JobState.SCALED_IN}
    eventually(lambda: len(executor.lane.workers()) == 2, "its workers are gone")
    eventually(lambda: len(jobs.left()) == 1, "one job is left")
    assert {block for block, *_ in seen(kernel)} == {"0"}


def test_only_blocks_that_have_been_idle_for_long_are_given_back(start: Start, gate: str, tmp_path: Path) -> None:
    kernel, executor, _ = start(provider={"init_blocks": 2}, max_workers_per_node=1)
    eventually(lambda: len(executor.lane.workers()) == 2, "two blocks of one worker", 60)
    busy = kernel.submit(hold_and_tell, str(tmp_path / "started"), gate)
    eventually((tmp_path / "started").exists, "it runs")
    eventually(lambda: any(m["tasks"] for m in executor.connected_managers()), "and that is known")
    assert executor.scale_in(2, max_idletime=3600) == []
    (idle,) = eventually(lambda: executor.scale_in(2, max_idletime=1.0), "one was idle for a second")
    managers = {m["block_id"]: (m["tasks"], m["draining"]) for m in executor.connected_managers()}
    Path(gate).touch()
    assert busy.result(60) != idle
    assert managers[busy.result()] == (1, False)


def test_a_script_that_ends_during_a_submission(start: Start) -> None:
    kernel, _, jobs = start(provider={"init_blocks": 2, "submit_delay": 1.0})
    kernel.cleanup()
    assert jobs.left() == []
    assert len(jobs.resources) == 1, "the second one was not submitted any more"


def big() -> Any:
    return bytes(1_000_000)


def test_values_survive_the_end_of_their_block(start: Start) -> None:
    kernel, executor, _ = start(provider={"init_blocks": 2}, max_workers_per_node=1, inline_limit=1000)
    eventually(lambda: len(executor.lane.workers()) == 2, "two blocks of one worker", 60)
    kept = [kernel.submit(big) for _ in range(20)]
    for future in kept:
        assert future.exception(60) is None
    assert executor.scale_in(1) == ["1"]
    eventually(lambda: len(executor.lane.workers()) == 1, "one worker is gone")
    assert all(len(f.result(60)) == 1_000_000 for f in kept)


def test_a_busy_block_stays_when_another_one_is_idle(start: Start, gate: str, tmp_path: Path) -> None:
    kernel, executor, _ = start(provider={"init_blocks": 2}, max_workers_per_node=1)
    eventually(lambda: len(executor.lane.workers()) == 2, "two blocks of one worker", 60)
    busy = kernel.submit(hold_and_tell, str(tmp_path / "started"), gate)
    eventually((tmp_path / "started").exists, "it runs")
    eventually(lambda: any(m["tasks"] for m in executor.connected_managers()), "and that is known")
    (idle,) = executor.scale_in(1)
    Path(gate).touch()
    assert busy.result(60) != idle


def hold_and_tell(started: str, gate: str) -> str:
    import os
    import time

    open(started, "w").close()
    while not os.path.exists(gate):
        time.sleep(0.01)
    return os.environ["PARSL_WORKER_BLOCK_ID"]


def test_a_lost_block_is_replaced(start: Start) -> None:
    kernel, executor, jobs = start("simple", provider={"max_blocks": 1}, config={"retries": 2})
    assert seen(kernel)
    jobs.time_out("1000")
    eventually(lambda: executor.status()["0"].terminal, "the loss is seen")
    assert {block for block, *_ in seen(kernel)} == {"1"}
    assert {b: s.state for b, s in executor.status().items()} == {"0": JobState.TIMEOUT, "1": JobState.RUNNING}


def die(marker: str) -> str:
    import os
    import signal
    import time

    if not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return os.environ["PARSL_WORKER_RANK"]


def test_a_killed_worker_is_replaced_and_costs_its_call_only(start: Start, tmp_path: Path) -> None:
    kernel, executor, _ = start(max_workers_per_node=1)
    runs = tmp_path / "runs"
    quick = [kernel.submit(note, str(runs), i) for i in range(50)]
    killer = kernel.submit(die, str(tmp_path / "died"))
    quick += [kernel.submit(note, str(runs), i) for i in range(50, 100)]
    with pytest.raises(WorkerLost, match="hpc-block0-"):
        killer.result(60)
    assert [f.result(60) for f in quick] == list(range(100))
    assert sorted(map(int, runs.read_text().split())) == list(range(100)), "none ran twice"
    eventually(lambda: [w["name"][-2:] for w in executor.lane.workers()] == [".1"], "there is a new worker")


def test_a_worker_that_a_call_ends_without_an_error_is_replaced(start: Start) -> None:
    kernel, executor, _ = start(max_workers_per_node=1)
    with pytest.raises(WorkerLost):
        kernel.submit(leave).result(60)
    assert kernel.submit(where).result(60)[0] == "0"
    assert [w["name"][-2:] for w in executor.lane.workers()] == [".1"]


def leave() -> None:
    import os

    os._exit(0)


def note(path: str, number: int) -> int:
    import os

    fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(fd, f"{number}\n".encode())
    os.close(fd)
    return number


def test_the_scheduler_in_the_first_block(start: Start) -> None:
    kernel, executor, jobs = start(provider={"init_blocks": 2, "nodes_per_block": 2}, scheduler_in_job=True)
    assert executor.lane.cluster.scheduler.supervisor is None
    eventually(lambda: len(executor.lane.workers()) == 8, "the workers of both blocks", 60)
    assert seen(kernel)
    scheduler = executor.lane.client.run_on_scheduler(os.getpid)
    assert os.getsid(scheduler) == jobs.resources["1000"]["process"].pid
    executor.lane.client.close()
    kernel.cleanup()
    assert jobs.left() == []


def test_a_scheduler_in_a_job_that_fails(start: Start) -> None:
    with pytest.raises(parsl.errors.ExecutorError, match=r"(?s)exit code 3.*module not found"):
        start(provider={"worker_init": "echo module not found >&2; exit 3"}, scheduler_in_job=True)


def test_a_scheduler_in_a_job_ends_without_its_client(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from parsl_on_dask.clusters import block_scheduler

    monkeypatch.setattr(block_scheduler, "LONELY", 2.0)
    kernel, executor, jobs = start(scheduler_in_job=True)
    assert seen(kernel)
    executor.lane.client.close()
    eventually(lambda: jobs.left() == [], "the job ends", 60)


def environment() -> dict[str, str]:
    import os

    return dict(os.environ)


@pytest.mark.parametrize(
    ("jobs", "options", "ends"),
    [
        ({"walltime": "01:00:00"}, {"drain_period": 600}, {"JOB_END": 3600, "DRAIN": 600}),
        ({}, {}, {}),
        (
            {"walltime": "01:00:00", "worker_init": "export SLURM_JOB_END_TIME=$(($(date +%s) + 1000))"},
            {},
            {"JOB_END": 1000},
        ),
    ],
    ids=["walltime", "nothing", "slurm"],
)
def test_workers_know_when_their_job_ends(start: Start, jobs: Any, options: Any, ends: dict[str, int]) -> None:
    began = time.time()
    kernel, _, _ = start(provider=jobs, **options)
    found = kernel.submit(environment).result(60)
    known = {name for name in ("JOB_END", "DRAIN") if f"PARSL_ON_DASK_{name}" in found}
    assert known == set(ends)
    for name, seconds in ends.items():
        assert began + seconds - 2 < float(found[f"PARSL_ON_DASK_{name}"]) < time.time() + seconds + 1


def test_workers_for_a_node_are_counted_on_the_node(start: Start) -> None:
    kernel, executor, _ = start(
        provider={"worker_init": "export PARSL_CORES=7 PARSL_MEMORY_GB=10"},
        max_workers_per_node=None,
        cores_per_worker=2,
        mem_per_worker=1,
    )
    assert executor.lane.slots_per_block() == 1, "nobody has told it more"
    assert kernel.submit(environment).result(60)["PARSL_WORKER_COUNT"] == "3"
    eventually(lambda: len(executor.lane.workers()) == 3, "three workers", 60)
    assert executor.lane.slots_per_block() == 3


def test_accelerators_and_affinity(start: Start) -> None:
    kernel, executor, _ = start(available_accelerators=["4", "7"], cpu_affinity="list:0:0", max_workers_per_node=None)
    eventually(lambda: len(executor.lane.workers()) == 2, "a worker for each", 60)
    found = [f.result(60) for f in [kernel.submit(placed) for _ in range(60)]]
    assert {f["CUDA_VISIBLE_DEVICES"] for f in found} == {"4", "7"}
    assert {(f["CUDA_VISIBLE_DEVICES"], f["PARSL_WORKER_RANK"]) for f in found} == {("4", "0"), ("7", "1")}
    assert {(f["cpus"], f["OMP_NUM_THREADS"]) for f in found} == {("[0]", "1")}


def placed() -> dict[str, str]:
    import os
    import time

    time.sleep(0.02)
    return {**os.environ, "cpus": str(sorted(os.sched_getaffinity(0)))}


def test_the_port_for_workers(start: Start) -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kernel, executor, _ = start(worker_port=port)
    assert executor.lane.client.scheduler.address == f"tls://127.0.0.1:{port}"
    assert seen(kernel)


def test_without_an_address_nodes_try_all_there_are(start: Start) -> None:
    kernel, executor, _ = start(address=None)
    host, port = executor.lane.client.scheduler.address.removeprefix("tls://").split(":")
    assert (host, 54000 <= int(port) <= 55000) == ("127.0.0.1", True)
    assert len(executor.lane.cluster.scheduler.addresses) >= 1
    assert seen(kernel)


def test_an_address_that_is_none(tmp_path: Path) -> None:
    executor = HighThroughputExecutor(provider=ShellProvider(), address="no.such.host.example")
    with pytest.raises(parsl.errors.ExecutorError, match=r"address='no.such.host.example' cannot be found"):
        parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path)))
    parsl.clear()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"provider": LocalProvider()}, "LocalProvider"),
        ({"provider": ShellProvider(init_blocks=0)}, "init_blocks"),
        ({"provider": ShellProvider(), "address": "10.0.0.1"}, "address"),
    ],
    ids=["local", "no first block", "address"],
)
def test_what_a_scheduler_in_a_job_does_not_go_with(options: Any, word: str) -> None:
    with pytest.raises(parsl.errors.ConfigurationError, match=word):
        HighThroughputExecutor(scheduler_in_job=True, **options)
