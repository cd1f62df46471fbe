"""The promise of a file."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future, as_completed, wait
from typing import Any

import pytest

from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.data_provider.files import File
from tests.helpers import eventually


@pytest.fixture
def parent() -> Future[Any]:
    return Future()


@pytest.fixture
def data(parent: Future[Any]) -> DataFuture:
    return DataFuture(parent, File("d/out.txt"), tid=7)


def test_members(parent: Future[Any], data: DataFuture) -> None:
    assert (data.tid, data.filepath, data.filename, data.parent) == (7, "d/out.txt", "d/out.txt", parent)
    assert not data.done() and not data.running() and not data.cancelled()
    parent.set_running_or_notify_cancel()
    assert data.running()
    assert "not done" in repr(data) and "out.txt" in repr(data)


def test_the_result_is_the_file(parent: Future[Any], data: DataFuture) -> None:
    called: list[Any] = []
    data.add_done_callback(called.append)
    parent.set_result(0)
    assert data.result() is data.file_obj
    eventually(lambda: called == [data], "the callback")
    assert repr(data).endswith(" done>") and "not done" not in repr(data)
    assert DataFuture(parent, data.file_obj, 8).done()


def test_the_exception_is_the_parents(parent: Future[Any], data: DataFuture) -> None:
    error = ValueError("no")
    parent.set_exception(error)
    assert data.exception() is error


def test_cancel(parent: Future[Any], data: DataFuture) -> None:
    with pytest.raises(NotImplementedError, match="Cancel not implemented"):
        data.cancel()
    parent.cancel()
    assert data.cancelled() and data.done()
    with pytest.raises(CancelledError):
        data.result()


def test_waiting(parent: Future[Any], data: DataFuture) -> None:
    threading.Timer(0.05, parent.set_result, [0]).start()
    assert next(as_completed([data], timeout=5)) is data
    assert wait([data], timeout=5).done == {data}


def test_await(parent: Future[Any], data: DataFuture) -> None:
    async def main() -> File:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_of(data), 0.01)
        threading.Timer(0.05, parent.set_result, [0]).start()
        return await data

    async def _of(future: DataFuture) -> File:
        return await future

    assert asyncio.run(main()) is data.file_obj


def test_only_files(parent: Future[Any]) -> None:
    wrong: Any = "out.txt"
    with pytest.raises(TypeError, match=r"write File\('out.txt'\)"):
        DataFuture(parent, wrong, 7)
