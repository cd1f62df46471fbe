"""clear() waits for all that is under way; the end of a kernel takes every step."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import join_app, python_app
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.errors import ConfigurationError, NoDataFlowKernelError
from parsl_on_dask.executors import ThreadPoolExecutor
from parsl_on_dask.executors.base import ParslExecutor
from tests.helpers import WAIT, eventually, hold

pytestmark = pytest.mark.usefixtures("nothing_loaded")

WARM = True


@python_app
def add(x: int, y: int) -> int:
    return x + y


@python_app
def holding(started: str, gate: str, x: Any = None) -> Any:
    return hold(started, gate, x)


@join_app
def fibonacci(first: Any, n: int) -> Any:
    """The body goes on when `first` is done."""
    return add(n, 0) if n < 2 else add(fibonacci(None, n - 1), fibonacci(None, n - 2))


def cleared(while_waiting: Callable[[], Any]) -> None:
    """Clear in another thread, and do something while that waits for tasks."""
    waiting = threading.Event()
    kernel = parsl.dfk()
    real = kernel.wait_until_idle

    def wait() -> None:
        waiting.set()
        real()

    kernel.wait_until_idle = wait  # type: ignore[method-assign]
    clearing = threading.Thread(target=parsl.clear)
    clearing.start()
    assert waiting.wait(WAIT)
    while_waiting()
    clearing.join(WAIT)
    assert not clearing.is_alive()


def test_joins_go_on_calling_apps(make_config: Callable[..., Any], tmp_path: Path, gate: str) -> None:
    parsl.load(make_config())
    started = str(tmp_path / "started")
    future = fibonacci(holding(started, gate), 5)
    cleared(Path(gate).touch)
    assert future.result(0) == 5
    with pytest.raises(NoDataFlowKernelError):
        parsl.dfk()


def test_callbacks_call_apps(make_config: Callable[..., Any], tmp_path: Path, gate: str) -> None:
    parsl.load(make_config())
    called: list[Any] = []

    def once_more(future: Any) -> None:
        called.append(add(future.result(), 1))
        if len(called) < 3:
            called[-1].add_done_callback(once_more)

    holding(str(tmp_path / "started"), gate, 1).add_done_callback(once_more)
    cleared(Path(gate).touch)
    assert [f.result(0) for f in called] == [2, 3, 4]


def test_a_callback_that_has_not_called_its_app_yet_is_waited_for(
    make_config: Callable[..., Any], tmp_path: Path, gate: str
) -> None:
    kernel = parsl.load(make_config())
    entered, go = threading.Event(), threading.Event()
    called: list[Any] = []

    def slow(future: Any) -> None:
        entered.set()
        assert go.wait(WAIT)
        called.append(add(future.result(), 1))

    holding(str(tmp_path / "started"), gate, 2).add_done_callback(slow)
    Path(gate).touch()
    assert entered.wait(WAIT)
    moves = kernel.flow.moves

    def looked() -> bool:
        found = moves()
        go.set()  # the callback goes on after the first look
        return found

    kernel.flow.moves = looked  # type: ignore[method-assign]
    parsl.clear()
    assert [f.result(0) for f in called] == [3]


def test_load_is_refused_until_clear_has_returned(make_config: Callable[..., Any], tmp_path: Path, gate: str) -> None:
    parsl.load(make_config())
    future = holding(str(tmp_path / "started"), gate, 1)

    def refused() -> None:
        with pytest.raises(ConfigurationError, match=r"another thread is in parsl.clear\(\)"):
            parsl.load(make_config())
        Path(gate).touch()

    cleared(refused)
    assert future.result(0) == 1
    parsl.load(make_config())
    assert add(1, 2).result(WAIT) == 3


def test_clear_in_two_threads(make_config: Callable[..., Any], tmp_path: Path, gate: str) -> None:
    parsl.load(make_config())
    holding(str(tmp_path / "started"), gate)
    others = [threading.Thread(target=parsl.clear) for _ in range(3)]
    for other in others:
        other.start()
    cleared(Path(gate).touch)
    for other in others:
        other.join(WAIT)
        assert not other.is_alive()


def test_leaving_with_exit_mode_wait(make_config: Callable[..., Any]) -> None:
    with parsl.load(make_config(exit_mode="wait")):
        future = fibonacci(None, 5)
    assert future.result(0) == 5


# ---------------------------------------------------------------- every step


class Broken(BasicMemoizer):
    """A memoizer of the user's own."""

    def close(self) -> None:
        raise RuntimeError("the memoizer's last words")


class Lasting(ParslExecutor):
    def __init__(self, label: str, error: BaseException | None = None) -> None:
        super().__init__()
        self.label = label
        self.error = error
        self.ended = False

    def start(self) -> None:
        pass

    def submit(self, func: Any, resource_specification: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def shutdown(self) -> None:
        self.ended = True
        if self.error is not None:
            raise self.error


def test_every_step_is_taken_and_the_first_error_raised(tmp_path: Path, caplog: Any) -> None:
    one, other = Lasting("one", OSError("no goodbye")), Lasting("other")
    kernel = parsl.load(Config(executors=[one, other], memoizer=Broken(), run_dir=str(tmp_path)))
    with pytest.raises(OSError, match="no goodbye"):
        parsl.clear()
    assert one.ended and other.ended
    assert "the memoizer's last words" in caplog.text, "each error is in the log"
    assert kernel.time_completed is not None
    parsl.load(Config(executors=[ThreadPoolExecutor()], run_dir=str(tmp_path)))
    assert add(1, 2).result(WAIT) == 3


def test_a_keyboard_interrupt_ends_no_step_of_the_others(tmp_path: Path) -> None:
    one, other = Lasting("one", KeyboardInterrupt()), Lasting("other")
    parsl.load(Config(executors=[one, other], run_dir=str(tmp_path)))
    with pytest.raises(KeyboardInterrupt):
        parsl.clear()
    assert other.ended
    parsl.clear()


def test_a_kernel_that_cannot_be_started_leaves_no_thread(tmp_path: Path) -> None:
    class Never(Lasting):
        def start(self) -> None:
            raise OSError("never")

    before = set(threading.enumerate())
    memoizer = BasicMemoizer(checkpoint_mode="periodic", checkpoint_period="00:00:01")
    with pytest.raises(Exception, match="never"):
        parsl.load(Config(executors=[Never("never")], memoizer=memoizer, run_dir=str(tmp_path)))
    eventually(lambda: set(threading.enumerate()) <= before, "no thread is left")
    assert os.listdir(tmp_path) == ["000"]
