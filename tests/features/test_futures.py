"""AppFuture and DataFuture: concurrent.futures, asyncio, Parsl's members, cancelling, lifting."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.dataflow.futures import AppFuture
from tests.helpers import WAIT, append, eventually, hold

WARM = True

pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def fail() -> None:
    raise ValueError("failed")


@python_app
def holding(started: str, gate: str, x: Any = None) -> Any:
    return hold(started, gate, x)


@bash_app
def write(text: str, outputs: Any = (), stdout: Any = None) -> str:
    return f"echo {text} > {outputs[0]}"


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y
        self._hidden = 0


def test_wait_and_as_completed(tmp_path: Path, gate: str) -> None:
    slow = holding(str(tmp_path / "started"), gate, "slow")
    quick = [value(i) for i in range(5)]
    done, not_done = concurrent.futures.wait([slow, *quick], WAIT, concurrent.futures.FIRST_COMPLETED)
    assert done and slow in not_done
    order = concurrent.futures.as_completed([slow, *quick], WAIT)
    firsts = [next(order) for _ in range(5)]
    assert {f.result() for f in firsts} == set(range(5))
    Path(gate).touch()
    assert next(order) is slow
    done, not_done = concurrent.futures.wait([slow, *quick], WAIT)
    assert len(done) == 6 and not not_done


def test_timeouts(tmp_path: Path, gate: str) -> None:
    slow = holding(str(tmp_path / "started"), gate)
    began = time.monotonic()
    with pytest.raises(concurrent.futures.TimeoutError):
        slow.result(timeout=0.1)
    with pytest.raises(concurrent.futures.TimeoutError):
        slow.exception(timeout=0.1)
    assert time.monotonic() - began >= 0.2
    assert not slow.done()


def test_callbacks() -> None:
    seen: list[Any] = []
    called = threading.Event()

    def callback(future: Any) -> None:
        seen.append(future)
        called.set()

    future = value(1)
    future.add_done_callback(callback)
    assert called.wait(WAIT)
    assert seen == [future] and future.done()
    future.add_done_callback(callback)
    assert seen == [future, future], "at once when it is done already"


def test_a_callback_that_raises_harms_nobody() -> None:
    def bad(_: Any) -> None:
        raise RuntimeError("bad callback")

    futures = [value(i) for i in range(5)]
    for future in futures:
        future.add_done_callback(bad)
    assert [f.result(WAIT) for f in futures] == list(range(5))
    assert value(9).result(WAIT) == 9


def test_a_callback_may_call_apps() -> None:
    inner: concurrent.futures.Future[Any] = concurrent.futures.Future()
    value(1).add_done_callback(lambda f: inner.set_result(value(f.result() + 1)))
    assert inner.result(WAIT).result(WAIT) == 2


def test_states() -> None:
    future = value(1)
    assert future.result(WAIT) == 1
    assert future.done() and not future.running() and not future.cancelled()
    assert future.exception() is None
    assert future.task_status() == "exec_done"


def test_parsls_members(kernel: Any) -> None:
    future = value(1)
    assert isinstance(future, concurrent.futures.Future) and isinstance(future, AppFuture)
    assert isinstance(future.tid, int)
    assert future.task_record["id"] == future.tid
    assert future.task_record["app_fu"] is future
    assert future.outputs == []
    assert future.stdout is None and future.stderr is None
    assert "AppFuture" in repr(future)
    assert future.result(WAIT) == 1


def test_await() -> None:
    async def main() -> list[Any]:
        first = await value(1)
        several = await asyncio.gather(value(2), value(3))
        limited = await asyncio.wait_for(value(4), WAIT)
        wrapped = await asyncio.wrap_future(value(5))
        with pytest.raises(ValueError, match="failed"):
            await fail()
        return [first, *several, limited, wrapped]

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]


def test_await_does_not_block_the_event_loop(tmp_path: Path, gate: str) -> None:
    async def main() -> Any:
        slow = holding(str(tmp_path / "started"), gate, "slow")

        async def open_gate() -> None:
            Path(gate).touch()

        result, _ = await asyncio.gather(slow, open_gate())
        return result

    assert asyncio.run(main()) == "slow"


def test_cancel_before_the_start(tmp_path: Path) -> None:
    ran = str(tmp_path / "ran")
    blocker: concurrent.futures.Future[int] = concurrent.futures.Future()
    waiting = python_app(lambda x, path: append(path))(blocker, ran)
    dependent = value(waiting)
    assert waiting.cancel() is True
    assert waiting.cancelled() and waiting.done()
    with pytest.raises(concurrent.futures.CancelledError):
        waiting.result(WAIT)
    assert dependent.exception(WAIT) is not None
    blocker.set_result(1)
    assert value(2).result(WAIT) == 2
    assert not os.path.exists(ran)


def test_cancel_while_queued_behind_busy_workers(tmp_path: Path, gate: str) -> None:
    busy = [holding(str(tmp_path / f"started{i}"), gate) for i in range(2)]
    eventually(lambda: all((tmp_path / f"started{i}").exists() for i in range(2)), "both workers are busy")
    ran = [str(tmp_path / f"ran{i}") for i in range(10)]
    app = python_app(append)
    queued = [app(path) for path in ran]
    cancelled = [future.cancel() for future in queued]
    Path(gate).touch()
    for future in busy:
        future.result(WAIT)
    for future, path, was in zip(queued, ran, cancelled, strict=True):
        if was:
            assert future.cancelled()
        else:
            future.result(WAIT)
        assert os.path.exists(path) != was
    assert value(1).result(WAIT) == 1
    assert not any(os.path.exists(path) for path, was in zip(ran, cancelled, strict=True) if was)


def test_a_running_or_finished_call_cannot_be_cancelled(tmp_path: Path, gate: str) -> None:
    running = holding(str(tmp_path / "started"), gate, "value")
    eventually((tmp_path / "started").exists, "it runs")
    assert not running.cancel()
    Path(gate).touch()
    assert running.result(WAIT) == "value"
    assert not running.cancel()
    assert not running.cancelled()


def test_lifted_items_and_attributes() -> None:
    mapping = value({"a": {"b": [10, 20]}})
    assert mapping["a"].result(WAIT) == {"b": [10, 20]}
    assert mapping["a"]["b"][1].result(WAIT) == 20
    point = value(Point(3, 4))
    assert (point.x.result(WAIT), point.y.result(WAIT)) == (3, 4)
    assert isinstance(mapping["a"], AppFuture) and mapping["a"].tid != mapping.tid


def test_lifted_values_are_dependencies() -> None:
    point = value(Point(3, 4))
    assert python_app(lambda a, b: a + b)(point.x, point.y).result(WAIT) == 7


def test_lifting_waits_for_nothing(tmp_path: Path, gate: str) -> None:
    slow = holding(str(tmp_path / "started"), gate, [1, 2, 3])
    item = slow[1]
    assert not item.done()
    Path(gate).touch()
    assert item.result(WAIT) == 2


def test_failed_lifts_show_in_the_new_future() -> None:
    mapping = value({"a": 1})
    with pytest.raises(KeyError):
        mapping["b"].result(WAIT)
    with pytest.raises(AttributeError):
        mapping.no_such_name.result(WAIT)
    assert mapping.result(WAIT) == {"a": 1}
    assert isinstance(fail()["x"].exception(WAIT).__cause__, ValueError)


def test_private_names_are_not_lifted() -> None:
    with pytest.raises(AttributeError):
        _ = value(Point(1, 2))._hidden


def test_datafutures(tmp_path: Path) -> None:
    path = str(tmp_path / "out.txt")
    file = File(path)
    future = write("hello", outputs=[file])
    [output] = future.outputs
    assert isinstance(output, DataFuture) and isinstance(output, concurrent.futures.Future)
    assert output.tid == future.tid
    assert output.filepath == output.filename == path
    assert output.file_obj.filepath == path
    assert output.parent is future
    result = output.result(WAIT)
    assert isinstance(result, File) and os.fspath(result) == str(result) == path
    assert output.done() and future.done()
    assert not output.cancelled() and not output.running()
    with pytest.raises(NotImplementedError):
        output.cancel()
    assert "DataFuture" in repr(output)


def test_a_datafuture_given_to_an_app_is_a_file_there(tmp_path: Path) -> None:
    @python_app
    def read(f: Any, inputs: Any = ()) -> tuple[str, str, str]:
        with open(f) as first, open(inputs[0].filepath) as second:
            return type(f).__name__, first.read().strip(), second.read().strip()

    future = write("hello", outputs=[File(str(tmp_path / "out.txt"))])
    assert read(future.outputs[0], inputs=[future.outputs[0]]).result(WAIT) == ("File", "hello", "hello")


def test_a_datafuture_of_a_failed_app(tmp_path: Path) -> None:
    @bash_app
    def broken(outputs: Any = ()) -> str:
        return "exit 4"

    future = broken(outputs=[File(str(tmp_path / "never"))])
    assert future.outputs[0].exception(WAIT) is not None
    error = python_app(lambda inputs: None)(inputs=[future.outputs[0]]).exception(WAIT)
    assert f"DataFuture from task {future.tid}" in str(error)


def test_a_file_made_by_a_chain_of_apps(tmp_path: Path) -> None:
    @bash_app
    def extend(inputs: Any = (), outputs: Any = ()) -> str:
        return f"(cat {inputs[0]}; echo more) > {outputs[0]}"

    future = write("start", outputs=[File(str(tmp_path / "0"))])
    for i in range(1, 6):
        future = extend(inputs=[future.outputs[0]], outputs=[File(str(tmp_path / f"{i}"))])
    assert Path(future.outputs[0].result(WAIT)).read_text().split() == ["start"] + ["more"] * 5
