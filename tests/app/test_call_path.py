"""What a call hands to the kernel."""

from __future__ import annotations

import functools
import inspect
import time
from typing import Any

import pytest

from parsl_on_dask.app.app import AppBase, bash_app, join_app, python_app
from parsl_on_dask.app.bash import BashApp
from parsl_on_dask.app.python import PythonApp
from parsl_on_dask.dataflow.dflow import DataFlowKernelLoader
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.remote.shell import run_bash
from tests.app.fake import KERNEL


def python(function: Any) -> Any:
    return python_app(function, data_flow_kernel=KERNEL)


def bash(function: Any) -> Any:
    return bash_app(function, data_flow_kernel=KERNEL)


class TestAsInParsl:
    """These arguments are part of the keys of cached results."""

    def test_ordinary_defaults_of_a_python_app_stay_out_of_the_keywords(self) -> None:
        call = python(lambda x, y=2, *, z=3: x)(1)
        assert (call.args, call.kwargs) == ((1,), {})

    def test_special_defaults_of_a_python_app_are_keywords(self) -> None:
        def f(x, y=2, inputs=(), outputs=(), stdout="o", stderr=None, walltime=9, parsl_resource_specification=None):  # type: ignore[no-untyped-def]
            return x

        call = python(f)(1, 5, stderr="e")
        assert call.args == (1, 5)
        assert call.kwargs == {
            "inputs": (),
            "outputs": (),
            "stdout": "o",
            "stderr": "e",
            "walltime": 9,
            "parsl_resource_specification": None,
        }

    def test_all_defaults_of_a_bash_app_are_keywords(self) -> None:
        call = bash(lambda x, y=2, *, z=3, stdout=None: "true")(1, z=4)
        assert (call.args, call.kwargs) == ((1,), {"y": 2, "z": 4, "stdout": None})

    def test_a_bash_app_is_a_partial_with_the_name_of_the_function(self) -> None:
        def list_files() -> str:
            return "ls"

        func = bash(list_files)().func
        assert (func.__name__, func.__module__) == ("list_files", "functools")
        assert func.func is run_bash and func.args == (list_files,)

    def test_a_python_app_hands_over_the_function_itself(self) -> None:
        def f() -> None: ...

        assert python(f)().func is f

    def test_walltime_keeps_the_name(self) -> None:
        def f(walltime: float = 5) -> int:
            return 7

        call = python(f)()
        assert (call.func.__name__, call.func.__module__, call.func.__wrapped__) == ("f", f.__module__, f)
        assert call.run() == 7
        assert python(f)(walltime=None).func is f

    def test_special_keywords_that_are_no_parameters_are_handed_on(self) -> None:
        call = python(lambda x, **rest: rest)(1, inputs=[2], walltime=3)
        assert call.kwargs == {"inputs": [2], "walltime": 3}
        assert call.func.seconds == 3


class TestBetterThanParsl:
    def test_a_bash_parameter_with_a_default_may_be_positional(self) -> None:
        app = bash(lambda x, n=3, m=4: f"echo {x} {n} {m}")
        call = app(1, 5)
        assert (call.args, call.kwargs) == ((1, 5), {"m": 4})

    def test_special_parameters_may_be_positional(self) -> None:
        def f(x, inputs=(), outputs=(), last=0):  # type: ignore[no-untyped-def]
            return x

        call = python(f)(1, [2], [3], 4)
        assert (call.args, call.kwargs) == ((1,), {"inputs": [2], "outputs": [3], "last": 4})
        call = bash(f)(1, [2])
        assert (call.args, call.kwargs) == ((1,), {"inputs": [2], "outputs": (), "last": 0})

    def test_special_parameters_without_default(self) -> None:
        def f(x, inputs, outputs, stdout, walltime, parsl_resource_specification):  # type: ignore[no-untyped-def]
            return inputs

        nothing: dict[str, Any] = {"outputs": [], "stdout": None, "walltime": None, "parsl_resource_specification": {}}
        assert python(f)(1).kwargs == {"inputs": [], **nothing}
        assert bash(f)(1, [2]).kwargs == {"inputs": [2], **nothing}
        assert python(f)(1).kwargs["inputs"] is not python(f)(1).kwargs["inputs"]

    def test_the_callers_lists_are_not_touched(self) -> None:
        mine = [1, 2]
        app = python(lambda inputs=(), x=0: x)
        assert app(inputs=mine).kwargs["inputs"] is mine
        assert app(mine).kwargs["inputs"] is mine
        assert mine == [1, 2]
        app(inputs=mine).kwargs["more"] = 1
        assert app.kwargs == {"inputs": ()}

    def test_given_twice(self) -> None:
        with pytest.raises(TypeError, match=r"f\(\) got multiple values for argument 'inputs'"):

            @python
            def f(x, inputs=()):  # type: ignore[no-untyped-def]
                return x

            f(1, [2], inputs=[3])

    def test_too_many_arguments_are_told_at_the_call(self) -> None:
        with pytest.raises(TypeError, match="takes from 1 to 2 positional arguments but 3 were given"):
            bash(lambda x, n=1: "true")(1, 2, 3)

    def test_in_front_of_star_args(self) -> None:
        app = python(lambda inputs=(), *rest: rest)
        assert app([1]).kwargs == {"inputs": [1]}
        with pytest.raises(TypeError, match="Declare it behind them"):
            app([1], 2)
        assert bash(lambda n=1, *rest: "true")(2, 3).args == (2, 3)
        assert python(lambda *inputs: inputs)(1, 2).args == (1, 2)

    def test_positional_only(self) -> None:
        assert bash(lambda n=1, /: "true")().kwargs == {}
        with pytest.raises(ConfigurationError, match="'inputs' is handed over by keyword"):
            python(lambda inputs, /: inputs)


def test_compare_by_identity() -> None:
    class Touchy:
        def __eq__(self, other: object) -> bool:
            raise ArithmeticError

    touchy: Any = Touchy()
    assert bash(lambda x=touchy, stdout=touchy: "true")().kwargs == {"x": touchy, "stdout": touchy}


def test_a_parameter_may_be_called_self() -> None:
    call: Any = python(lambda x, self=0: x)(1, self=2)
    assert (call.args, call.kwargs) == ((1,), {"self": 2})


def test_options_reach_the_kernel() -> None:
    call: Any = python_app(lambda: 1, data_flow_kernel=KERNEL, cache=True, executors=["a"], ignore_for_cache=["x"])()
    assert (call.cache, call.executors, call.ignore_for_cache, call.join) == (True, ["a"], ["x"], False)
    call = join_app(lambda: None, data_flow_kernel=KERNEL)()
    assert (call.executors, call.join) == (["_parsl_internal"], True)
    call = bash_app(lambda: "true", data_flow_kernel=KERNEL)()
    assert (call.cache, call.executors, call.ignore_for_cache) == (False, "all", None)


def test_the_kernel_is_looked_up_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    python_one, bash_one = python_app(lambda: 1), bash_app(lambda: "true")
    monkeypatch.setattr(DataFlowKernelLoader, "dfk", classmethod(lambda cls: KERNEL))
    first: Any = python_one()
    second: Any = bash_one()
    assert first.run() == 1 and second.run() == 0


def test_programs_may_change_an_app() -> None:
    app = python(lambda x, walltime=3: x)
    app.executors, app.cache = ["gpu"], True
    app.kwargs["walltime"] = None
    call = app(1)
    assert (call.executors, call.cache, call.kwargs) == (["gpu"], True, {"walltime": None})


def test_programs_may_patch_and_subclass(monkeypatch: pytest.MonkeyPatch) -> None:
    original = AppBase.__init__

    def patched(self: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        original(self, func, *args, **kwargs)
        self.__doc__ = "patched"

    monkeypatch.setattr(AppBase, "__init__", patched)
    assert python(lambda: 1).__doc__ == "patched"

    class Counting(PythonApp[..., Any]):
        count = 0

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return super().__call__(*args, **kwargs)

    def same(x: int) -> int:
        return x

    app = Counting(same, KERNEL)
    result: Any = app(3)
    assert result.run() == 3 and app.count == 1
    assert isinstance(app, AppBase) and not isinstance(app, BashApp)


def test_no_signature_is_looked_at_in_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    apps = [python(lambda x, inputs=(): x), bash(lambda x, n=1: "true")]
    for app in apps:
        app(1)

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("inspect.signature called")

    monkeypatch.setattr(inspect, "signature", never)
    for app in apps:
        app(1)
        app(1, [2])


def test_a_call_costs_microseconds() -> None:
    app = python(lambda x, inputs=(), outputs=(): x)
    best = min(_seconds(app) for _ in range(20))
    assert best < 20e-6


def _seconds(app: Any) -> float:
    began = time.perf_counter()
    for _ in range(100):
        app(1, inputs=[])
    return (time.perf_counter() - began) / 100


def test_partials() -> None:
    def f(x, y, inputs=()):  # type: ignore[no-untyped-def]
        return x, y, list(inputs)

    app = python(functools.partial(f, 1))
    assert app.__name__ == "f" and app(2, [3]).run() == (1, 2, [3])
    assert app(2).func.__name__ == "f"
    named = functools.update_wrapper(functools.partial(f, 1), f)
    assert python(named)(2, [3]).run() == (1, 2, [3])
    bound = python(functools.partial(f, inputs=[9]))
    assert bound(1, 2).kwargs == {"inputs": [9]}
    assert bash(functools.partial(lambda c, x: c, "true"))(0).run() == 0
