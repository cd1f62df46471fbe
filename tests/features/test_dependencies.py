"""Futures among the arguments: where they are found, what arrives, what waits."""

from __future__ import annotations

import concurrent.futures
import threading
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.dataflow.errors import DependencyError
from tests.helpers import WAIT, append, hold

WARM = True

pytestmark = pytest.mark.usefixtures("kernel")
CONFIG = {"initialize_logging": False}


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def increment(x: int) -> int:
    return x + 1


@python_app
def add(a: Any, b: Any = 0, inputs: Any = ()) -> Any:
    return a + b + sum(inputs)


@python_app
def results_of(futures: Any) -> list[Any]:
    return [f.result() for f in futures]


@python_app
def flatten(nested: Any) -> list[Any]:
    return [x for sub in nested for x in sub]


@python_app
def fail(text: str) -> None:
    raise ValueError(text)


def test_positional_keyword_and_inputs() -> None:
    assert add(value(1), b=value(20), inputs=[value(300), 4000, value(50000)]).result(WAIT) == 54321


def test_values_arrive_and_not_futures() -> None:
    @python_app
    def types(a: Any, b: Any = None, inputs: Any = ()) -> list[str]:
        return [type(x).__name__ for x in (a, b, *inputs)]

    assert types(value(1), b=value("x"), inputs=[value(2.5)]).result(WAIT) == ["int", "str", "float"]


def test_dependencies_already_done() -> None:
    done = value(3)
    assert done.result(WAIT) == 3
    assert add(done, b=done, inputs=[done]).result(WAIT) == 9


def test_the_same_future_many_times() -> None:
    one = value(1)
    assert add(one, b=one, inputs=[one] * 5).result(WAIT) == 7


def test_none_is_a_value() -> None:
    assert value(value(None)).result(WAIT) is None


def test_a_list_of_appfutures_by_result() -> None:
    assert results_of([value(i) for i in range(10)]).result(WAIT) == list(range(10))


def test_a_list_of_appfutures_by_iteration() -> None:
    assert flatten([value([i, i + 1]) for i in range(4)]).result(WAIT) == [0, 1, 1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize("place", ["list", "tuple", "dict value", "list in dict in list", "inputs", "keyword"])
def test_nested_futures_are_dependencies_wherever_they_are(place: str) -> None:
    def total(argument: Any = None, inputs: Any = ()) -> int:
        found = []

        def walk(x: Any) -> None:
            if isinstance(x, dict):
                for y in x.values():
                    walk(y)
            elif isinstance(x, (list, tuple)):
                for y in x:
                    walk(y)
            else:
                found.append(x.result())

        walk(argument if argument is not None else list(inputs))
        return sum(found)

    app = python_app(total)
    a, b = value(2), value(3)
    call = {
        "list": lambda: app([a, b]),
        "tuple": lambda: app((a, b)),
        "dict value": lambda: app({"a": a, "b": b}),
        "list in dict in list": lambda: app([{"both": [a, (b,)]}]),
        "inputs": lambda: app(inputs=[[a], {"b": b}]),
        "keyword": lambda: app(argument=[a, b]),
    }[place]
    assert call().result(WAIT) == 5


def test_what_a_stand_in_can_do() -> None:
    @python_app
    def inspect_all(number: Any, words: Any, thing: Any) -> dict[str, Any]:
        n, w, t = number[0], words[0], thing["t"]
        return {
            "done": n.done(),
            "exception": n.exception(),
            "arithmetic": (n + 1, 1 + n, n * 2, n - 1, -n, n / 2, n // 2, n**2, 10 % n),
            "comparison": (n == 4, n != 4, n < 5, n >= 4, n == 4, sorted([n, 2])[0]),
            "hash": {n: "found"}[4] + {4: "found"}[n],
            "container": (len(w), w[1], w[-1], list(w), "b" in w),
            "attribute": (t.real, t.imag, t.conjugate()),
            "text": (str(n), f"{n}"),
            "truth": (bool(n), bool(words[1])),
        }

    assert inspect_all([value(4)], [value(["a", "b"]), value([])], {"t": value(3 + 4j)}).result(WAIT) == {
        "done": True,
        "exception": None,
        "arithmetic": (5, 5, 8, 3, -4, 2.0, 2, 16, 2),
        "comparison": (True, False, True, True, True, 2),
        "hash": "foundfound",
        "container": (2, "b", "b", ["a", "b"], True),
        "attribute": (3.0, 4.0, 3 - 4j),
        "text": ("4", "4"),
        "truth": (True, False),
    }


def test_a_stand_in_that_comes_back_is_the_value() -> None:
    """An app that returns what it found in a list hands on something that behaves as the value."""

    @python_app
    def first(futures: Any) -> Any:
        return futures[0].result()

    result = first([value({"k": 1})]).result(WAIT)
    assert result == {"k": 1} and type(result) is dict


def test_the_callers_containers_stay_as_they_were() -> None:
    a = value(1)
    nested = {"list": [a], "tuple": (a,)}
    assert value(1).result(WAIT) == 1
    python_app(lambda x: None)(nested).result(WAIT)
    assert nested["list"][0] is a and nested["tuple"][0] is a


def test_waiting_for_a_list_holds_no_worker(tmp_path: Path) -> None:
    never: concurrent.futures.Future[int] = concurrent.futures.Future()
    waiting = [results_of([never, value(i)]) for i in range(8)]
    assert increment(1).result(WAIT) == 2
    assert not any(f.done() for f in waiting)
    never.set_result(7)
    assert [f.result(WAIT) for f in waiting] == [[7, i] for i in range(8)]


def test_futures_from_elsewhere() -> None:
    foreign: concurrent.futures.Future[int] = concurrent.futures.Future()
    futures = [add(foreign), add(1, b=foreign), add(1, inputs=[foreign]), results_of([foreign])]
    assert not any(f.done() for f in futures)
    threading.Timer(0.05, foreign.set_result, (10,)).start()
    assert [f.result(WAIT) for f in futures] == [10, 11, 11, [10]]


def test_futures_of_a_python_pool() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert add(pool.submit(pow, 2, 5), b=value(1)).result(WAIT) == 33


def test_a_foreign_future_that_fails() -> None:
    foreign: concurrent.futures.Future[int] = concurrent.futures.Future()
    future = add(foreign)
    foreign.set_exception(KeyError("from elsewhere"))
    with pytest.raises(DependencyError) as caught:
        future.result(WAIT)
    assert isinstance(caught.value.__cause__, KeyError)
    assert "from elsewhere" in str(caught.value) or "Future at" in str(caught.value)


def test_a_foreign_future_that_is_cancelled() -> None:
    foreign: concurrent.futures.Future[int] = concurrent.futures.Future()
    future = add(foreign)
    foreign.cancel()
    foreign.set_running_or_notify_cancel()
    with pytest.raises(DependencyError):
        future.result(WAIT)


@pytest.mark.parametrize("place", ["positional", "keyword", "inputs", "list", "dict"])
def test_nothing_runs_after_a_failed_dependency(place: str, tmp_path: Path) -> None:
    ran = str(tmp_path / "ran")

    def consumer(x: Any = None, inputs: Any = ()) -> None:
        append(ran)

    app, bad = python_app(consumer), fail("the reason")
    call = {
        "positional": lambda: app(bad),
        "keyword": lambda: app(x=bad),
        "inputs": lambda: app(inputs=[value(1), bad]),
        "list": lambda: app([value(1), bad]),
        "dict": lambda: app({"k": [bad]}),
    }[place]
    with pytest.raises(DependencyError) as caught:
        call().result(WAIT)
    assert isinstance(caught.value.__cause__, ValueError)
    assert not Path(ran).exists()


def test_diamonds_run_every_call_once(tmp_path: Path) -> None:
    counts = tmp_path / "counts"
    counts.mkdir()

    @python_app
    def node(name: str, *parents: int) -> int:
        append(f"{counts}/{name}")
        return 1 + sum(parents)

    top, expected = node("top"), 1
    for layer in range(12):
        left, right = node(f"left{layer}", top), node(f"right{layer}", top)
        top, expected = node(f"join{layer}", left, right), 2 * (expected + 1) + 1
    assert top.result(WAIT) == expected
    files = list(counts.iterdir())
    assert len(files) == 37
    assert {f.read_text() for f in files} == {"x"}


def test_many_readers_of_one_value() -> None:
    source = value(list(range(1000)))
    readers = [python_app(lambda x, k: x[k])(source, k) for k in range(200)]
    assert [f.result(WAIT) for f in readers] == list(range(200))


def test_a_long_chain() -> None:
    x: Any = 0
    for _ in range(2000):
        x = increment(x)
    assert x.result(120) == 2000


@pytest.mark.extended
@pytest.mark.timeout(400)
def test_a_chain_of_100000(config_name: str) -> None:
    if config_name != "threads":
        pytest.skip("the same client code as on threads")
    x: Any = 0
    for _ in range(100_000):
        x = increment(x)
    assert x.result(300) == 100_000


def test_a_failure_at_the_head_of_a_long_chain() -> None:
    gate: concurrent.futures.Future[int] = concurrent.futures.Future()
    x = increment(gate)
    for _ in range(3000):
        x = increment(x)
    gate.set_exception(OSError("head"))
    error = x.exception(WAIT)
    assert isinstance(error, DependencyError)
    assert isinstance(error.__cause__, OSError)
    assert len(str(error)) < 1_000_000


def test_a_large_fan_in() -> None:
    @python_app
    def total(inputs: Any = ()) -> int:
        return sum(inputs)

    assert total(inputs=[value(i) for i in range(3000)]).result(WAIT) == sum(range(3000))


def test_a_large_fan_in_of_done_futures_in_a_list() -> None:
    done: list[concurrent.futures.Future[int]] = []
    for i in range(3000):
        done.append(concurrent.futures.Future())
        done[-1].set_result(i)
    assert python_app(lambda futures: sum(f.result() for f in futures))(done).result(WAIT) == sum(range(3000))


def test_a_dependent_may_be_submitted_while_its_dependency_runs(tmp_path: Path, gate: str) -> None:
    first = python_app(hold)(str(tmp_path / "started"), gate, 5)
    chain = increment(increment(first))
    assert not chain.done()
    Path(gate).touch()
    assert chain.result(WAIT) == 7
