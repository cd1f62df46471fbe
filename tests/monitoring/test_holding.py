"""Events that wait for the last one of their task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from parsl_on_dask.common.states import States
from parsl_on_dask.monitoring.holding import Holding
from parsl_on_dask.monitoring.rows import MESSAGE, RAN, Group, events_of

TASKS = [SimpleNamespace(id=number) for number in range(4)]


def event(kind: int, number: int) -> Any:
    return (kind, TASKS[number], 0, 0.0, None)


def kinds(groups: list[Group]) -> list[tuple[int, int]]:
    return [(record.id, kind) for group in groups for kind, record, *_ in events_of(iter(group[1:]))]


def test_a_task_that_has_ended_is_let_go_as_a_whole() -> None:
    holding = Holding()
    begun = [event(States.pending, 0), event(States.pending, 1), event(States.launched, 1)]
    assert holding.take(begun, 0.0, 60.0, 100) == []
    ready = holding.take([event(RAN, 1), event(States.exec_done, 1), event(States.launched, 0)], 1.0, 60.0, 100)
    assert kinds(ready) == [(1, States.pending), (1, States.launched), (1, RAN), (1, States.exec_done)]
    assert kinds([[0.0, *holding.clear()]]) == [(0, States.pending), (0, States.launched)]
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
    assert Holding().take([message], 7.0, 60.0, 100) == [[7.0, *message]]


def test_what_comes_after_the_end_of_its_task_is_written_with_it() -> None:
    events = [event(States.pending, 0), event(States.exec_done, 0), event(RAN, 0)]
    (group,) = Holding().take(events, 0.0, 0.0, 100)
    assert kinds([group]) == [(0, States.pending), (0, States.exec_done), (0, RAN)]
