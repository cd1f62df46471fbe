"""Memoizers that were written for Parsl, and call what its memoizer has."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.dataflow.old_memo import CheckpointCommand
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.errors import ConfigurationError


def app(x: Any) -> Any:
    return x


def task(memoizer: BasicMemoizer, x: Any) -> Any:
    found = TaskRecord(id=0, func=app, func_name="app", args=(x,), kwargs={}, memoize=True, ignore_for_cache=[])
    found.app_fu = Future()  # type: ignore[assignment]
    memoizer.check_memo(found)
    return found


@pytest.fixture(scope="module")
def config_name() -> str:
    return "threads"


@pytest.fixture
def memoizer() -> BasicMemoizer:
    made = BasicMemoizer()
    made.start(run_dir="/runs/000", config_run_dir="/runs")
    return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_outcomes_are_remembered_and_found(memoizer: BasicMemoizer) -> None:
    right, wrong, plain = (task(memoizer, x) for x in range(3))
    good: Future[int] = Future()
    good.set_result(1)
    bad: Future[int] = Future()
    bad.set_exception(ValueError("no"))
    for record, outcome in ((right, good), (wrong, bad), (plain, 2)):
        memoizer.update_memo(record, outcome)
        assert memoizer.hash_lookup(record["hashsum"]) is record["app_fu"]
        assert memoizer.make_hash(record) == record["hashsum"]
    with pytest.raises(KeyError):
        memoizer.hash_lookup("0" * 32)


def test_one_result_is_recorded_at_once(tmp_path: Path, load: Any) -> None:
    memoizer = BasicMemoizer(checkpoint_mode="manual")
    kernel = load(memoizer=memoizer, run_dir=str(tmp_path))
    done = python_app(app, cache=True)(7)
    assert done.result(60) == 7
    record = task(memoizer, 8)
    memoizer.checkpoint_one(CheckpointCommand(record, exception=ValueError()))
    assert memoizer.load_checkpoints([kernel.run_dir + "/checkpoint"]) == {}, "failures are never recorded"
    memoizer.checkpoint_one(CheckpointCommand(record, result=80))
    memoizer.checkpoint_queue()
    found = memoizer.load_checkpoints([kernel.run_dir + "/checkpoint"])
    assert sorted(future.result() for future in found.values()) == [7, 80]
    assert found[record["hashsum"]].result() == 80
    assert memoizer.load_checkpoints(None) == {}
    with pytest.raises(ConfigurationError, match="not both"):
        CheckpointCommand(record, result=1, exception=ValueError())
