"""What a script sees of failures that came from elsewhere."""

from __future__ import annotations

import copy
import pickle

import cloudpickle
import pytest

from parsl_on_dask.dataflow.errors import (
    BadCheckpoint,
    DataFlowException,
    DependencyError,
    JoinError,
    PropagatedException,
)
from parsl_on_dask.errors import ParslError

LONG = 20_000


def chain(length: int) -> DependencyError:
    error: BaseException = ValueError("no data")
    for tid in range(1, length + 1):
        error = DependencyError([(error, f"task {tid - 1}")], tid, app_name=f"step{tid}")
    assert isinstance(error, DependencyError)
    return error


def test_the_first_line_is_parsls() -> None:
    root = ValueError("no data")
    inner = DependencyError([(root, "task 3")], 4)
    outer = DependencyError([(inner, "task 4"), (root, "task 5")], 6)
    first = str(outer).splitlines()[0]
    assert first == "Dependency failure for task 6. The representative cause is via task 4 (+ others) <- task 3"
    joined = JoinError([(root, "task 3")], 9)
    assert str(joined).startswith("Join failure for task 9. The representative cause is via task 3\n")


def test_the_attributes_are_parsls() -> None:
    root = ValueError("no data")
    entries = [(root, "task 3")]
    error = DependencyError(entries, 4)
    assert error.dependent_exceptions_tids is entries
    assert error.task_id == 4
    assert error.__cause__ is root
    assert isinstance(error, PropagatedException) and isinstance(error, DataFlowException)
    assert isinstance(error, ParslError)


def test_the_message_walks_the_chain_down_to_the_root_cause() -> None:
    root = ValueError("no data in\nline 7")
    read = DependencyError([(root, "task 1")], 2, app_name="mean", dependency_app_names=["read"])
    joined = JoinError([(read, "task 2")], 3, app_name="all_means")
    top = DependencyError([(joined, "task 3"), (root, "task 4"), (root, "task 5")], 6, app_name="report")
    assert str(top).splitlines()[1:] == [
        "  task 6 (app report) was not run, because task 3 failed, and so did task 4, task 5",
        "  task 3 (app all_means) could not be completed, because what it joined, task 2, failed",
        "  task 2 (app mean) was not run, because task 1 failed",
        "  task 1 (app read) raised ValueError: no data in",
        "    line 7",
    ]
    assert top.__cause__ is root


def test_a_foreign_future_is_shown_by_its_repr() -> None:
    error = DependencyError([(ValueError("x"), "<Future at 0x1 state=finished>")], 2)
    assert "via <Future at 0x1 state=finished>" in str(error)


def test_no_entries_and_broken_texts_do_no_harm() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    empty = DependencyError([], 2)
    assert "task 2" in str(empty)
    assert empty.__cause__ is None
    assert "Broken" in str(DependencyError([(Broken(), "task 1")], 2))
    assert len(str(DependencyError([(ValueError("x" * 10**6), "task 1")], 2))) < 5000


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_it_survives_pickling(dumps: object) -> None:
    root = ValueError("no data")
    below = DependencyError([(root, "task 1")], 2, app_name="mean", dependency_app_names=["read"])
    side = JoinError([(below, "task 2")], 3)
    # below is reached in two ways, the shorter one first
    top = DependencyError([(side, "task 3"), (below, "task 2")], 4)
    back = pickle.loads(dumps(top))  # type: ignore[operator]
    assert type(back) is DependencyError
    assert str(back) == str(top)
    assert repr(back.__cause__) == repr(root)
    assert back.task_id == 4
    (one, text), (two, _) = back.dependent_exceptions_tids
    assert (type(one), text) == (JoinError, "task 3")
    assert one.dependent_exceptions_tids[0][0] is two
    assert two.__cause__ is one.__cause__ is back.__cause__
    assert str(copy.copy(top)) == str(top)


def test_a_subclass_survives_pickling() -> None:
    error = OwnError(5)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


class OwnError(PropagatedException):
    def __init__(self, task_id: int) -> None:
        super().__init__([(KeyError("k"), "task 0")], task_id, failure_description="Own failure")


def test_a_very_long_chain() -> None:
    top = chain(LONG)
    text = str(top)
    assert len(text) < 20_000
    assert f"task {LONG} (app step{LONG})" in text
    assert text.endswith("task 0 raised ValueError: no data")
    assert f"({LONG - 100} more)" in text
    assert "no data" in repr(top) and len(repr(top)) < 300
    assert isinstance(top.__cause__, ValueError)
    back = pickle.loads(pickle.dumps(top))
    assert str(back) == text


def test_a_bad_checkpoint_says_why() -> None:
    error = pickle.loads(pickle.dumps(BadCheckpoint("Checkpoint file was not found: x")))
    assert str(error) == error.reason == "Checkpoint file was not found: x"
