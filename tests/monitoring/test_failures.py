"""Failures by what they come from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.monitoring.pages.failures import causes, failures


def task(number: int, app: str, failure: str | None, depends: tuple[int, ...] = ()) -> Any:
    kind = "failed" if failure else "not run"
    tries = [SimpleNamespace(failure=failure, joins="")] if failure else []
    return SimpleNamespace(id=number, app=app, kind=kind, depends=list(depends), tries=tries)


def groups(*tasks: Any) -> list[tuple[int, list[int], list[int]]]:
    run: Any = SimpleNamespace(tasks={t.id: t for t in tasks})
    found = causes(failures(run, {}))
    return [(c.root.task.id, [f.task.id for f in c.equals], [f.task.id for f in c.followers]) for c in found]


def test_equal_failures_are_one_group() -> None:
    failed = [task(n, "solve", "ZeroDivisionError('division by zero')") for n in range(4)]
    assert groups(*failed) == [(0, [1, 2, 3], [])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ValueError('no data in row 17')", "ValueError('no data in row 3')"),
        ("KeyError(<Mesh at 0x7f33aa>)", "KeyError(<Mesh at 0x7f33bb>)"),
        ("WorkerLost('... it ran app solve, task 4')", "WorkerLost('... it ran app solve, task 12')"),
    ],
)
def test_numbers_make_no_difference(one: str, other: str) -> None:
    assert groups(task(0, "solve", one), task(1, "solve", other)) == [(0, [1], [])]


def test_apps_and_errors_do() -> None:
    found = groups(task(0, "solve", "ValueError()"), task(1, "solve", "KeyError()"), task(2, "mesh", "ValueError()"))
    assert [root for root, _, _ in found] == [0, 1, 2]


def test_what_waited_for_any_of_them_is_in_the_group() -> None:
    failed = [task(n, "solve", "ValueError()") for n in (0, 2)]
    waited = [task(1, "add", None, (0,)), task(3, "add", None, (2,)), task(4, "add", None, (3,))]
    assert groups(*failed, *waited) == [(0, [2], [1, 3, 4])]
