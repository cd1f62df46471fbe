"""A ``manager_selector`` says which block gets a call when several have nothing to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.executors.high_throughput.manager_selector import BlockIdManagerSelector, ManagerSelector
from parsl_on_dask.providers import LocalProvider
from tests.helpers import WAIT, eventually


class Oldest(ManagerSelector):
    def sort_managers(self, ready_managers: Any, manager_list: Any) -> list[Any]:
        return sorted(manager_list, key=lambda name: ready_managers[name]["block_id"], reverse=True)


class Chosen(ManagerSelector):
    block = "0"

    def sort_managers(self, ready_managers: Any, manager_list: Any) -> list[Any]:
        return sorted(manager_list, key=lambda name: ready_managers[name]["block_id"] == self.block)


class Broken(ManagerSelector):
    def sort_managers(self, ready_managers: Any, manager_list: Any) -> list[Any]:
        raise ValueError("no order")


@python_app
def block() -> Any:
    return os.environ["PARSL_WORKER_BLOCK_ID"]


@python_app
def long(gate: str) -> Any:
    import time

    while not os.path.exists(gate):
        time.sleep(0.01)
    return os.environ["PARSL_WORKER_BLOCK_ID"]


def two_blocks(selector: ManagerSelector, folder: Path) -> parsl.Config:
    provider = LocalProvider(init_blocks=2, min_blocks=2, max_blocks=2)
    executor = HighThroughputExecutor("two", max_workers_per_node=1, provider=provider, manager_selector=selector)
    return parsl.Config(executors=[executor], run_dir=str(folder), strategy="none")


@pytest.mark.parametrize(("selector", "preferred"), [(BlockIdManagerSelector(), "1"), (Oldest(), "0")])
def test_the_preferred_block_has_the_calls(selector: ManagerSelector, preferred: str, tmp_path: Path) -> None:
    with parsl.load(two_blocks(selector, tmp_path)) as kernel:
        executor: Any = kernel.executors["two"]
        eventually(lambda: len(executor.connected_managers()) == 2, "both blocks are there")
        # a block that has just come may not take tasks of the scheduler's yet
        eventually(lambda: block().result(WAIT) == preferred, "the preferred block takes calls")
        assert [block().result(WAIT) for _ in range(6)] == [preferred] * 6
        first, second = long(str(tmp_path / "gate")), long(str(tmp_path / "gate"))
        eventually(lambda: sorted(m["tasks"] for m in executor.connected_managers()) == [1, 1], "both run")
        (tmp_path / "gate").touch()
        assert {first.result(WAIT), second.result(WAIT)} == {"0", "1"}, "the other block is no taboo"


def test_a_block_that_has_just_run_a_call_is_not_given_the_next_for_that(tmp_path: Path) -> None:
    selector = Chosen()
    with parsl.load(two_blocks(selector, tmp_path)) as kernel:
        executor: Any = kernel.executors["two"]
        eventually(lambda: len(executor.connected_managers()) == 2, "both blocks are there")
        for selector.block in ("0", "1"):
            eventually(lambda: block().result(WAIT) == selector.block, "the preferred block takes calls")
        for selector.block in "0110100":
            assert block().result(WAIT) == selector.block


def test_a_selector_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with parsl.load(two_blocks(Broken(), tmp_path)):
        assert [block().result(WAIT) in "01" for _ in range(3)] == [True] * 3
    assert caplog.text.count("The manager_selector of executor two failed") == 1
