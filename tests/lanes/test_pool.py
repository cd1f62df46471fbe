"""Threads that take from one queue, and hand their places over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from parsl_on_dask.lanes.pool import Pool
from tests.helpers import WAIT, eventually


@pytest.fixture
def make() -> Iterator[Callable[[int], Pool]]:
    """A function that makes pools of so many places, whose items are functions."""
    made: list[Pool] = []

    def pool(places: int) -> Pool:
        made.append(Pool(places, "test-pool", lambda item: item()))
        return made[-1]

    yield pool
    for one in made:
        one.end()
        eventually(lambda one=one: not one.threads, "its threads have ended")


class Step:
    """An item that waits in the middle."""

    def __init__(self, before: Callable[[], Any] = lambda: None, after: Callable[[], Any] = lambda: None) -> None:
        self.before, self.after = before, after
        self.begun, self.go, self.over = (threading.Event() for _ in range(3))

    def __call__(self) -> None:
        self.before()
        self.begun.set()
        assert self.go.wait(WAIT)
        self.after()
        self.over.set()


def test_there_are_threads_when_there_is_work_and_no_more_than_places(make: Callable[[int], Pool]) -> None:
    pool = make(2)
    assert pool.threads == 0
    steps = [Step() for _ in range(3)]
    pool.put(steps[0])
    assert steps[0].begun.wait(WAIT) and pool.threads == 1
    for step in steps[1:]:
        pool.put(step)
    assert steps[1].begun.wait(WAIT) and pool.threads == 2 and not steps[2].begun.is_set()
    for step in steps:
        step.go.set()
    assert steps[2].over.wait(WAIT)


def test_an_idle_thread_is_taken_before_another_one_starts(make: Callable[[int], Pool]) -> None:
    pool = make(4)
    for _ in range(5):
        done = threading.Event()
        pool.put(done.set)
        assert done.wait(WAIT)
        eventually(lambda: pool._idle == 1, "it waits for more")
    assert pool.threads == 1


def test_two_items_for_one_idle_thread_run_side_by_side(make: Callable[[int], Pool]) -> None:
    """The second one may have counted on the thread that takes the first one."""
    pool = make(2)
    done = threading.Event()
    pool.put(done.set)
    assert done.wait(WAIT)
    eventually(lambda: pool._idle == 1, "it waits for more")
    together = threading.Barrier(3)
    pool.queue.put(together.wait)  # as if put() had been told that somebody is idle
    pool.queue.put(together.wait)
    together.wait(WAIT)


def test_a_place_that_was_left_is_taken_by_another(make: Callable[[int], Pool]) -> None:
    pool = make(1)
    left: list[bool] = []
    step, other = Step(lambda: left.extend((pool.leave(), pool.leave()))), Step()
    pool.put(step)
    pool.put(other)
    assert step.begun.wait(WAIT) and other.begun.wait(WAIT) and left == [True, False]
    assert pool.threads == 1
    other.go.set()
    step.go.set()
    assert step.over.wait(WAIT)
    done = threading.Event()
    pool.put(done.set)
    assert done.wait(WAIT) and pool.threads == 1


def test_who_comes_back_waits_for_a_place(make: Callable[[int], Pool]) -> None:
    pool = make(1)
    back = threading.Event()

    def come_back() -> None:
        pool.come_back(back.set)
        assert back.wait(WAIT)

    step, other, third = Step(pool.leave, come_back), Step(), Step()
    for item in (step, other, third):
        pool.put(item)
    assert step.begun.wait(WAIT) and other.begun.wait(WAIT)
    step.go.set()
    eventually(lambda: pool._returning, "it wants its place")
    assert not back.is_set()
    other.go.set()
    assert back.wait(WAIT) and step.over.wait(WAIT), "before those that have not begun"
    third.go.set()
    assert third.over.wait(WAIT) and pool.threads == 1


def test_an_idle_thread_gives_its_place(make: Callable[[int], Pool]) -> None:
    pool = make(1)
    back, done = threading.Event(), threading.Event()

    def come_back() -> None:
        pool.come_back(back.set)
        assert back.wait(WAIT)

    step = Step(pool.leave, come_back)
    pool.put(step)
    assert step.begun.wait(WAIT)
    pool.put(done.set)
    assert done.wait(WAIT)
    eventually(lambda: pool._idle == 1, "the other one is idle")
    step.go.set()
    assert step.over.wait(WAIT) and pool.threads == 1


def test_a_place_that_nobody_took_is_there_at_once(make: Callable[[int], Pool]) -> None:
    pool = make(1)
    back = threading.Event()
    step = Step(pool.leave, lambda: pool.come_back(back.set))
    pool.put(step)
    step.go.set()
    assert step.over.wait(WAIT) and back.is_set() and pool.threads == 1


def test_the_end_comes_after_what_waits_and_for_those_that_come_back(make: Callable[[int], Pool]) -> None:
    pool = make(1)
    back = threading.Event()

    def come_back() -> None:
        pool.come_back(back.set)
        assert back.wait(WAIT)

    step, other = Step(pool.leave, come_back), Step()
    pool.put(step)
    pool.put(other)
    assert other.begun.wait(WAIT)
    pool.end()
    step.go.set()
    eventually(lambda: pool._returning, "it wants its place")
    other.go.set()
    assert step.over.wait(WAIT)
    eventually(lambda: not pool.threads, "all have ended")


def test_all_threads_can_start_at_once(make: Callable[[int], Pool]) -> None:
    pool = make(3)
    pool.fill()
    assert pool.threads == 3
