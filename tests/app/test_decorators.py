"""How apps are made, and how they look."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Any

import cloudpickle
import pytest

from parsl_on_dask.app.app import App, bash_app, join_app, python_app
from parsl_on_dask.app.bash import BashApp
from parsl_on_dask.app.python import PythonApp
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning, forget_warnings
from tests import interpreters
from tests.app.fake import BARE_WORKER, KERNEL

DECORATORS: list[Callable[..., Any]] = [python_app, bash_app, join_app]


def greet(name: str, loud: bool = False) -> str:
    """Say hello."""
    return f"echo hello {name}"


@pytest.mark.parametrize("decorator", DECORATORS)
class TestForms:
    def test_bare_with_arguments_and_called(self, decorator: Any) -> None:
        made = [decorator(greet), decorator()(greet), decorator(cache=True)(greet), decorator(greet, cache=True)]
        assert [app.cache for app in made] == [False, False, True, True]
        assert {type(app) for app in made} == {BashApp if decorator is bash_app else PythonApp}
        assert decorator(greet, KERNEL).data_flow_kernel is KERNEL
        assert decorator(function=greet).__name__ == "greet"

    def test_it_looks_like_the_function(self, decorator: Any) -> None:
        app = decorator(greet)
        assert (app.__name__, app.__qualname__, app.__module__, app.__doc__) == (
            "greet",
            "greet",
            greet.__module__,
            "Say hello.",
        )
        assert app.__wrapped__ is greet
        assert inspect.signature(app) == inspect.signature(greet)
        assert inspect.getdoc(app) == "Say hello."
        assert repr(app) == f"<{type(app).__name__} {greet.__module__}.greet>"

    def test_callables_of_all_kinds(self, decorator: Any) -> None:
        class Machine:
            def run(self, x: int) -> str:
                return f"echo {x}"

            def __call__(self, x: int) -> str:
                return f"echo {x}"

            @staticmethod
            def alone(x: int) -> str:
                return f"echo {x}"

        machine = Machine()
        kinds: list[tuple[Any, str]] = [
            (lambda x: f"echo {x}", "<lambda>"),
            (machine.run, "run"),
            (Machine.alone, "alone"),
            (Machine.__dict__["alone"], "alone"),
            (machine, "Machine"),
            (functools.partial(Machine.run, machine), "run"),
            (functools.partial(machine), "Machine"),
            (max, "max"),
        ]
        for function, name in kinds:
            app = decorator(function, data_flow_kernel=KERNEL)
            call = app(5)
            assert (app.__name__, call.func.__name__) == (name, name)
            if function is not max:
                assert call.run() == (0 if decorator is bash_app else "echo 5")

    def test_async_functions_are_refused(self, decorator: Any) -> None:
        async def fetch(x: int) -> int:
            return x

        async def stream(x: int) -> Any:
            yield x

        class Caller:
            async def __call__(self) -> None: ...

        for function in (fetch, stream, functools.partial(fetch, 1), Caller()):
            with pytest.raises(ConfigurationError, match="async function") as caught:
                decorator(function)
            assert isinstance(caught.value, TypeError)
        with pytest.raises(ConfigurationError, match=r"asyncio\.run\(fetch\("):
            decorator(fetch)
        assert decorator(lambda x: asyncio.run(fetch(x))).__name__ == "<lambda>"

    def test_what_is_no_function_is_refused(self, decorator: Any) -> None:
        with pytest.raises(TypeError, match=r"takes a function, got 'cpu'\. .*executors=\['label'\]"):
            decorator("cpu")
        with pytest.raises(TypeError, match="write @classmethod above"):
            decorator(classmethod(lambda cls: None))

    def test_options_are_checked(self, decorator: Any) -> None:
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"cache": "yes"}, "cache must be True, False or a Cache"),
            ({"ignore_for_cache": "x"}, r"Write ignore_for_cache=\['x'\]"),
            ({"ignore_for_cache": [1]}, "a list of names of parameters"),
            ({"data_flow_kernel": "dfk"}, "must be a DataFlowKernel"),
        ]
        for options, text in wrong:
            with pytest.raises(ConfigurationError, match=text) as caught:
                decorator(greet, **options)
            assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("decorator", [python_app, bash_app])
def test_executors_must_be_a_list(decorator: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Write executors=\['cpu'\] for app 'greet'") as caught:
        decorator(greet, executors="cpu")
    assert isinstance(caught.value, TypeError)
    with pytest.raises(ConfigurationError, match="Name a label"):
        decorator(greet, executors=[])
    with pytest.raises(ConfigurationError, match="a list of labels"):
        decorator(greet, executors=[1])
    labels = ["cpu"]
    assert decorator(greet, executors=labels).executors is labels
    assert decorator(greet, executors=("a", "b")).executors == ["a", "b"]
    assert decorator(greet, executors="ALL").executors == "all"


class TestOldSpellings:
    @pytest.fixture(autouse=True)
    def _fresh(self) -> None:
        forget_warnings()

    @pytest.mark.parametrize("decorator", [python_app, bash_app])
    def test_walltime_of_the_decorator_is_refused_with_the_place_where_it_belongs(self, decorator: Any) -> None:
        with pytest.raises(TypeError, match=r"def f\(\.\.\., walltime=60\)"):
            decorator(walltime=60, data_flow_kernel=KERNEL)(greet)

    @pytest.mark.parametrize("kind", ["python", "bash"])
    def test_walltime_of_the_oldest_decorator_does_nothing_and_says_so(self, kind: str) -> None:
        with pytest.warns(ParslDeprecationWarning, match=r"limits nothing.*def f\(\.\.\., walltime=60\)") as caught:
            app = App(kind, KERNEL, walltime=60)(greet)
        assert caught[0].filename == __file__
        call = app("you")
        assert "walltime" not in call.kwargs and not hasattr(call.func, "seconds")

    def test_join_of_python_app(self) -> None:
        with pytest.warns(ParslDeprecationWarning, match="spelled join_app"):
            app = python_app(greet, join=True)
        assert (app.join, app.executors) == (True, ["_parsl_internal"])

    def test_executors_of_join_app(self) -> None:
        with pytest.warns(ParslDeprecationWarning, match="has no effect"):
            app = join_app(executors=["cpu"])(greet)
        assert app.executors == ["_parsl_internal"]

    def test_the_app_decorator(self) -> None:
        with pytest.warns(ParslDeprecationWarning, match="spelled @python_app"):
            app = App("python", KERNEL, cache=True)(greet)
        assert type(app) is PythonApp and app.data_flow_kernel is KERNEL and app.cache
        with pytest.warns(ParslDeprecationWarning, match="spelled @bash_app"):
            assert type(App("bash", executors=["cpu"])(greet)) is BashApp
        with pytest.raises(ConfigurationError, match="'python' or 'bash'"):
            App("fortran")

    def test_todays_spellings_are_silent(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            python_app(greet, executors=["a"])
            bash_app(greet)
            join_app(greet)


class TestMethods:
    class Model:
        def __init__(self, base: int) -> None:
            self.base = base

        @python_app(data_flow_kernel=KERNEL)
        def add(self, x: int, y: int = 0) -> int:
            """Add."""
            return self.base + x + y

        @bash_app(data_flow_kernel=KERNEL)
        def show(self, x: int = 1) -> str:
            return f"test {self.base} = {x}"

        @staticmethod
        @python_app(data_flow_kernel=KERNEL)
        def plain(x: int) -> int:
            return x

        @classmethod
        @python_app(data_flow_kernel=KERNEL)
        def make(cls, x: int) -> Any:
            return cls, x

        function = python_app(lambda x: x, data_flow_kernel=KERNEL)

    def call(self, submission: Any) -> Any:
        return submission.run()

    def test_self_is_given(self) -> None:
        model = self.Model(10)
        assert self.call(model.add(1)) == 11
        assert self.call(model.add(x=1, y=2)) == 13
        assert self.call(model.show(10)) == 0
        assert self.call(self.Model.add(model, 1)) == 11
        assert isinstance(self.Model.add, PythonApp)

    def test_a_script_that_gives_self_itself(self) -> None:
        model = self.Model(10)
        add: Any = model.add
        assert self.call(add(model, 1)) == 11
        assert self.call(add(model, 1, 2)) == 13

    def test_an_object_given_to_its_own_method(self) -> None:
        class Node:
            @python_app(data_flow_kernel=KERNEL)
            def merge(self, other: Any) -> Any:
                return self, other

        node = Node()
        assert self.call(node.merge(node)) == (node, node)

    def test_static_class_and_plain_functions(self) -> None:
        model = self.Model(10)
        assert self.call(model.plain(3)) == 3
        assert self.call(self.Model.make(3)) == (self.Model, 3)
        assert self.call(model.function(3)) == 3

    def test_a_bound_app_shows_the_app(self) -> None:
        model = self.Model(10)
        bound: Any = model.add
        assert (bound.__name__, bound.__doc__, bound.executors) == ("add", "Add.", "all")
        assert list(inspect.signature(bound).parameters) == ["x", "y"]
        assert bound == model.add and hash(bound) == hash(model.add) and bound != self.Model(10).add
        assert bound.__self__ is model


class TestTravel:
    def test_pickled_apps_leave_their_kernel_behind(self) -> None:
        app = python_app(lambda x, inputs=(): x + 1, data_flow_kernel=KERNEL)
        back = cloudpickle.loads(cloudpickle.dumps(app))
        assert (type(back), back.data_flow_kernel, back.func(1), back.kwargs) == (PythonApp, None, 2, {"inputs": ()})
        back.data_flow_kernel = KERNEL
        assert back(1, [2]).kwargs == {"inputs": [2]}

    def test_where_the_package_is_missing(self) -> None:
        @python_app
        def helper(x: int) -> int:
            return x + 1

        class Work:
            step = helper

            def run(self, x: int) -> int:
                return x * 2

        sent = pickle.dumps(cloudpickle.dumps((Work().run, helper)))
        script = BARE_WORKER + (
            "import pickle\n"
            "run, helper = pickle.loads(pickle.loads(sys.stdin.buffer.read()))\n"
            "print(run(2), helper.func(3), type(helper).__name__)\n"
            "try: helper(3)\n"
            "except RuntimeError as e: print(e)\n"
        )
        done = interpreters.run([sys.executable, "-c", script], input=sent, capture_output=True, timeout=60)
        lines = done.stdout.decode().splitlines()
        assert lines[0] == "4 4 SentApp", done.stderr.decode()
        assert "app 'helper' was called on a worker" in lines[1]

    def test_a_function_that_names_itself(self) -> None:
        script = (
            "import cloudpickle, pickle\n"
            "from parsl_on_dask.app.app import python_app\n"
            "@python_app\n"
            "def f(n):\n"
            "    return f.__name__ if n == 0 else f.func(n - 1)\n"
            "print(pickle.loads(cloudpickle.dumps(f.func))(3), pickle.loads(cloudpickle.dumps(f)).func(0))\n"
        )
        done = interpreters.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["f", "f"], done.stderr
