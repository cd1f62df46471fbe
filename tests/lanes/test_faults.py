"""Whose fault it is when calls fail: the app's, or a node's."""

from __future__ import annotations

import random

import pytest

from parsl_on_dask.lanes import faults as module
from parsl_on_dask.lanes.faults import ENOUGH, Faults


def faults() -> tuple[Faults, list[str]]:
    blamed: list[str] = []
    return Faults(lambda worker: worker.partition("-")[0], lambda node, why: blamed.append(node)), blamed


def test_a_node_on_which_all_calls_fail_is_blamed_once() -> None:
    found, blamed = faults()
    for _ in range(3 * ENOUGH):
        found.failed("n1-0", "app", "OSError")
        found.worked("n2-0", "app")
        found.worked("n3-0", "app")
    assert blamed[0] == "n1" and set(blamed) == {"n1"}


def test_so_many_have_to_fail_there_and_so_many_to_succeed_elsewhere() -> None:
    def fail(node: str, times: int) -> None:
        for _ in range(times):
            found.failed(f"{node}-0", "app", "OSError")

    def work(node: str, times: int) -> None:
        for _ in range(times):
            found.worked(f"{node}-0", "app")

    found, blamed = faults()
    fail("n1", ENOUGH - 1)
    work("n2", ENOUGH)
    assert not blamed
    fail("n1", 1)
    assert blamed == ["n1"]

    found, blamed = faults()
    fail("n1", 1)
    work("n1", 3)  # which is not elsewhere
    fail("n1", ENOUGH)
    work("n2", ENOUGH - 1)
    assert not blamed
    work("n2", 1)
    assert blamed == ["n1"]

    found, blamed = faults()
    fail("n3", 1)
    fail("n1", ENOUGH)
    work("n2", 9)
    assert not blamed
    work("n2", 1)
    assert blamed == ["n1"], "a tenth may fail elsewhere"

    found, blamed = faults()
    fail("n3", 1)
    fail("n2", 1)
    fail("n1", ENOUGH)
    work("n2", 19)
    assert not blamed
    work("n2", 1)
    assert blamed == ["n1"]


def test_an_app_that_fails_everywhere_is_at_fault_itself() -> None:
    found, blamed = faults()
    for _ in range(50):
        for node in ("n1", "n2", "n3"):
            found.failed(f"{node}-0", "app", "ValueError")
    assert not blamed


def test_an_app_that_fails_now_and_then_blames_nobody() -> None:
    found, blamed = faults()
    chance = random.Random(3)
    for _ in range(20_000):
        node = chance.choice(("n1", "n2", "n3"))
        if chance.random() < 0.3:
            found.failed(f"{node}-0", "app", "ValueError")
        else:
            found.worked(f"{node}-0", "app")
    assert not blamed


def test_what_works_again_is_forgotten() -> None:
    found, blamed = faults()
    for _ in range(ENOUGH - 1):
        found.failed("n1-0", "app", "OSError")
    found.worked("n1-0", "app")
    for _ in range(ENOUGH):
        found.worked("n2-0", "app")
    found.failed("n1-0", "app", "OSError")
    assert not blamed


def test_workers_whose_nodes_cannot_be_told_apart() -> None:
    found = Faults(lambda worker: None, lambda node, why: None)
    found.failed("w", "app", "OSError")
    assert not found.suspected


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 16)
    found, blamed = faults()
    for i in range(50):
        found.failed(f"n{i}-0", f"closure {i}", "OSError")
        found.failed(f"n{i}-0", "app", "OSError")
        found.worked(f"n{i}-1", "app")
    assert len(found.suspected) == len(found._last) == 16
    assert len(found.suspected.get("app", {})) <= 16
    assert not blamed
