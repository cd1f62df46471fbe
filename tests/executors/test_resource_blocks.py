"""Executors whose calls say what they need: their blocks, and what they leave behind."""

from __future__ import annotations

import os
import signal
import time

import psutil

import parsl_on_dask as parsl
from parsl_on_dask.executors import TaskVineExecutor, WorkQueueExecutor
from parsl_on_dask.executors.taskvine import TaskVineFactoryConfig
from parsl_on_dask.providers import LocalProvider


def test_two_blocks_share_the_calls(tmp_path):
    factory = TaskVineFactoryConfig(min_workers=2, max_workers=2, cores=1)
    with parsl.load(
        parsl.Config(executors=[TaskVineExecutor(factory_config=factory)], retries=3, run_dir=str(tmp_path))
    ) as dfk:
        [executor] = [e for label, e in dfk.executors.items() if not label.startswith("_")]
        deadline = time.monotonic() + 60
        while len(executor.connected_managers()) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)

        def block():
            import os
            import time

            time.sleep(0.3)
            return os.environ["PARSL_WORKER_BLOCK_ID"]

        app = parsl.python_app(block)
        [future.result() for future in [app() for _ in range(2)]]
        assert {future.result() for future in [app() for _ in range(6)]} == {"0", "1"}
        # a block that goes takes nothing with it for good
        for worker in executor.lane.workers():
            if worker["block"] == "0" and worker["pid"]:
                os.kill(worker["pid"], signal.SIGKILL)
        assert len([future.result() for future in [app() for _ in range(4)]]) == 4


def test_the_users_provider_stays_as_it_is(tmp_path):
    provider = LocalProvider(worker_init="true")
    executor = WorkQueueExecutor(provider=provider, env={"A": "1"})
    with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path))):
        assert parsl.python_app(divmod)(7, 2).result() == (3, 1)
    assert executor.provider is provider
    assert provider.worker_init == "true"


def test_nothing_is_left_behind(tmp_path):
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    with parsl.load(parsl.Config(executors=[WorkQueueExecutor()], run_dir=str(tmp_path))):
        assert parsl.python_app(divmod)(7, 2).result() == (3, 1)
    left = {p.pid for p in psutil.Process().children(recursive=True)} - before
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in left if psutil.pid_exists(pid)], timeout=20)
    assert not alive
