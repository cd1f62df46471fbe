"""Arguments that do not fit an app's function, told at the line of the call."""

from __future__ import annotations

import functools
import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, join_app, python_app
from parsl_on_dask.app.binding import Binding
from parsl_on_dask.concurrent import ParslPoolExecutor


def two(x, y): ...
def some(x, y=1, *, z=2): ...
def needs(x, *, z): ...
def only(x, /, y=1): ...
def rest(x, *args, y): ...
def keys(x, /, **kwargs): ...
def special(x, inputs=(), stdout=None, parsl_resource_specification={}): ...
def nothing(): ...
def annotated(x: Unknown, y: int = 1) -> None: ...  # noqa: F821


CALLS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (two, (1,), {}),
    (two, (), {}),
    (two, (1, 2, 3), {}),
    (two, (1,), {"x": 2}),
    (two, (1, 2), {"why": 3}),
    (two, (1,), {"y": 2}),
    (some, (1, 2, 3), {}),
    (some, (), {"z": 1}),
    (some, (1,), {"z": 1}),
    (needs, (1,), {}),
    (needs, (1, 2), {"z": 1}),
    (only, (), {"x": 1}),
    (only, (1,), {"y": 1}),
    (rest, (1, 2, 3), {}),
    (rest, (1, 2, 3), {"y": 1}),
    (keys, (1,), {"x": 2, "y": 3}),
    (keys, (), {"x": 2}),
    (nothing, (1,), {}),
    (nothing, (), {}),
    (annotated, (), {}),
    (functools.partial(two, 1), (2,), {}),
    (functools.partial(two, 1), (2, 3), {}),
    (functools.partial(two, y=1), (2,), {}),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
def test_it_says_what_python_would_say(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        function(*args, **kwargs)
    except TypeError as e:
        if isinstance(function, functools.partial):
            with pytest.raises(TypeError):
                Binding("two", function).check(args, kwargs)
            return
        with pytest.raises(TypeError) as caught:
            Binding(function.__name__, function).check(args, kwargs)
        text = str(e).partition("() ")[2].partition(". Did you mean")[0].partition(" keyword-only argument)")[0]
        assert text in str(caught.value)
        assert f"It is called {function.__name__}(" in str(caught.value)
    else:
        Binding("two", function).check(args, kwargs)


def test_a_keyword_that_is_nearly_right() -> None:
    with pytest.raises(TypeError, match="Write stdout="):
        Binding("special", special).check((1,), {"std_out": "a"})


def adding(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function("added", *args, **kwargs)

    return inner


class Callable_:
    def __call__(self, x: int) -> int:
        return x


def lying(*args: Any) -> Any: ...


lying.__signature__ = inspect.signature(two)  # type: ignore[attr-defined]


@pytest.mark.parametrize("function", [adding(two), max, dict, Callable_(), lying, functools.partial(lying, 1)])
def test_what_is_not_known_takes_anything(function: Any) -> None:
    Binding("f", function).check((1,), {})
    Binding("f", function).check((1, 2, 3), {})


def last_line(error: BaseException) -> str:
    return traceback.extract_tb(error.__traceback__)[-1].line or ""


@pytest.mark.parametrize("decorator", [python_app, bash_app, join_app])
def test_an_app_says_so_at_the_call(decorator: Any) -> None:
    app = decorator(two)
    with pytest.raises(TypeError, match=r"^two\(\) missing 1 required positional argument: 'y'") as caught:
        app(1)
    if sys.version_info >= (3, 11):
        assert last_line(caught.value) == "app(1)"


def test_special_parameters_may_be_left_out_and_given_in_any_way() -> None:
    with parsl.load():
        app = python_app(lambda x, inputs, stdout=None, walltime=None: x)
        assert app(1).result(60) == app(1, []).result(60) == app(1, inputs=[], walltime=9).result(60) == 1
        with pytest.raises(TypeError, match="outputs"):
            app(1, outputs=[])


def test_methods_get_their_object() -> None:
    class Model:
        @python_app
        def run(self, x: int) -> int:
            return x

    model = Model()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        model.run()
    with parsl.load():
        assert model.run(1).result(60) == model.run(model, 1).result(60) == Model.run(model, 1).result(60) == 1


def test_a_pool_keeps_to_concurrent_futures() -> None:
    with parsl.load() as kernel:
        error = ParslPoolExecutor(dfk=kernel).submit(two, 1).exception(60)  # type: ignore[call-arg]
        assert isinstance(error, TypeError)
        assert isinstance(kernel.submit(two, 1).exception(60), TypeError)
