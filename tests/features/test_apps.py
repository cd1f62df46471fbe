"""What can be made an app, what an app is, and how it is called."""

from __future__ import annotations

import functools
import inspect
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import bash_app, join_app, python_app
from parsl_on_dask.app.app import AppBase
from parsl_on_dask.app.bash import BashApp
from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.app.python import PythonApp
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.dataflow.futures import AppFuture
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from tests.helpers import WAIT, eventually, hold, text_of

WARM = True

pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def double(x: int) -> int:
    """Twice x."""
    return 2 * x


@python_app()
def triple(x: int) -> int:
    return 3 * x


@python_app(executors="all", cache=False)
def power(x: int, *, exponent: int = 2) -> int:
    return x**exponent


def plain(a: int, b: int = 5, *rest: int, **named: int) -> tuple[Any, ...]:
    """Show what arrived."""
    return a, b, rest, named


class Scale:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def apply(self, x: int) -> int:
        return self.factor * x


@python_app
def worker_pid() -> int:
    return os.getpid()


@bash_app
def echo(word: str, stdout: Any = None) -> str:
    return f"echo {word}"


@bash_app
def greet(greeting: str = "hello", name: str = "world", stdout: Any = None) -> str:
    return f"echo {greeting}, {name}"


def test_decorated_bare_with_parentheses_and_with_arguments() -> None:
    assert double(21).result(WAIT) == 42
    assert triple(14).result(WAIT) == 42
    assert power(6).result(WAIT) == 36
    assert power(2, exponent=5).result(WAIT) == 32


@pytest.mark.parametrize(
    "function, args, expected",
    [
        (plain, (1,), (1, 5, (), {})),
        (lambda x: x + 1, (1,), 2),
        (functools.partial(plain, 7), (8,), (7, 8, (), {})),
        (Scale(3).apply, (4,), 12),
        (Scale.apply, (Scale(5), 4), 20),
        (len, ([1, 2, 3],), 3),
        (max, (3, 9), 9),
    ],
    ids=["function", "lambda", "partial", "bound method", "unbound method", "builtin", "builtin without signature"],
)
def test_python_app_called_on(function: Any, args: tuple[Any, ...], expected: Any) -> None:
    assert python_app(function)(*args).result(WAIT) == expected


def test_all_kinds_of_parameters() -> None:
    app = python_app(plain)
    assert app(1, 2, 3, 4, five=5).result(WAIT) == (1, 2, (3, 4), {"five": 5})
    assert app(b=2, a=1).result(WAIT) == (1, 2, (), {})


def test_function_defined_where_it_is_used() -> None:
    offset = 10

    @python_app
    def shifted(x: int) -> int:
        return x + offset

    assert [shifted(i).result(WAIT) for i in range(3)] == [10, 11, 12]


def test_bash_app_forms(tmp_path: Path) -> None:
    def command(word: str, stdout: Any = None) -> str:
        return f"echo {word}"

    apps = [echo, bash_app(command), bash_app(lambda word, stdout=None: f"echo {word}")]
    apps.append(bash_app(functools.partial(command)))
    for i, app in enumerate(apps):
        out = tmp_path / f"{i}.txt"
        assert app(f"word{i}", stdout=str(out)).result(WAIT) == 0
        assert out.read_text() == f"word{i}\n"


def test_bash_parameters_with_defaults_may_be_positional(tmp_path: Path) -> None:
    out = [str(tmp_path / f"{i}.txt") for i in range(3)]
    greet("good morning", "moon", stdout=out[0]).result(WAIT)
    greet("good night", stdout=out[1]).result(WAIT)
    greet(name="sun", stdout=out[2]).result(WAIT)
    assert [text_of(p).strip() for p in out] == ["good morning, moon", "good night, world", "hello, sun"]


def test_join_app_forms() -> None:
    def body(x: int) -> Any:
        return double(x)

    @join_app
    def bare(x: int) -> Any:
        return double(x)

    @join_app(cache=False)
    def with_arguments(x: int) -> Any:
        return double(x)

    apps = [bare, with_arguments, join_app(body), join_app(lambda x: double(x)), join_app(functools.partial(body))]
    assert [app(i).result(WAIT) for i, app in enumerate(apps)] == [0, 2, 4, 6, 8]


def test_an_app_is_an_object_with_parsls_attributes() -> None:
    assert isinstance(double, PythonApp)
    assert isinstance(echo, BashApp)
    assert isinstance(double, AppBase) and isinstance(echo, AppBase)
    assert double.__name__ == "double"
    assert double.executors == "all"
    assert double.cache is False
    assert not double.ignore_for_cache
    assert double.data_flow_kernel is None
    assert double.join is False
    assert join_app(plain).join is True
    assert "stdout" in echo.kwargs
    assert callable(double.func)


def test_docstring_and_signature_of_the_function_are_kept() -> None:
    app = python_app(plain)
    assert app.__doc__ == "Show what arrived."
    assert inspect.signature(app) == inspect.signature(plain)
    assert app.__module__ == plain.__module__
    assert app.__wrapped__ is plain


def test_an_async_function_is_an_error_that_says_what_to_do() -> None:
    async def coroutine() -> int:
        return 1

    with pytest.raises(Exception, match="(?i)async") as caught:
        python_app(coroutine)().result(WAIT)
    assert "coroutine" in str(caught.value), "names the function"


def test_a_string_of_executor_labels_is_refused_at_decoration() -> None:
    with pytest.raises(Exception, match="(?i)executors|str"):
        python_app(plain, executors="threads")  # type: ignore[call-overload]


def test_the_result_of_a_call_is_an_appfuture() -> None:
    future = double(1)
    assert isinstance(future, AppFuture)
    assert future.result(WAIT) == 2


def test_apps_run_where_the_config_says(config_name: str) -> None:
    pid = worker_pid().result(WAIT)
    assert (pid == os.getpid()) == (config_name == "threads")


def test_the_existing_cluster_has_nothing_of_ours(config_name: str) -> None:
    @python_app
    def importable(name: str) -> bool:
        import importlib

        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            return False
        return True

    found = [importable(name).result(WAIT) for name in ("parsl_on_dask.app.app", "tests.features.test_apps", "json")]
    if config_name == "existing":
        assert found == [False, False, True]
    else:
        assert found[0] and found[2]


def test_a_label_that_does_not_exist_shows_in_the_future() -> None:
    future = python_app(plain, executors=["nowhere"])(1)
    with pytest.raises(ValueError, match=f"Task {future.tid} requested invalid executor nowhere"):
        future.result(WAIT)


def test_choosing_the_executor_by_label(config_name: str) -> None:
    future = python_app(plain, executors=[config_name])(1)
    assert future.result(WAIT)[0] == 1
    assert future.task_record["executor"] == config_name


def test_resource_specification(config_name: str) -> None:
    @python_app
    def specified(parsl_resource_specification: Any = {}) -> str:
        return "ran"

    assert specified(parsl_resource_specification={}).result(WAIT) == "ran"
    with pytest.raises(InvalidResourceSpecification) as caught:
        specified(parsl_resource_specification={"no such thing": 1}).result(WAIT)
    assert "no such thing" in str(caught.value)
    if config_name == "threads":
        with pytest.raises(InvalidResourceSpecification):
            specified(parsl_resource_specification={"cores": 1}).result(WAIT)
    else:
        assert specified(parsl_resource_specification={"priority": 1}).result(WAIT) == "ran"


def test_special_parameters_reach_the_function() -> None:
    @python_app
    def special(inputs: Any = (), outputs: Any = (), walltime: float = 50.0) -> tuple[Any, ...]:
        return list(inputs), len(outputs), walltime

    assert special().result(WAIT) == ([], 0, 50.0)
    assert special(inputs=[double(1), 7], walltime=40.0).result(WAIT) == ([2, 7], 0, 40.0)


def test_inputs_and_outputs_may_be_positional() -> None:
    @python_app
    def declared(inputs: Any, outputs: Any) -> int:
        return len(inputs) + len(outputs)

    assert declared([double(1), 5], []).result(WAIT) == 2


def test_a_tuple_of_inputs_and_callers_lists_stay_as_they_were(tmp_path: Path) -> None:
    @python_app
    def total(inputs: Any = (), outputs: Any = ()) -> int:
        return sum(inputs)

    future = double(4)
    inputs, outputs = [future, 1], [File(str(tmp_path / "out"))]
    kept_inputs, kept_outputs = list(inputs), list(outputs)
    assert total(inputs=inputs, outputs=outputs).result(WAIT) == 9
    assert len(inputs) == 2 and all(a is b for a, b in zip(inputs, kept_inputs, strict=True))
    assert len(outputs) == 1 and outputs[0] is kept_outputs[0]
    assert total(inputs=(double(1), double(2))).result(WAIT) == 6


def test_files_in_callers_lists_are_not_replaced(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_text("text")

    @python_app
    def read(inputs: Any = ()) -> str:
        return "".join(open(f).read() for f in inputs)

    inputs = [File(str(source))]
    original = inputs[0]
    assert read(inputs=inputs).result(WAIT) == "text"
    assert inputs[0] is original


def test_futures_as_defaults_are_dependencies() -> None:
    first = double(5)

    @python_app
    def total(inputs: Any = [first, double(6)]) -> int:
        return sum(inputs)

    assert total().result(WAIT) == 22


def test_defaults_are_never_compared() -> None:
    class Touchy:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("compared")

        __hash__ = object.__hash__

    @python_app
    def keep(x: int, inputs: Any = Touchy(), strange: Any = Touchy()) -> int:
        return x

    assert keep(3, inputs=[]).result(WAIT) == 3


def test_two_calls_run_at_the_same_time(tmp_path: Path) -> None:
    """Each waits for a file that the other makes: only possible if neither waits for the other to end."""

    @python_app
    def meet(mine: str, theirs: str) -> bool:
        open(mine, "w").close()
        deadline = time.monotonic() + 30
        while not os.path.exists(theirs):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    futures = [meet(a, b), meet(b, a)]
    assert [f.result(WAIT) for f in futures] == [True, True]


def test_a_slow_call_does_not_hold_up_short_ones(tmp_path: Path, gate: str) -> None:
    slow = python_app(hold)(str(tmp_path / "started"), gate, "slow")
    short = [double(i) for i in range(40)]
    assert [f.result(WAIT) for f in short] == [2 * i for i in range(40)]
    assert not slow.done()
    Path(gate).touch()
    assert slow.result(WAIT) == "slow"


def test_each_outcome_comes_as_soon_as_it_is_there(tmp_path: Path, gate: str) -> None:
    """A short call that was submitted together with a long one, just before it, is done while that runs."""
    blocked = [python_app(hold)(str(tmp_path / f"started{i}"), gate) for i in range(2)]
    eventually(lambda: (tmp_path / "started1").exists() and (tmp_path / "started0").exists(), "both workers are busy")
    late = str(tmp_path / "late")
    mixed = [double(1), python_app(hold)(str(tmp_path / "started2"), late), double(2)]
    Path(gate).touch()
    try:
        assert mixed[0].result(WAIT) == 2
        assert mixed[2].result(WAIT) == 4
        assert not mixed[1].done()
    finally:
        Path(late).touch()
    assert [f.result(WAIT) for f in (*blocked, mixed[1])] == [None] * 3


def test_calls_from_many_threads() -> None:
    results: dict[int, int] = {}

    def use(k: int) -> None:
        results[k] = sum(f.result(WAIT) for f in [double(i + k) for i in range(50)])

    threads = [threading.Thread(target=use, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert results == {k: sum(2 * (i + k) for i in range(50)) for k in range(8)}


def test_task_ids_count_up() -> None:
    ids = [double(i).tid for i in range(5)]
    assert ids == list(range(ids[0], ids[0] + 5))


def test_outputs_must_be_files() -> None:
    @python_app
    def writes(outputs: Any = ()) -> None:
        return None

    with pytest.raises((AttributeError, TypeError), match="(?i)file|str"):
        writes(outputs=["a string"])


def test_outputs_are_datafutures_in_order(tmp_path: Path) -> None:
    @python_app
    def writes(outputs: Any = ()) -> None:
        for i, f in enumerate(outputs):
            with open(f, "w") as out:
                out.write(str(i))

    future = writes(outputs=[File(str(tmp_path / f"{i}")) for i in range(3)])
    assert all(isinstance(o, DataFuture) for o in future.outputs)
    assert [open(o.result(WAIT)).read() for o in future.outputs] == ["0", "1", "2"]
