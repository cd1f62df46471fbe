"""When the arguments of a call are taken: what a script does to them afterwards changes nothing."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import join_app, python_app
from tests.helpers import WAIT

WARM = True
pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def held(gate: str, x: Any) -> Any:
    import os
    import time

    while not os.path.exists(gate):
        time.sleep(0.002)
    return x


@python_app
def length(history: Any) -> int:
    return len(history)


@python_app
def total(parts: Any) -> int:
    parts = parts.values() if hasattr(parts, "values") else parts
    return sum(part.result() if hasattr(part, "result") else sum(p.result() for p in part) for part in parts)


@python_app
def content(x: Any, after: Any = None, inputs: Any = ()) -> Any:
    return repr((x, *inputs) if inputs else x)


def test_a_list_that_grows_by_its_own_calls() -> None:
    history: list[Any] = [value(0)]
    for _ in range(29):
        history.append(length(history))
    assert [f.result(WAIT) for f in history] == list(range(30))


def test_a_dict_that_grows_by_its_own_calls() -> None:
    history: dict[int, Any] = {0: value(0)}
    for i in range(1, 30):
        history[i] = length(history)
    assert [f.result(WAIT) for f in history.values()] == list(range(30))


def test_a_buffer_that_is_emptied(gate: str) -> None:
    out, buffer = [], []
    for i in range(6):
        buffer.append(held(gate, i * i))
        if len(buffer) == 3:
            out.append(total(buffer))
            buffer.clear()
    Path(gate).touch()
    assert [f.result(WAIT) for f in out] == [5, 50]


def changed_list(made: list[Any]) -> Any:
    given = list(made)
    yield given
    given[0] = given.pop()


def changed_dict(made: list[Any]) -> Any:
    given = dict(enumerate(made))
    yield given
    given.pop(1)


def changed_set(made: list[Any]) -> Any:
    given = set(made)
    yield given
    given.clear()


def changed_inside_a_tuple(made: list[Any]) -> Any:
    inner = list(made)
    yield (inner,)
    inner.append(made[0])


def changed_inside_a_dict(made: list[Any]) -> Any:
    inner = list(made)
    yield {"parts": inner}
    del inner[:]


@pytest.mark.parametrize(
    "change", [changed_list, changed_dict, changed_set, changed_inside_a_tuple, changed_inside_a_dict]
)
def test_containers_of_futures_of_all_kinds(change: Callable[[Any], Any], gate: str) -> None:
    made = [held(gate, i) for i in (1, 20, 300)]
    changing = change(made)
    result = total(next(changing))
    assert next(changing, None) is None
    Path(gate).touch()
    assert result.result(WAIT) == 321


def test_keywords_and_inputs(gate: str) -> None:
    waits = held(gate, 0)
    given, inputs = [waits], [waits, 7]
    result = content(1, after=given, inputs=inputs)
    inputs.clear()
    given.append("more")
    Path(gate).touch()
    assert result.result(WAIT) == "(1, 0, 7)"


PLAIN_CONTAINERS = {
    "list": [1, 2],
    "nested": [[1], {"a": [2]}, ([3],)],
    "dict": {"a": 1},
    "set": {1, 2},
    "deque": deque([1], maxlen=3),
    "ordered": OrderedDict(a=1),
    "defaultdict": defaultdict(int, a=1),
    "counter": Counter(a=1),
    "bytearray": bytearray(b"ab"),
}


def spoil(given: Any) -> None:
    for inner in list(given.values()) if isinstance(given, dict) else list(given):
        if isinstance(inner, (list, dict, tuple)):
            spoil(inner)
    if not isinstance(given, tuple):
        given.clear()


@pytest.mark.parametrize("kind", PLAIN_CONTAINERS)
def test_containers_without_futures_beside_one(kind: str, gate: str, config_name: str) -> None:
    import copy

    given = copy.deepcopy(PLAIN_CONTAINERS[kind])
    expected = repr(given)
    result = content(given, after=held(gate, 0))
    spoil(given)
    Path(gate).touch()
    if config_name == "threads":  # by reference, as without a dependency
        assert result.result(WAIT) == repr(given) != expected
    else:
        assert result.result(WAIT) == expected


def test_threads_get_the_lists_themselves(gate: str, config_name: str) -> None:
    if config_name != "threads":
        pytest.skip("threads share objects")

    @python_app
    def note(notes: list[Any], x: Any) -> None:
        notes.append(x)

    notes: list[Any] = []
    waiting = note(notes, held(gate, 1))
    Path(gate).touch()
    waiting.result(WAIT)
    assert notes == [1]


def test_a_list_that_holds_itself(gate: str) -> None:
    given: list[Any] = [held(gate, 1)]
    given.append(given)
    result = length(given)
    given.clear()
    Path(gate).touch()
    assert result.result(WAIT) == 2


def test_a_join_whose_body_goes_on_with_its_list(gate: str) -> None:
    shared: list[Any] = []

    @join_app
    def both() -> Any:
        shared.extend([value(1), held(gate, 2)])
        return shared

    joined = both()
    while len(shared) < 2 or not joined.task_record.joins:
        pass
    late = held(gate + ".never", 3)
    shared.append(late)
    Path(gate).touch()
    assert joined.result(WAIT) == [1, 2]
    Path(gate + ".never").touch()
    late.result(WAIT)
