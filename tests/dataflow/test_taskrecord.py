"""A task's record is a mapping and has attributes."""

from __future__ import annotations

import pytest

from parsl_on_dask.dataflow.futures import AppFuture
from parsl_on_dask.dataflow.states import States
from parsl_on_dask.dataflow.taskrecord import FIELDS, TaskRecord


def record() -> TaskRecord:
    return TaskRecord(id=4, func_name="f", status=States.pending, args=(1,), kwargs={"x": 2})


def test_keys_and_attributes_are_the_same() -> None:
    task = record()
    task["status"] = States.launched
    assert task.status is States.launched
    task.try_id = 3
    assert task["try_id"] == 3
    assert task.get("nothing") is None
    assert "hashsum" in task and "nothing" not in task


def test_what_is_not_set_yet_is_not_there() -> None:
    task = record()
    assert "app_fu" not in task
    with pytest.raises(KeyError, match="app_fu"):
        task["app_fu"]


def test_keys_of_ones_own() -> None:
    task = record()
    task["mine"] = 1
    assert task["mine"] == 1 and "mine" in dict(task)
    del task["mine"]
    assert "mine" not in task


def test_locks_are_made_when_asked_for() -> None:
    task = record()
    with task["task_launch_lock"]:
        assert task["task_launch_lock"].locked()


def test_a_copy_is_a_plain_dict() -> None:
    task = record()
    copied = task.copy()
    task.try_id = 9
    assert type(copied) is dict and copied["try_id"] == 0
    assert set(copied) <= set(FIELDS)


def test_the_record_of_a_finished_task_has_its_future_for_whoever_asks_that_for_it() -> None:
    task = record()
    task.app_fu = future = AppFuture[int](task)
    task.let_go()
    assert "app_fu" not in task, "the two would hold each other"
    assert future.task_record["app_fu"] is future
    del future
    assert "app_fu" not in task
