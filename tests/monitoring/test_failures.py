"""Failures by what they come from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parsl_on_dask.monitoring.pages.failures import causes, failures


def task(number: int, app: str, failure: str | None, depends: tuple[int, ...] = ()) -> Any:
    kind = "failed" if failure else "not run"
    tries = [SimpleNamespace(failure=failure, joins="")] if failure else []
    return SimpleNamespace(id=number, app=app, kind=kind, depends=list(depends), tries=tries)


def run_of(*tasks: Any, rundir: str = "/nowhere") -> Any:
    return SimpleNamespace(tasks={t.id: t for t in tasks}, summary=SimpleNamespace(rundir=rundir))


def groups(*tasks: Any) -> list[tuple[int, list[int], list[int]]]:
    found = causes(failures(run_of(*tasks), {}))
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


def test_what_can_be_run_again_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runinfo/003/failed_calls").mkdir(parents=True)
    (tmp_path / "runinfo/003/failed_calls/7.call").touch()
    tasks = [task(7, "solve", "ValueError()"), task(8, "add", None, (7,)), task(9, "solve", "KeyError()")]
    found = failures(run_of(*tasks, rundir=str(tmp_path / "runinfo/003")), {})
    again = "python -m parsl_on_dask replay runinfo/003 7"
    assert {f.task.id: f.replay for f in found} == {7: again, 8: again, 9: ""}
