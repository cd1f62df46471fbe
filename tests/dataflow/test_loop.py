"""Steps that follow from each other."""

from __future__ import annotations

import threading

import pytest

from parsl_on_dask.dataflow.loop import Loop
from tests.helpers import WAIT


def test_a_chain_of_any_length() -> None:
    seen: list[int] = []
    loop = Loop(lambda item, error: None)

    def step(n: int) -> None:
        seen.append(n)
        if n:
            loop.soon(step, n - 1)

    loop.soon(step, 20_000)
    assert seen == list(range(20_000, -1, -1))


def test_a_step_that_raises_breaks_its_own_item_only() -> None:
    broken: list[tuple[str, BaseException]] = []
    loop = Loop(lambda item, error: broken.append((item, error)))
    done: list[str] = []
    error = SystemExit(3)

    def begin(item: str) -> None:
        loop.soon(fail, "bad")
        loop.soon(done.append, "good")

    def fail(item: str) -> None:
        raise error

    loop.soon(begin, "first")
    assert broken == [("bad", error)] and done == ["good"]


def test_ctrl_c_is_raised_when_all_is_done() -> None:
    broken: list[str] = []
    loop = Loop(lambda item, error: broken.append(item))
    done: list[str] = []

    def interrupted(item: str) -> None:
        loop.soon(done.append, "the next")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.soon(interrupted, "one")
    assert broken == ["one"] and done == ["the next"]
    assert not loop.is_here() and not loop.busy


def test_threads_have_lists_of_their_own() -> None:
    loop = Loop(lambda item, error: None)
    entered, leave = threading.Event(), threading.Event()
    seen: list[tuple[bool, bool]] = []

    def stay(item: str) -> None:
        seen.append((loop.is_here(), loop.busy))
        entered.set()
        assert leave.wait(WAIT)

    thread = threading.Thread(target=loop.soon, args=(stay, "there"))
    thread.start()
    assert entered.wait(WAIT)
    assert loop.busy and not loop.is_here()
    loop.soon(lambda item: seen.append((loop.is_here(), loop.busy)), "here")
    leave.set()
    thread.join(WAIT)
    assert seen == [(True, False), (True, True)] and not loop.busy
