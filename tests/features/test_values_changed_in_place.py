"""A task that changes a large argument changes what nobody else sees; only a value of which it is the last holder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import join_app, python_app
from parsl_on_dask.dataflow import arguments, flow
from tests.helpers import WAIT, hold

WARM = True
pytestmark = pytest.mark.usefixtures("kernel")
COUNT = 40_000


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Threads share objects, as Parsl's do."""
    return str(request.param)


@python_app
def make() -> Any:
    return list(range(40_000))


@python_app
def make_after(started: str, gate: str) -> Any:
    return list(range(hold(started, gate, 40_000)))


@python_app
def spoil(x: Any) -> Any:
    x.clear()
    return len(x)


@python_app
def append(x: Any) -> Any:
    x.append(0)
    return x


@python_app
def size(x: Any) -> int:
    return len(x)


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What was found of each call that takes large values: whether it is their last holder."""
    found: list[bool] = []

    def let_go_of(*args: Any) -> bool:
        found.append(arguments.let_go_of(*args))
        return found[-1]

    monkeypatch.setattr(flow, "let_go_of", let_go_of)
    return found


def test_the_script_holds_the_future() -> None:
    a = make()
    assert spoil(a).result(WAIT) == 0
    assert len(a.result(WAIT)) == size(a).result(WAIT) == COUNT


def test_the_script_holds_it_in_a_list() -> None:
    futures = [make()]
    assert spoil(futures[0]).result(WAIT) == 0
    assert len(futures[0].result(WAIT)) == COUNT


def test_another_task_waits_for_it_too() -> None:
    a = make()
    sizes = [size(a) for _ in range(4)]
    spoilt = spoil(a)
    more = [size(a) for _ in range(4)]
    del a
    assert spoilt.result(WAIT) == 0
    assert {f.result(WAIT) for f in sizes + more} == {COUNT}


def test_a_chain_whose_last_future_is_kept_changes_its_values_in_place(owned: list[bool], gate: str) -> None:
    x = make_after(f"{gate}.started", gate)
    for _ in range(5):
        x = append(x)
    Path(gate).touch()  # not before the script has let go of every other future
    assert len(x.result(WAIT)) == COUNT + 5
    assert owned == [True] * 5


def test_a_chain_of_which_the_script_keeps_everything_does_not(owned: list[bool]) -> None:
    chain = [make()]
    for _ in range(3):
        chain.append(append(chain[-1]))
    assert [len(f.result(WAIT)) for f in chain] == [COUNT + i for i in range(4)]
    assert owned == [False] * 3


def test_the_inner_future_of_a_join() -> None:
    inner: list[Any] = []

    @join_app
    def through() -> Any:
        inner.append(make())
        return inner[0]

    assert spoil(through()).result(WAIT) == 0
    assert len(inner[0].result(WAIT)) == COUNT


def test_a_dask_future_of_the_same_value() -> None:
    a = make()
    size(a).result(WAIT)
    theirs = a.dask_future
    waits = size(a)
    spoilt = spoil(a)
    del a, waits
    assert spoilt.result(WAIT) == 0
    assert len(theirs.result(timeout=WAIT)) == COUNT
