"""The processes of a local cluster: replaced when they die, gone when their script is gone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import LocalProvider
from tests.helpers import eventually
from tests.kernels import own_children

pytestmark = pytest.mark.usefixtures("fresh_supervisors")


def processes(**options: object) -> HighThroughputExecutor:
    return HighThroughputExecutor(label="here", max_workers_per_node=2, **options)  # type: ignore[arg-type]


SCRIPT = """
import time
import parsl_on_dask as parsl
from parsl_on_dask.executors import HighThroughputExecutor

@parsl.bash_app
def sleeper():
    return "sleep 300"

@parsl.python_app
def pid():
    import os
    return os.getpid()

parsl.load(parsl.Config(executors=[HighThroughputExecutor(max_workers_per_node=2)]))
print(pid().result(), flush=True)
sleeper()
time.sleep(300)
"""


def test_kill_9_of_the_script_ends_everything(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        worker = psutil.Process(int(script.stdout.readline()))

        def running_family() -> list[psutil.Process]:
            found = psutil.Process(script.pid).children(recursive=True)
            return found if any("sleep" in p.name() for p in found) else []

        family = eventually(running_family, "the bash app runs")
        assert worker in family
        found = re.search(r"(/\S+)/\w+\.sock", " ".join(worker.parent().cmdline()))
        assert found is not None
        scratch = Path(found[1])
        assert scratch.is_dir()
        os.kill(script.pid, signal.SIGKILL)
        eventually(lambda: not any(running(p) for p in family), "every process has ended")
        eventually(lambda: not scratch.exists(), "its temporary files are gone")


def running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def own_pid() -> int:
    import os

    return os.getpid()


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    executor = processes()
    with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path))) as kernel:
        victim = kernel.submit(own_pid).result(30)
        os.kill(victim, signal.SIGKILL)
        eventually(
            lambda: len({w["pid"] for w in executor.lane.workers()} - {victim}) == 2, "two other workers are there"
        )
        assert victim not in {kernel.submit(own_pid).result(30) for _ in range(10)}


@pytest.mark.parametrize("first_blocks", [0, 1])
def test_workers_that_came_later_end_before_their_scheduler(
    first_blocks: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    executor = processes(provider=LocalProvider(init_blocks=first_blocks, max_blocks=2))
    with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path), strategy="none")) as kernel:
        executor.scale_in_facade(first_blocks)
        executor.scale_out_facade(1)
        kernel.submit(own_pid).result(30)
    assert "died" not in caplog.text


def test_a_dead_scheduler_fails_the_calls(tmp_path: Path) -> None:
    executor = processes()
    with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path))) as kernel:
        kernel.submit(own_pid).result(30)
        future = kernel.submit(time.sleep, 60)
        time.sleep(0.5)
        node = psutil.Process(executor.lane.cluster.keeper.process.pid)
        min(node.children(), key=lambda p: p.pid).kill()
        with pytest.raises(ExecutorError, match="scheduler"):
            future.result(60)


def test_a_failing_worker_init_is_an_error_at_load(tmp_path: Path) -> None:
    provider = LocalProvider(worker_init="echo module not found >&2; exit 3")
    before = own_children()
    with pytest.raises(ExecutorError, match=r"(?s)exit code 3.*module not found"):
        parsl.load(parsl.Config(executors=[processes(provider=provider)], run_dir=str(tmp_path)))
    assert own_children() <= before
    parsl.clear()


def test_encrypted_is_tls_and_nothing_listens_elsewhere(tmp_path: Path) -> None:
    for encrypted, scheme in ((True, "tls://127.0.0.1"), (False, "tcp://127.0.0.1")):
        executor = processes(encrypted=encrypted)
        with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path))) as kernel:
            kernel.submit(own_pid).result(30)
            assert executor.lane.client.scheduler.address.startswith(scheme)
            node = psutil.Process(executor.lane.cluster.keeper.process.pid)
            for process in (node, *node.children(recursive=True)):
                for connection in process.net_connections("inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        assert connection.laddr.ip == "127.0.0.1", connection
