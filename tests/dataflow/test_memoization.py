"""Equal calls of an app with cache=True run once."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask.dataflow.memoization as memoization
from parsl_on_dask.checkpoint import keys
from parsl_on_dask.dataflow.memoization import BasicMemoizer, Memoizer
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.errors import ConfigurationError


def app(x: Any) -> Any:
    return x


def task(x: Any, memoize: bool = True) -> Any:
    found = TaskRecord(id=0, func=app, func_name="app", args=(x,), kwargs={}, memoize=memoize, ignore_for_cache=[])
    found.app_fu = Future()  # type: ignore[assignment]
    return found


@pytest.fixture
def memoizer() -> BasicMemoizer:
    made = BasicMemoizer()
    made.start(run_dir="/runs/000", config_run_dir="/runs")
    return made


def test_a_result_is_found_again(memoizer: BasicMemoizer) -> None:
    first, second = task(1), task(1)
    assert memoizer.check_memo(first) is None
    memoizer.update_memo_result(first, 10)
    assert memoizer.check_memo(second) is first["app_fu"]
    assert second["hashsum"] == first["hashsum"] and len(first["hashsum"]) == 32
    assert memoizer.check_memo(task(2)) is None


def test_so_is_an_exception(memoizer: BasicMemoizer) -> None:
    first = task(1)
    memoizer.check_memo(first)
    memoizer.update_memo_exception(first, ValueError())
    assert memoizer.check_memo(task(1)) is first["app_fu"]


def test_an_app_without_cache_is_not_remembered(memoizer: BasicMemoizer) -> None:
    first = task(1, memoize=False)
    assert memoizer.check_memo(first) is None
    assert first["hashsum"] is None
    memoizer.update_memo_result(first, 10)
    assert memoizer.check_memo(task(1)) is None


def test_nothing_is_remembered_with_memoize_false() -> None:
    memoizer = BasicMemoizer(memoize=False)
    memoizer.start(run_dir="/runs/000", config_run_dir="/runs")
    for _ in range(2):
        one = task(1)
        assert memoizer.check_memo(one) is None
        memoizer.update_memo_result(one, 10)


def test_an_argument_without_an_id_raises_when_it_is_looked_for(memoizer: BasicMemoizer) -> None:
    broken = task(object())
    with pytest.raises(ValueError, match="unknown type for memoization"):
        memoizer.check_memo(broken)
    memoizer.update_memo_exception(broken, ValueError())  # what the kernel does next
    memoizer.close()


@pytest.mark.parametrize(
    "arguments",
    [
        {"checkpoint_mode": "exit"},
        {"durability": "disk", "checkpoint_mode": "task_exit"},
        {"identity": "text"},
        {"files": "bytes"},
        {"directory": "cache"},
        {"parsl_layout": True},
        {"durability": "sync"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_by_name(arguments: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"BasicMemoizer\({next(iter(arguments))}="):
        BasicMemoizer(**arguments)


def test_a_subclass_may_choose_what_is_remembered(memoizer: BasicMemoizer) -> None:
    first = task(1)
    assert memoizer.check_memo(first) is None
    first["app_fu"].set_result(1)  # and nothing was remembered
    assert memoizer.check_memo(task(1)) is None


def test_an_equal_call_under_way_is_waited_for(memoizer: BasicMemoizer) -> None:
    first, second = task(1), task(1)
    assert memoizer.check_memo(first) is None
    assert memoizer.check_memo(first) is None, "another try of itself"
    assert memoizer.check_memo(second) is first["app_fu"]
    first["app_fu"].cancel()
    assert memoizer.check_memo(second) is None


def test_closing_records_what_is_left_and_ends_the_timer(tmp_path: Path) -> None:
    before = {*threading.enumerate()}
    memoizer = BasicMemoizer(checkpoint_mode="periodic", checkpoint_period="10:00:00")
    memoizer.start(run_dir=str(tmp_path), config_run_dir=str(tmp_path))
    first = task(1)
    assert memoizer.check_memo(first) is None
    memoizer.update_memo_result(first, 10)
    memoizer.close()
    assert {*threading.enumerate()} <= before
    again = BasicMemoizer(checkpoint_files=[str(tmp_path / "checkpoint")])
    again.start(run_dir=str(tmp_path), config_run_dir=str(tmp_path))
    known = again.check_memo(task(1))
    assert known is not None and known.result() == 10
    again.close()


@pytest.mark.parametrize("files", [None, [], [[]], ["runinfo/000/checkpoint"]])
def test_no_files_are_fine(files: Any) -> None:
    assert BasicMemoizer(checkpoint_files=files).checkpoint_files is files


def test_arguments_are_keywords_only() -> None:
    with pytest.raises(TypeError):
        BasicMemoizer(None)  # type: ignore[misc]


def test_memoizer_is_an_interface_for_plug_ins() -> None:
    with pytest.raises(TypeError):
        Memoizer()  # type: ignore[abstract]


def test_the_hash_functions_are_at_parsls_path() -> None:
    assert memoization.id_for_memo is keys.id_for_memo
    assert memoization.make_hash is keys.make_hash
