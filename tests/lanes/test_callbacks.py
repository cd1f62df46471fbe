"""Functions of users' are called one after the other, and none of them holds up the others."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

import pytest

from parsl_on_dask.lanes import callbacks as module
from parsl_on_dask.lanes.callbacks import Callbacks, PoliteFuture, when_done
from tests.helpers import WAIT, eventually


@pytest.fixture
def callbacks() -> Callbacks:
    return Callbacks()


def test_in_order_and_one_at_a_time(callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", WAIT)  # on a busy machine any of them may take long
    seen: list[int] = []
    at_a_time, most = 0, 0

    def note(i: int) -> None:
        nonlocal at_a_time, most
        at_a_time += 1
        most = max(most, at_a_time)
        seen.append(i)
        at_a_time -= 1

    for i in range(500):
        callbacks.run(note, i)
    assert callbacks.wait(WAIT)
    assert (seen, most) == (list(range(500)), 1)


def test_one_that_waits_for_a_later_one(callbacks: Callbacks) -> None:
    gates = [threading.Event() for _ in range(20)]
    got: list[int] = []

    def pass_on(i: int) -> None:
        if i + 1 < len(gates):
            assert gates[i + 1].wait(WAIT)
        got.append(i)
        gates[i].set()

    for i in range(20):
        callbacks.run(pass_on, i)
    assert gates[0].wait(WAIT) and callbacks.wait(WAIT)
    assert got == list(range(19, -1, -1))


@pytest.mark.parametrize("error", [ValueError("v"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_what_one_raises_is_logged(
    callbacks: Callbacks, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def fail(_: Any) -> None:
        raise error

    with caplog.at_level(logging.ERROR):
        callbacks.run(fail, "the future")
        callbacks.run(seen.append, 1)
        assert callbacks.wait(WAIT)
    assert seen == [1]
    assert "exception calling callback for 'the future'" in caplog.text
    assert type(error).__name__ in caplog.text


def test_an_argument_whose_repr_raises(callbacks: Callbacks, caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise SystemExit

        def fail(self) -> None:
            raise ValueError

    callbacks.run(Odd.fail, Odd())
    assert callbacks.wait(WAIT)
    assert "exception calling a callback: ValueError" in caplog.text


def test_waiting_leaves_out_the_one_that_waits(callbacks: Callbacks) -> None:
    got: list[bool] = []
    callbacks.run(lambda: got.append(callbacks.wait(WAIT)))
    assert callbacks.wait(WAIT) and got == [True]


def test_waiting_has_an_end(callbacks: Callbacks) -> None:
    gate = threading.Event()
    callbacks.run(gate.wait)
    assert not callbacks.wait(0.01)
    assert callbacks.busy
    gate.set()
    assert callbacks.wait(WAIT) and not callbacks.busy


def test_threads_without_work_end(callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parsl_on_dask.lanes.callbacks.LINGER", 0.01)
    names: set[int] = set()
    for _ in range(3):
        callbacks.run(lambda: names.add(threading.get_ident()))
    assert callbacks.wait(WAIT) and names
    eventually(lambda: not names & {t.ident for t in threading.enumerate()}, "the threads to end")
    callbacks.run(names.clear)  # another one begins
    assert callbacks.wait(WAIT) and not names


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_nothing_of_it_to_do(callbacks: Callbacks) -> None:
    gate = threading.Event()
    callbacks.run(gate.wait)
    callbacks.run(print)
    child = os.fork()
    if not child:
        os._exit(0 if not callbacks.busy else 1)
    assert os.waitpid(child, 0)[1] == 0
    gate.set()
    assert callbacks.wait(WAIT)


def test_a_future_has_users_callbacks_called_elsewhere_and_ours_here() -> None:
    where: dict[str, str] = {}
    future: PoliteFuture[int] = PoliteFuture()
    called = threading.Event()

    def theirs(_: Any) -> None:
        where["theirs"] = threading.current_thread().name
        called.set()

    future.add_done_callback(theirs)
    when_done(future, lambda _: where.update(ours=threading.current_thread().name))
    future.set_result(1)
    assert called.wait(WAIT)
    assert where["ours"] == threading.current_thread().name
    assert where["theirs"].startswith("parsl-callbacks")


def test_ours_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    future: PoliteFuture[int] = PoliteFuture()
    future.when_done(lambda _: 1 / 0)
    future.set_result(1)
    assert future.result() == 1 and "ZeroDivisionError" in caplog.text
