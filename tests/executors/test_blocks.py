"""Executors of one's own that get blocks from a provider, and what is done about failed blocks."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial

import pytest

from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.executors.errors import BadStateException, ScalingFailed
from parsl_on_dask.executors.status_handling import BlockProviderExecutor
from parsl_on_dask.jobs.error_handlers import (
    TooManyJobFailuresError,
    default_error_handler,
    noop_error_handler,
    simple_error_handler,
    windowed_error_handler,
)
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.providers import LocalProvider


def numbered(*names):
    return {str(n): JobStatus(JobState[name]) for n, name in enumerate(names, 1)}


@pytest.mark.parametrize(
    ("init_blocks", "blocks", "given_up"),
    [
        (3, ["FAILED"] * 2, False),
        (3, ["COMPLETED", "FAILED", "FAILED", "FAILED"], False),
        (3, ["FAILED", "MISSING", "FAILED"], True),
        (0, ["FAILED"], True),
        (0, [], False),
    ],
)
def test_simple_handler(init_blocks, blocks, given_up):
    executor = HighThroughputExecutor(
        provider=LocalProvider(init_blocks=init_blocks), block_error_handler=simple_error_handler
    )
    executor.handle_errors(numbered(*blocks))
    assert executor.bad_state_is_set is given_up


def ended(name, trial=None, served=None, refused=False):
    status = JobStatus(JobState[name], "a message")
    status.trial, status.served, status.refused = trial, served, refused
    return status


@pytest.mark.parametrize(
    ("blocks", "given_up"),
    [
        ([], False),
        ([("MISSING",)] * 2, False),
        ([("MISSING",)] * 3, True),
        ([("COMPLETED",), ("FAILED",), ("MISSING",), ("FAILED",)], True),
        ([("FAILED",), ("FAILED",), ("TIMEOUT",), ("FAILED",)], False),
        ([("MISSING",)] * 9 + [("RUNNING",)], False),
        ([("MISSING",)] * 9 + [("PENDING",)], False),
        # ten that died together are one round
        ([("MISSING", 0)] * 10, False),
        ([("MISSING", 0)] * 10 + [("MISSING", 1), ("FAILED", 1, 20.0)], False),
        ([("MISSING", 0)] * 10 + [("MISSING", 1), ("FAILED", 2, 20.0)], True),
        # what served for long did not fail soon
        ([("FAILED", n, 4000.0) for n in range(5)], False),
        ([("FAILED", 0, 4000.0), ("MISSING", 0), ("MISSING", 1)], False),
        # and what is refused for good will be refused again
        ([("FAILED", 0, None, True)], True),
        ([("FAILED", 0, None, True), ("RUNNING",)], False),
    ],
)
def test_the_default_handler(blocks, given_up):
    executor = HighThroughputExecutor(provider=LocalProvider(init_blocks=1))
    assert executor.block_error_handler is default_error_handler
    assert "block_error_handler=True" in repr(executor)
    executor.handle_errors({str(n): ended(*block) for n, block in enumerate(blocks, 1)})
    assert executor.bad_state_is_set is given_up


@pytest.mark.parametrize(
    ("blocks", "given_up"),
    [
        (["FAILED"] * 2, False),
        (["COMPLETED", "FAILED", "FAILED", "FAILED"], True),
        (["FAILED", "FAILED", "COMPLETED", "FAILED"], False),
        (["COMPLETED"] * 8 + ["FAILED"] * 3, True),
    ],
)
def test_windowed_handler(blocks, given_up):
    executor = HighThroughputExecutor(block_error_handler=windowed_error_handler)
    executor.handle_errors(numbered(*blocks))
    assert executor.bad_state_is_set is given_up


def test_handlers_can_be_switched_off_or_ones_own():
    executor = HighThroughputExecutor(block_error_handler=False)
    assert executor.block_error_handler is noop_error_handler
    executor.handle_errors(numbered(*["FAILED"] * 9))
    assert not executor.bad_state_is_set
    mine = partial(windowed_error_handler, threshold=1)
    assert HighThroughputExecutor(block_error_handler=mine).block_error_handler is mine


def test_the_error_tells_about_each_block(tmp_path):
    (tmp_path / "err").write_text("no python here\n")
    executor = HighThroughputExecutor(block_error_handler=simple_error_handler)
    executor.handle_errors(
        {"0": JobStatus(JobState.FAILED, "it broke", exit_code=7, stderr_path=str(tmp_path / "err"))}
    )
    assert isinstance(executor.executor_exception, TooManyJobFailuresError)
    for word in ("Error 1", "it broke", "EXIT CODE: 7", "STDERR: no python here"):
        assert word in str(executor.executor_exception)


class Provider(LocalProvider):
    def __init__(self):
        super().__init__()
        self.jobs = {}

    def submit(self, command, tasks_per_node, job_name="x"):
        if len(self.jobs) == 2:
            raise OSError("the queue is closed")
        self.jobs[f"job{len(self.jobs)}"] = (command, JobStatus(JobState.RUNNING))
        return f"job{len(self.jobs) - 1}"

    def status(self, job_ids):
        return [self.jobs[job][1] for job in job_ids]

    def cancel(self, job_ids):
        return [True for _ in job_ids]


class Mine(BlockProviderExecutor):
    label = "mine"
    workers_per_node = 1

    def submit(self, func, resource_specification, *args, **kwargs):
        self.tasks[len(self.tasks)] = Future()
        return self.tasks[len(self.tasks) - 1]

    def shutdown(self):
        super().shutdown()

    def outstanding(self):
        return len(self.tasks)

    def _get_launch_command(self, block_id):
        return f"start workers of block {block_id}"


def test_blocks_of_an_executor_of_ones_own():
    executor = Mine(provider=Provider(), block_error_handler=True)
    assert executor.scale_out_facade(3) == ["0", "1"]
    assert executor.provider.jobs["job1"][0] == "start workers of block 1"
    found = {block: status.state for block, status in executor.status().items()}
    assert found == {"0": JobState.RUNNING, "1": JobState.RUNNING, "2": JobState.FAILED}
    assert "the queue is closed" in executor.status()["2"].message
    assert executor.scale_in_facade(1) == ["0"]
    assert executor.status_facade["0"].state is JobState.SCALED_IN
    assert executor.scale_in(5) == ["1"]
    assert executor.status_polling_interval == 5


def test_without_a_provider_there_are_no_blocks():
    executor = Mine(provider=None, block_error_handler=True)
    assert (executor.status(), executor.scale_in(1), executor.status_polling_interval) == ({}, [], 0)
    with pytest.raises(ScalingFailed, match="no provider"):
        executor.scale_out_facade(1)


def test_giving_up_fails_what_is_not_done():
    executor = Mine(provider=None, block_error_handler=True)
    done, waiting = executor.submit(max, {}), executor.submit(max, {})
    done.set_result(1)
    executor.set_bad_state_and_fail_all(ValueError("enough"))
    assert done.result() == 1
    assert isinstance(waiting.exception(0), BadStateException)
