"""Where files go, and who shares them for how long."""

from __future__ import annotations

import gc
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.data_provider.data_manager import DataManager
from parsl_on_dask.data_provider.destinations import Destination, destination, local_path
from parsl_on_dask.data_provider.files import File


def manager(working_dir: Any = "/wd") -> DataManager:
    dfk: Any = SimpleNamespace(executors={"x": SimpleNamespace(working_dir=working_dir)})
    return DataManager(dfk)


def shared(dm: DataManager, call: Future[Any], url: str, parent: Any = None) -> Destination:
    with dm.destinations.for_call(call):
        return destination(dm, "x", File(url), parent)


@pytest.mark.parametrize(
    ("working_dir", "expected"), [("/wd", "/wd/a.txt"), ("rel", "rel/a.txt"), (None, "a.txt"), ("", "a.txt")]
)
def test_the_default_place(working_dir: Any, expected: str) -> None:
    file = File("http://h/deep/a.txt")
    assert destination(manager(working_dir), "x", file).path == expected == file.local_path


def test_a_name_of_the_providers_choice() -> None:
    assert local_path(manager(), "x", File("zip:/a.zip/b/c"), "b/c") == "/wd/b/c"
    for name in ("", "/etc/x", "../x", "a/../../x", "a/..", ".", "a/", "a\0b"):
        with pytest.raises(ValueError, match="is not the name of a file below the working directory"):
            local_path(manager(), "x", File("zip:/a.zip/b/c"), name)


def test_calls_that_are_not_done_share_a_file() -> None:
    dm = manager()
    one, two, three = Future[Any](), Future[Any](), Future[Any]()
    first = shared(dm, one, "http://h/a.txt")
    one_more = shared(dm, two, "http://h/a.txt")
    assert one_more.version == first.version and one_more.path == first.path
    one.set_result(None)
    assert shared(dm, three, "http://h/a.txt").version == first.version  # two goes on
    two.set_result(None)
    three.set_result(None)
    again = shared(dm, Future(), "http://h/a.txt")
    assert again.version != first.version and again.path == first.path


def test_a_call_that_was_given_up_holds_nothing() -> None:
    dm = manager()
    call: Any = Future()
    first = shared(dm, call, "http://h/a.txt")
    del call
    gc.collect()
    assert shared(dm, Future(), "http://h/a.txt").version != first.version


def test_outside_of_a_call_nothing_is_shared() -> None:
    dm = manager()
    assert destination(dm, "x", File("http://h/a")).version != destination(dm, "x", File("http://h/a")).version


def test_other_files_of_the_same_name_do_not_get_in_the_way() -> None:
    dm = manager()
    one, two = Future[Any](), Future[Any]()
    assert shared(dm, one, "http://h/1/a.txt").path == "/wd/a.txt"
    other = shared(dm, two, "http://h/2/a.txt").path
    assert other != "/wd/a.txt" and other.startswith("/wd/") and other.endswith("/a.txt")
    assert shared(dm, two, "http://h/2/a.txt").path == other
    one.set_result(None)
    assert shared(dm, Future(), "http://h/2/a.txt").path == "/wd/a.txt"


def test_what_another_app_makes_is_not_what_was_there_before() -> None:
    dm = manager()
    calls = [Future[Any]() for _ in range(4)]
    made = DataFuture(Future(), File("http://h/a.txt"), 1)

    def copy() -> DataFuture:
        # as DataManager.optionally_stage_in makes one for each call
        return DataFuture(made, made.file_obj.cleancopy(), 1)

    before = shared(dm, calls[0], "http://h/a.txt")
    after = shared(dm, calls[1], "http://h/a.txt", copy())
    assert after.version != before.version
    assert shared(dm, calls[2], "http://h/a.txt", copy()).version == after.version
    assert shared(dm, calls[3], "http://h/a.txt").version == before.version


def test_a_task_is_under_way_until_it_is_done() -> None:
    found = Destination("http://h/a", "/wd/a")
    task = Future[Any]()
    found.brought_by("x", task)
    assert found.under_way("x") is task and found.under_way("y") is None
    task.set_result(None)
    assert found.under_way("x") is None


def test_a_long_run_does_not_pile_up() -> None:
    dm = manager()
    for i in range(5000):
        call = Future[Any]()
        shared(dm, call, f"http://h/{i}")
        call.set_result(None)
    assert len(dm.destinations._at) <= 1001
