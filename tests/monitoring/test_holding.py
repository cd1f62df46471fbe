"""Events that wait for the last one of their task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from parsl_on_dask.common.states import States
from parsl_on_dask.monitoring.holding import Holding
from parsl_on_dask.monitoring.rows import MESSAGE, RAN

TASKS = [SimpleNamespace(id=number) for number in range(4)]


def event(kind: int, number: int) -> Any:
    return (kind, TASKS[number], 0, 0.0, None)


def kinds(events: list[Any]) -> list[tuple[int, int]]:
    return [(event[1].id, event[0]) for event in events]


def test_a_task_that_has_ended_is_let_go_as_a_whole() -> None:
    holding = Holding()
    begun = [event(States.pending, 0), event(States.pending, 1), event(States.launched, 1)]
    assert holding.take(begun, 0.0, 60.0, 100) == []
    ready = holding.take([event(RAN, 1), event(States.exec_done, 1), event(States.launched, 0)], 1.0, 60.0, 100)
    assert kinds(ready) == [(1, States.pending), (1, States.launched), (1, RAN), (1, States.exec_done)]
    assert kinds(holding.clear()) == [(0, States.pending), (0, States.launched)]
    assert not holding


def test_who_has_waited_long_enough_goes_first_and_not_too_many_at_a_time() -> None:
    holding = Holding()
    holding.take([event(States.pending, number) for number in (2, 1)], 0.0, 60.0, 100)
    holding.take([event(States.pending, 3), event(States.launched, 2)], 50.0, 60.0, 100)
    assert holding.take([], 59.0, 60.0, 100) == []
    assert kinds(holding.take([], 60.0, 60.0, 1)) == [(2, States.pending), (2, States.launched)]
    assert kinds(holding.take([], 60.0, 60.0, 100)) == [(1, States.pending)]
    assert kinds(holding.take([], 60.0, 0.0, 100)) == [(3, States.pending)]


def test_what_is_about_no_task_does_not_wait() -> None:
    message = (MESSAGE, None, 0, 0.0, "text")
    assert Holding().take([message], 0.0, 60.0, 100) == [message]
