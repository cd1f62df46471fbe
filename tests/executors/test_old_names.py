"""Properties of earlier releases that are methods today can be read and called."""

from __future__ import annotations

import copy
import os
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor, WorkQueueExecutor
from parsl_on_dask.executors.old_names import ReadOrCalled, read_or_called
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning
from tests.helpers import WAIT, eventually
from tests.kernels import CONFIG_NAMES, executor_for, unload


@parsl.python_app
def held(gate: str) -> bool:
    while not os.path.exists(gate):
        time.sleep(0.02)
    return True


class Counting:
    def __init__(self) -> None:
        self.items: list[int] = []

    @read_or_called
    def count(self) -> int:
        """How many."""
        return len(self.items)

    @read_or_called
    def listing(self) -> list[int]:
        return list(self.items)


def test_a_number_is_read_compared_and_called() -> None:
    thing: Any = Counting()
    thing.items += [1, 2]
    assert thing.count == thing.count() == 2 and thing.count <= 2
    assert f"{thing.count}" == "2" and max(thing.count, 1) == 2
    assert isinstance(thing.count, int) and type(thing.count()) is int
    assert Counting.count.__doc__ == "How many." and Counting.count(thing) == 2


def test_a_list_is_read_and_called() -> None:
    thing: Any = Counting()
    thing.items += [1, 2]
    assert thing.listing == thing.listing() == [1, 2] and [*thing.listing] == [1, 2] and thing.listing[0] == 1


def test_what_was_read_once_counts_again_when_it_is_called() -> None:
    thing: Any = Counting()
    count, listing = thing.count, thing.listing
    thing.items.append(3)
    assert (count, count(), listing, listing()) == (0, 1, [], [3])


@pytest.mark.parametrize("other", [lambda value: pickle.loads(pickle.dumps(value)), copy.copy, copy.deepcopy])
def test_a_copy_is_an_ordinary_value(other: Any) -> None:
    thing: Any = Counting()
    thing.items.append(3)
    assert type(other(thing.count)) is int and other(thing.count) == 1
    assert type(other(thing.listing)) is list and other(thing.listing) == [3]


def test_a_subclass_and_an_instance_can_have_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(ThreadPoolExecutor):
        def outstanding(self) -> int:
            return super().outstanding() + 7

    assert Mine().outstanding() == 7
    executor = ThreadPoolExecutor()
    monkeypatch.setattr(executor, "outstanding", lambda: 5)
    assert executor.outstanding() == 5


@pytest.mark.parametrize("make", [HighThroughputExecutor, WorkQueueExecutor, ThreadPoolExecutor])
def test_before_a_run_there_is_nothing(make: Any) -> None:
    executor = make()
    assert executor.outstanding == executor.outstanding() == 0
    assert executor.connected_managers == executor.connected_managers() == []
    legacy.forget_warnings()
    with pytest.warns(ParslDeprecationWarning, match="scaling_enabled"):
        assert not executor.scaling_enabled
    assert not executor.scaling_enabled()


@pytest.mark.parametrize("name", CONFIG_NAMES)
def test_during_a_run(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    executor = executor_for(name, request)
    gate = tmp_path / "gate"
    try:
        parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path), strategy="none"))
        futures = [held(str(gate)) for _ in range(3)]
        nodes = eventually(lambda: executor.connected_managers, "workers are there", WAIT)
        assert len(nodes) == len(executor.connected_managers())
        assert executor.outstanding == executor.outstanding() == 3
        if name == "processes":
            assert 1 <= executor.connected_workers <= executor.connected_workers() <= 2
        gate.touch()
        assert [f.result(WAIT) for f in futures] == [True] * 3
        eventually(lambda: executor.outstanding == 0, "all is done", WAIT)
    finally:
        unload()


def test_the_classes_have_the_descriptor() -> None:
    assert isinstance(vars(HighThroughputExecutor)["connected_workers"], ReadOrCalled)
