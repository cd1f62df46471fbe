"""Why was it not reused?"""

from __future__ import annotations

import functools
import gc
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import AUTO_LOGNAME, Config, bash_app, python_app
from parsl_on_dask.app.explanation import explain
from parsl_on_dask.checkpoint.keys import make_hash, make_key
from parsl_on_dask.executors import ThreadPoolExecutor
from tests.helpers import WAIT


def simulate(mesh: Any, steps: int = 1, seed: int = 0, outputs: Any = ()) -> Any:
    return mesh


def parts_of_key(*args: Any, **kwargs: Any) -> Any:
    return make_key(*args, **kwargs)[1]


def record(*args: Any, func: Any = simulate, version: str | None = None, **kwargs: Any) -> dict[str, Any]:
    return {"func": func, "args": args, "kwargs": kwargs, "ignore_for_cache": ["seed"], "cache_version": version}


def entry(*args: Any, written: float = 1.0, app: str = "simulate", **kwargs: Any) -> Any:
    key, parts = make_key(record(*args, **kwargs))
    return SimpleNamespace(key=key, app=app, written=written, parts=parts)


def test_parts_are_labelled_and_short() -> None:
    parts = parts_of_key(record("fine", 2, [1] * 1000, seed=4, note="x" * 100, outputs=["a"]))
    assert [(label, text) for label, _, text in parts] == [
        ("function", "simulate"),
        ("argument 0 (mesh)", "'fine'"),
        ("argument 1 (steps)", "2"),
        ("argument 2 (seed)", "list of 1000"),
        ("keyword note", "str of 100"),
        ("outputs", "['a']"),
    ]
    assert all(len(digits) == 12 for _, digits, _ in parts)
    assert make_key(record(1))[0] == make_hash(record(1))


def test_equal_parts_are_equal_and_a_changed_one_is_not() -> None:
    one, two = parts_of_key(record("fine", steps=1)), parts_of_key(record("fine", steps=2))
    assert [a == b for a, b in zip(one, two, strict=True)] == [True, True, False]
    assert parts_of_key(record(1))[0] != parts_of_key(record(1, version="2"))[0]
    assert parts_of_key(record(1), identity="source")[0] != parts_of_key(record(1))[0]


def test_a_part_that_is_no_bytes() -> None:
    class Named:
        pass

    from parsl_on_dask.checkpoint.keys import id_for_memo

    id_for_memo.register(Named)(lambda obj, output_ref=False: ["a", "list"])
    assert parts_of_key(record(Named(), x=Named()))[1][2] == "Named"


def test_the_nearest_call_is_the_one_with_the_most_equal_parts() -> None:
    entries = [
        entry("coarse", steps=1),
        entry("fine", steps=3, written=5.0),
        entry("fine", steps=4, written=9.0),
        entry("fine", steps=2, app="other"),
    ]
    found = explain(record("fine", steps=2), entries)
    assert (found.nearest, found.compared, found.found) == (entries[2], 3, False)
    assert found.different == ("keyword steps",)
    text = str(found)
    assert "differs in keyword steps" in text
    row = next(line for line in text.splitlines() if line.strip().startswith("keyword steps"))
    assert row.split() == ["keyword", "steps", "2", "4", "NO"]


def test_missing_and_additional_arguments() -> None:
    found = explain(record("fine", 5), [entry("fine", extra=1)])
    assert found.different == ("argument 1 (steps)", "keyword extra")
    assert "(none)" in str(found)


def test_two_values_that_look_alike_are_told_apart() -> None:
    found = explain(record([0] * 99), [entry([1] * 99)])
    assert found.rows[1].here != found.rows[1].there
    assert found.rows[1].here is not None and found.rows[1].here.startswith("list of 99 ")


def test_a_recorded_call_and_an_unknown_app() -> None:
    assert "its result is recorded" in str(explain(record(1), [entry(2), entry(1)]))
    assert explain(record(1), [entry(1)]).found
    unknown = explain(record(1), [])
    assert unknown.nearest is None and "no call of this app is recorded" in str(unknown)
    assert "'fine'" in str(explain(record("fine"), []))


def test_entries_without_parts() -> None:
    bare = SimpleNamespace(key="0" * 32, app="simulate", written=1.0, parts=())
    assert "do not say what their keys were made of" in str(explain(record(1), [bare]))


def test_another_identity_shows_in_the_function() -> None:
    found = explain(record(1, version="2"), [entry(1)])
    assert found.different == ("function",)
    assert "version:2" in str(found)


@python_app(cache=True, ignore_for_cache=["seed"])
def app(mesh: Any, seed: int = 0, inputs: Any = ()) -> Any:
    return mesh


@bash_app(cache=True)
def command(x: int, times: int = 2, stdout: Any = None) -> str:
    return "true"


def test_calls_that_are_not_made() -> None:
    made = {"func": app.func, "args": (1,), "kwargs": {"inputs": ()}, "ignore_for_cache": ()}
    recorded = SimpleNamespace(key=make_hash(made), app="app", written=1.0, parts=parts_of_key(made))
    for call in ((app, (1,), {"seed": 5}), functools.partial(app, 1, seed=5), (app, [1])):
        assert explain(call, [recorded]).found
    bash = explain(functools.partial(command, 1, stdout=AUTO_LOGNAME), [])
    assert [row.part for row in bash.rows] == ["function", "argument 0 (x)", "keyword times"]
    for wrong in (5, (), (5, (1,)), ("a", "b")):
        with pytest.raises(TypeError, match=r"explain\(\) takes"):
            explain(wrong, [])


def test_futures_among_the_arguments() -> None:
    done: Future[int] = Future()
    done.set_result(1)
    assert explain(record(done, x=[done]), [entry(1, x=[1])]).found
    with pytest.raises(ValueError, match="future that is not done"):
        explain(record(Future()), [])


def test_futures_of_a_kernel() -> None:
    config = Config(executors=[ThreadPoolExecutor(max_threads=1)], garbage_collect=False, initialize_logging=False)
    with parsl.load(config) as kernel:
        future = app(1)
        assert future.result(WAIT) == 1
        assert [r.here for r in explain(future, []).rows][:2] == ["app", "1"]
        assert explain(future, []).key == future.task_record["hashsum"]
        kernel.memoizer.entries = lambda: [  # type: ignore[attr-defined]
            SimpleNamespace(key="0" * 32, app="app", written=1.0, parts=parts_of_key(future.task_record))
        ]
        assert explain(future).compared == 1
        assert explain((app, (2,))).different == ("argument 0 (mesh)",)


def test_a_finished_call_with_small_arguments() -> None:
    with parsl.load(Config(executors=[ThreadPoolExecutor(max_threads=1)], initialize_logging=False)):
        future = app(1)
        assert future.result(WAIT) == 1
        assert [r.here for r in explain(future, []).rows][:2] == ["app", "1"]
        assert explain(future, []).key == future.task_record["hashsum"]


def test_a_forgotten_argument_is_an_error_unless_the_parts_were_kept() -> None:
    config = Config(executors=[ThreadPoolExecutor(max_threads=1)], initialize_logging=False)
    with parsl.load(config):
        future = python_app(cache=True)(lambda mesh: len(mesh))(frozenset(range(5000)))
        future.result(WAIT)
        gc.collect()
        with pytest.raises(ValueError, match=r"no longer kept.*explain\(\(app, args, kwargs\)\)"):
            explain(future, [])
        future.task_record["key_parts"] = [("function", "0" * 12, "app")]
        assert explain(future, []).rows[0].here == "app"
        with pytest.raises(ValueError, match="memoizer keeps them"):
            explain((app, (1,)))
