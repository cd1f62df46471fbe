"""What functions remember of where they were written, when they travel by value."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from types import CodeType
from typing import Any

import cloudpickle
import pytest

from parsl_on_dask.remote.packing import NOWHERE, dumps, dumps_with_refs, loads, loads_with_refs


def file_of(function: Any) -> str:
    code: CodeType = function.__code__
    return code.co_filename


def around() -> Callable[[], Callable[[], int]]:
    def middle() -> Callable[[], int]:
        return lambda: 1

    return middle


class Thing:
    def method(self) -> int:
        return 1

    @property
    def part(self) -> int:
        return 1


def of_thing(cls: Any) -> list[Any]:
    return [cls.method, cls.part.fget]


@pytest.mark.parametrize("pack", [dumps, lambda value: dumps_with_refs(value, lambda obj: None)])
def test_functions_know_their_file(pack: Callable[[Any], bytes]) -> None:
    middle = loads_with_refs(pack(around()), [])
    sent = [middle, middle(), *of_thing(loads_with_refs(pack(Thing), [])), loads_with_refs(pack([lambda: 1]), [])[0]]
    assert {file_of(each) for each in sent} == {__file__}


def test_code_of_a_notebooks_cell_knows_its_cell() -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def f():\n    return 1 / 0\n", "/tmp/ipykernel_1/2.py", "exec"), space)
    assert file_of(loads(dumps(space["f"]))) == "/tmp/ipykernel_1/2.py"


def test_cloudpickle_writes_the_file_or_the_mark_that_stands_for_it() -> None:
    """When it writes something else, remote/packing.py has to look for that."""
    assert file_of(loads(cloudpickle.dumps(lambda: 1))) in (__file__, NOWHERE)


def a_script(text: str) -> dict[str, Any]:
    """The variables of a script that was run."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(text, space)
    return space


@pytest.mark.parametrize("pack", [dumps, lambda value: dumps_with_refs(value, lambda obj: None)])
def test_functions_with_a_cache_travel(pack: Callable[[Any], bytes]) -> None:
    script = a_script(
        "import functools\n"
        "@functools.lru_cache(maxsize=7, typed=True)\n"
        "def fib(n):\n"
        "    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "def uses_it(n):\n"
        "    return fib(n), fib.cache_info()\n"
    )
    fib = loads_with_refs(pack(script["fib"]), [])
    assert fib(50) == 12586269025
    assert (fib.cache_parameters(), fib.__name__) == ({"maxsize": 7, "typed": True}, "fib")
    assert loads_with_refs(pack(script["uses_it"]), [])(6) == (8, (4, 7, 7, 7))


def test_functions_with_a_cache_go_by_name_where_workers_find_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "installed", module := types.ModuleType("installed"))
    exec("import functools\n@functools.cache\ndef square(n):\n    return n * n", vars(module))
    assert loads(dumps([module.square, lambda: 1]))[0] is module.square


class Curious(types.ModuleType):
    """A module that keeps the names that it is asked for."""

    def __init__(self) -> None:
        super().__init__("curious")
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        raise AttributeError(name)


@pytest.mark.parametrize("pack", [dumps, lambda value: dumps_with_refs(value, lambda obj: None)])
def test_no_module_is_asked_for_a_function_that_has_none(
    pack: Callable[[Any], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "curious", curious := Curious())
    space: dict[str, Any] = {"base": 3}
    exec("def made_here(x, y=4):\n    return base + x + y\n", space)
    assert space["made_here"].__module__ is None
    assert loads_with_refs(pack(space["made_here"]), [])(1) == 8
    assert "made_here" not in curious.asked


def test_cloudpickle_asks_all_modules() -> None:
    """When it does not any more, remote/packing.py need not prevent that."""
    space: dict[str, Any] = {}
    exec("def made_here():\n    return 1\n", space)
    curious = Curious()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "curious", curious)
        cloudpickle.dumps(space["made_here"])
    assert "made_here" in curious.asked
