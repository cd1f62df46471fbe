"""Ctrl-C while a kernel is being shut down: nothing stays behind, and the interrupt is raised in the end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.common import interrupts
from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl_on_dask.remote import scratch
from tests.helpers import WAIT, hold


def threads() -> Any:
    return ThreadPoolExecutor("end", max_threads=1)


def processes() -> Any:
    return HighThroughputExecutor("end", max_workers_per_node=1)


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("executor", [threads, processes])
def test_nothing_stays_behind(executor: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[str] = []
    make = scratch.make
    monkeypatch.setattr(scratch, "make", lambda *a, **k: folders.append(make(*a, **k)) or folders[-1])
    kernel = parsl.load(parsl.Config(executors=[executor()], run_dir=str(tmp_path)))
    kernel.scaler.close, close = lambda: (ctrl_c(), close()), kernel.scaler.close
    gate, started = tmp_path / "gate", tmp_path / "started"
    running, waiting = (python_app(hold)(str(started), str(gate)) for _ in range(2))
    try:
        with pytest.raises(KeyboardInterrupt):
            kernel.cleanup()
        assert (folders or executor is threads) and not any(map(os.path.exists, folders))
        assert waiting.done() and running.done()
        assert not interrupts.came()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        gate.touch()


def test_the_second_one_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.deferred():
        ctrl_c()
        assert interrupts.came()
        ctrl_c()
        pytest.fail("the second one was deferred")
    assert not interrupts.came()


def test_blocks_in_a_block_are_one() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), interrupts.deferred():
        with interrupts.deferred():
            ctrl_c()
            steps.append("inner")
        steps.append("outer")
    assert steps == ["inner", "outer"]


def test_a_handler_of_the_users_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: calls.append(number))
    try:
        with interrupts.deferred():
            ctrl_c()
            assert calls == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_have_no_interrupts() -> None:
    def block() -> None:
        with interrupts.deferred():
            handlers.append(signal.getsignal(signal.SIGINT))

    handlers: list[Any] = []
    thread = threading.Thread(target=block)
    thread.start()
    thread.join(WAIT)
    assert handlers == [signal.getsignal(signal.SIGINT)]
