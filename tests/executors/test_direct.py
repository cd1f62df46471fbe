"""A HighThroughputExecutor that a program drives itself, by the methods that Parsl's has for that."""

from __future__ import annotations

import os
import time
from importlib.metadata import version

import pytest

from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning
from parsl_on_dask.serialize import pack_apply_message
from parsl_on_dask.version import PARSL_VERSION
from tests.helpers import WAIT, eventually


class Noting(HighThroughputExecutor):
    """One whose author added something to what Parsl does when it starts."""

    scaled = 0

    def initialize_scaling(self):
        super().initialize_scaling()
        assert self.lane is not None
        self.scaled += 1


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    made = Noting(max_workers_per_node=2)
    made.run_dir = str(tmp_path_factory.mktemp("run"))
    with made:
        made.start()
        yield made


def test_initialize_scaling_is_called_at_the_start(executor):
    assert executor.scaled == 1


def test_a_packed_call(executor):
    future = executor.submit_payload({}, pack_apply_message(divmod, (7, 2), {}))
    assert future.result(WAIT) == (3, 1)
    assert future.parsl_executor_task_id == executor._task_counter, "which reports of endpoints show"
    assert HighThroughputExecutor()._task_counter == 0


def test_a_call_in_somebody_elses_packing(executor):
    context = {"task_executor": {"f": "json.loads", "k": {"parse_int": float}}, "resource_spec": {"priority": 1}}
    assert executor.submit_payload(context, b'{"a": 1}').result(WAIT) == {"a": 1.0}
    positional = {"task_executor": {"f": "operator.concat", "a": (b"two",)}}
    assert executor.submit_payload(positional, b"one").result(WAIT) == b"onetwo"


def test_a_packed_call_that_fails(executor):
    with pytest.raises(ZeroDivisionError):
        executor.submit_payload({}, pack_apply_message(divmod, (7, 0), {})).result(WAIT)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        executor.submit_payload({"task_executor": {"f": "no_such_module.run"}}, b"").result(WAIT)
    with pytest.raises(InvalidResourceSpecification):
        executor.submit_payload({"resource_spec": {"num_nodes": 2}}, b"")


def test_packages_of_the_workers(executor):
    [manager] = eventually(executor.connected_managers, "workers are there", WAIT)
    [(name, found)] = executor.connected_managers_packages().items()
    assert name == manager["manager"]
    assert found["distributed"] == version("distributed")
    assert found["parsl"] == PARSL_VERSION, "this package takes its place"
    assert HighThroughputExecutor().connected_managers_packages() == {}


def test_a_manager_is_there_with_all_its_workers(executor, monkeypatch):
    """Workers come one after the other; what asks as soon as there is a manager counts all of them."""
    eventually(lambda: len(executor.lane.workers()) == 2, "both workers are there", WAIT)
    [manager] = executor.connected_managers()
    assert manager["worker_count"] == 2
    first = executor.lane.workers()[:1]
    monkeypatch.setattr(executor.lane, "workers", lambda: first)
    [manager] = executor.connected_managers()
    assert manager["worker_count"] == 2, "one of the two is still starting"


def with_blocks(init_blocks, folder):
    from parsl_on_dask.providers import LocalProvider

    provider = LocalProvider(init_blocks=init_blocks, max_blocks=4)
    made = HighThroughputExecutor(max_workers_per_node=1, provider=provider, encrypted=False)
    made.run_dir = str(folder)
    return made


def live(executor):
    return {block for block, status in executor.status().items() if not status.terminal}


def test_the_first_blocks_that_are_asked_for_are_those_of_the_start(tmp_path):
    with with_blocks(2, tmp_path) as made:
        made.start()
        assert made.scale_out_facade(made.provider.init_blocks) == ["0", "1"]
        assert live(made) == {"0", "1"}, "as many as were asked for, and not twice as many"
        assert made.scale_out_facade(1) == ["2"], "each is returned once"
        assert live(made) == {"0", "1", "2"}
        assert made.submit(os.getpid, {}).result(WAIT) != os.getpid()

        made.shutdown()
        made.start()
        assert made.scale_out_facade(3) == ["0", "1", "2"], "of another start there are other first blocks"
        assert live(made) == {"0", "1", "2"}


def test_first_blocks_are_returned_one_by_one_and_not_those_that_ended(tmp_path):
    with with_blocks(3, tmp_path) as made:
        made.start()
        assert made.scale_out_facade(0) == []
        assert made.scale_out_facade(1) == ["0"]
        assert made.scale_in(1) == ["2"]
        assert made.scale_out_facade(1) == ["1"]
        assert made.scale_out_facade(1) == ["3"], "block 2 was given back"
        assert live(made) == {"0", "1", "3"}


class Scaling(HighThroughputExecutor):
    """One whose author asks for blocks at the start, as early releases of Parsl did."""

    def initialize_scaling(self):
        super().initialize_scaling()
        self.at_the_start = self.scale_out_facade(self.provider.init_blocks)


def test_blocks_that_initialize_scaling_asks_for(tmp_path):
    made = Scaling(max_workers_per_node=1, encrypted=False)
    made.run_dir = str(tmp_path)
    with made:
        made.start()
        assert made.at_the_start == ["0"] and live(made) == {"0"}


def test_in_a_kernel_the_first_blocks_are_the_kernels(tmp_path):
    import parsl_on_dask as parsl

    made = with_blocks(1, tmp_path)
    with parsl.load(parsl.Config(executors=[made], run_dir=str(tmp_path), strategy="none")):
        assert made.scale_out_facade(1) == ["1"]
        assert live(made) == {"0", "1"}


def test_workers_on_hold_get_no_more_calls(tmp_path):
    legacy.forget_warnings()
    from parsl_on_dask.providers import LocalProvider

    made = HighThroughputExecutor(max_workers_per_node=1, provider=LocalProvider(init_blocks=2, max_blocks=2))
    made.run_dir = str(tmp_path)

    def where(seconds=0.0):
        time.sleep(seconds)
        return os.environ["PARSL_WORKER_BLOCK_ID"]

    with made:
        made.start()
        eventually(lambda: len(made.connected_blocks()) == 2, "both blocks have workers", WAIT)
        running = [made.submit(where, {}, 1.5) for _ in range(2)]
        eventually(lambda: sum(m["tasks"] for m in made.connected_managers()) == 2, "both are busy", WAIT)
        with pytest.raises(ValueError, match=r"no such manager. Connected managers: block-0@"):
            made.hold_worker("block-7@nowhere")
        [name] = [m["manager"] for m in made.connected_managers() if m["block_id"] == "0"]
        legacy.forget_warnings()
        with pytest.warns(ParslDeprecationWarning, match="scale_in"):
            made.hold_worker(name)
        assert {m["block_id"]: m["draining"] for m in made.connected_managers()} == {"0": True, "1": False}
        later = [made.submit(where, {}, 0.05) for _ in range(20)]
        assert {f.result(WAIT) for f in running} == {"0", "1"}
        assert {f.result(WAIT) for f in later} == {"1"}
        assert made.submit(where, {}).result(WAIT) == "1"
