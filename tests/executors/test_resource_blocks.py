"""Executors whose calls say what they need: their blocks, and what they leave behind."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.executors import TaskVineExecutor, WorkQueueExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.taskvine import TaskVineFactoryConfig
from parsl_on_dask.providers import LocalProvider
from tests.helpers import eventually
from tests.kernels import own_children


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
    before = own_children()
    with parsl.load(parsl.Config(executors=[WorkQueueExecutor()], run_dir=str(tmp_path))):
        assert parsl.python_app(divmod)(7, 2).result() == (3, 1)
    left = own_children() - before
    _, alive = psutil.wait_procs(left, timeout=20)
    assert not alive


def devices(started, gate, parsl_resource_specification=None):
    import os
    import time
    from pathlib import Path

    Path(started).touch()
    while not Path(gate).exists():
        time.sleep(0.01)
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def test_each_call_sees_the_gpus_that_it_got_and_no_others(tmp_path):
    # two of the machine's four, as a batch system says it; which has none in truth
    provider = LocalProvider(init_blocks=1, max_blocks=1, worker_init="export CUDA_VISIBLE_DEVICES=2,3 PARSL_CORES=4")
    executor = WorkQueueExecutor(provider=provider)
    with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path))):
        app = parsl.python_app(devices)
        gate = tmp_path / "gate"

        def call(number, gpus):
            spec = {"cores": 1, "memory": 1, "disk": 1, "gpus": gpus}
            return app(str(tmp_path / f"began{number}"), str(gate), parsl_resource_specification=spec)

        one, two = call(1, 1), call(2, 1)
        eventually((tmp_path / "began1").exists, "the first call runs", 60)
        eventually((tmp_path / "began2").exists, "the second call runs", 60)
        gate.touch()
        assert {one.result(), two.result()} == {"2", "3"}
        assert call(3, 2).result() == "2,3"
        # what a call does not ask for is not hidden from it, and nothing stays behind in the process
        assert call(4, 0).result() == "2,3"
        with pytest.raises(InvalidResourceSpecification, match=r"gpus=3 \(a node has 2\)"):
            call(5, 3).result()


def test_gpus_that_a_factory_promises_are_counted_from_0(tmp_path):
    factory = TaskVineFactoryConfig(cores=1, gpus=2)
    with parsl.load(parsl.Config(executors=[TaskVineExecutor(factory_config=factory)], run_dir=str(tmp_path))):
        spec = {"cores": 1, "memory": 1, "disk": 1, "gpus": 1}
        app = parsl.python_app(devices)
        assert app(str(tmp_path / "a"), str(tmp_path), parsl_resource_specification=spec).result() == "0"
