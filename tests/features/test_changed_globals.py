"""Whoever changes a global variable in an app is told, once, that the script does not see that."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.lanes.own_globals import changed_globals, warn_of_changes
from parsl_on_dask.old_spellings.legacy import forget_warnings
from tests.helpers import WAIT

WARM = True

counts = {"a": 0}
names: list[str] = []
last: deque[int] = deque()
number = 0
text = "x"


def by_key(x: int) -> None:
    counts["a"] += x


def by_method(x: int) -> None:
    names.append(str(x))


def inside(x: int) -> None:
    def add() -> None:
        last.appendleft(x)

    add()


def declared(x: int) -> None:
    global number
    number = x


def deleted() -> None:
    del counts["a"]


def several() -> None:
    counts.clear()
    counts["b"] = 1
    names.clear()


def read_only(x: int) -> int:
    return counts["a"] + len(names) + number + x


def of_its_own(x: int) -> Any:
    counts = {"a": x}
    counts["a"] += 1
    return counts, [names.append(x) for names in [[]]]  # type: ignore[func-returns-value, var-annotated]


def no_container() -> Any:
    return text.join(["a"]), [].append(1)  # type: ignore[func-returns-value]


@pytest.fixture(autouse=True)
def every_report_is_new() -> None:
    forget_warnings()


@pytest.mark.parametrize(
    ("function", "found"),
    [
        *((by_key, ["counts"]), (by_method, ["names"]), (inside, ["last"]), (declared, ["number"])),
        *((deleted, ["counts"]), (several, ["counts", "names"])),
        *((read_only, []), (of_its_own, []), (no_container, []), (eval("lambda: counts.clear()"), [])),
    ],
)
def test_what_is_found(function: Any, found: list[str]) -> None:
    assert [name for name, _ in changed_globals(function)] == found


def test_the_line_is_named_once() -> None:
    with pytest.warns(UserWarning, match=r"App 'by_key' changes the global variable 'counts'. On executor 'x'") as seen:
        warn_of_changes(by_key, "executor 'x'")
    assert (seen[0].filename, seen[0].lineno) == (__file__, by_key.__code__.co_firstlineno + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function in (by_key, read_only, partial(by_key, 1), len, Any):
            warn_of_changes(function, "executor 'x'")


def test_no_call_fails_where_warnings_are_errors(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_changes(by_key, "executor 'x'")
    assert "changes the global variable 'counts'" in caplog.text


@pytest.mark.filterwarnings("always")
def test_apps(load: Callable[..., Any], config_name: str, recwarn: pytest.WarningsRecorder) -> None:
    load()
    for _ in range(2):
        python_app(by_method)(1).result(WAIT)
    told = [w for w in recwarn if "global variable" in str(w.message)]
    assert len(told) == (0 if config_name == "threads" else 1)
