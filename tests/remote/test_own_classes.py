"""Objects of classes that the script defines, on their way to another process and back."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from parsl_on_dask.remote.packing import dumps_with_refs, loads, loads_with_refs

SCRIPT = """
import dataclasses, enum
class Base:
    __slots__ = ()
class One(Base):
    __slots__ = "a"
    def __init__(self): self.a = 1
class Hidden(Base):
    __slots__ = ("__a", "b", "__weakref__")
    def __init__(self): self.__a = self.b = 1
    a = property(lambda self: self.__a)
class Documented:
    __slots__ = {"a": "the first"}
    def __init__(self): self.a = 1
class Open(One):
    __slots__ = ("__dict__",)
@dataclasses.dataclass(slots=True)
class Data:
    a: int = 1
class Meta(type): pass
class WithMeta(metaclass=Meta):
    __slots__ = ("a",)
    def __init__(self): self.a = 1
class Node:
    made, debug, a = [], False, 1
    class Inner:
        a = 1
class Color(enum.Enum):
    RED = 1
    a = property(lambda self: self.value)
def hidden():
    class Node:
        a = 1
    return Node()
"""
NAMES = ("One", "Hidden", "Documented", "Open", "Data", "WithMeta", "Node", "Node.Inner")
THERE_AND_BACK = "from parsl_on_dask.remote.packing import *; import sys; i, o = sys.stdin.buffer, sys.stdout.buffer; "
THERE_AND_BACK += "values = loads(i.read()); assert not hasattr(values[0], '__dict__'); o.write(dumps(values))"


def run_script(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    script = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", script)
    exec(SCRIPT, vars(script))
    return script


def values_of(script: Any) -> list[Any]:
    classes = [getattr(script, name) for name in NAMES if "." not in name]
    return [*(cls() for cls in classes), script.Node.Inner(), script.Color.RED]


def there_and_back(values: list[Any]) -> bytes:
    sent = dumps_with_refs(values, lambda obj: None)
    return subprocess.run([sys.executable, "-c", THERE_AND_BACK], input=sent, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture(params=[loads, lambda data: loads_with_refs(data, []), lambda data: loads(memoryview(data))])
def load(request: pytest.FixtureRequest) -> Callable[[bytes], Any]:
    function: Callable[[bytes], Any] = request.param
    return function


def test_objects_come_back_and_leave_their_classes_alone(
    monkeypatch: pytest.MonkeyPatch, load: Callable[[bytes], Any]
) -> None:
    script = run_script(monkeypatch)
    sent = values_of(script)
    sent[3].b = 2
    back = there_and_back(sent)
    made = script.Node.made
    made.append(1)
    script.Node.debug = True
    values = load(back)
    assert [(type(value), value.a) for value in values] == [(type(value), 1) for value in sent]
    assert (values[1].b, values[3].b, values[-1]) == (1, 2, script.Color.RED)
    assert script.Node.debug and script.Node.made is made == [1]


def test_a_later_run_gets_objects_of_its_own_classes(
    monkeypatch: pytest.MonkeyPatch, load: Callable[[bytes], Any]
) -> None:
    kept = there_and_back(values_of(run_script(monkeypatch)))
    script = run_script(monkeypatch)
    monkeypatch.setattr("cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID", {})
    script.Node.debug = True
    values = load(kept)
    assert [type(value) for value in values] == [type(value) for value in values_of(script)]
    assert values[-1] is script.Color.RED and script.Node.debug


def test_a_class_of_a_function_is_no_class_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = there_and_back([run_script(monkeypatch).One(), sys.modules["__main__"].hidden()])
    script = run_script(monkeypatch)
    monkeypatch.setattr("cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID", {})
    one, hidden = loads(kept)
    assert type(one) is script.One
    assert type(hidden) is not script.Node and type(hidden).__qualname__ == "hidden.<locals>.Node"
