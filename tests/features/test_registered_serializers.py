"""Serialisers that a script registers encode arguments, results and functions of its apps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from parsl_on_dask import python_app
from parsl_on_dask.remote import serialized
from parsl_on_dask.serialize import facade
from parsl_on_dask.serialize.base import SerializerBase
from parsl_on_dask.serialize.facade import register_method_for_code, register_method_for_data
from tests.helpers import WAIT

WARM = True


class Point:
    """Knows how it came."""

    def __init__(self, x: Any, way: str = "made") -> None:
        self.x = x
        self.way = way


class Points(SerializerBase):
    """Takes nothing but points."""

    def serialize(self, data: Any) -> bytes:
        if type(data) is not Point:
            raise TypeError("no point")
        return repr(data.x).encode()

    def deserialize(self, payload: bytes) -> Any:
        return Point(eval(payload), "by Points")


class Marked(Points):
    """Has to be sent itself, as its class needs an argument."""

    def __init__(self, mark: str, held: Any = None) -> None:
        self.mark = mark
        self.held = held

    def deserialize(self, payload: bytes) -> Any:
        return Point(eval(payload), self.mark)


class Adding(SerializerBase):
    """For functions: they say that they came by it."""

    def serialize(self, data: Any) -> bytes:
        import cloudpickle

        return bytes(cloudpickle.dumps(data))

    def deserialize(self, payload: bytes) -> Any:
        import pickle

        function = pickle.loads(payload)
        return lambda *args: ("by Adding", function(*args))


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(serialized, "registered", None)
    for methods in (facade.methods_for_data, facade.methods_for_code):
        monkeypatch.setattr(facade, "_".join(("methods_for", "code" if b"C2" in methods else "data")), dict(methods))
    yield


def ways() -> tuple[Any, Any]:
    """An app that tells how its argument came, and gives a point; and one that gives what it gets."""

    @python_app
    def way(point: Any, other: Any = None) -> Any:
        return point.way, None if other is None else other.way

    @python_app
    def moved(point: Any) -> Any:
        return type(point)(point.x + 1)

    return way, moved


def test_arguments_and_results(load: Callable[..., Any], config_name: str) -> None:
    load()
    way, moved = ways()
    assert way(Point(1)).result(WAIT) == ("made", None), "nothing is registered"
    register_method_for_data(Points())
    there = "made" if config_name == "threads" else "by Points"
    assert way(Point(1), other=Point(2)).result(WAIT) == (there, there)
    back = moved(Point(1)).result(WAIT)
    assert (back.x, back.way) == (2, there)
    assert way(moved(Point(1))).result(WAIT) == (there, None)
    assert python_app(lambda a, b: a + b)(np.arange(3), b=1).result(WAIT).tolist() == [1, 2, 3], "not taken"
    assert python_app(len)([Point(1)]).result(WAIT) == 1


def test_one_whose_class_needs_arguments_is_sent(load: Callable[..., Any], config_name: str) -> None:
    load()
    way, moved = ways()
    register_method_for_data(Marked("mine"))
    there = "made" if config_name == "threads" else "mine"
    assert way(Point(1)).result(WAIT) == (there, None)
    assert moved(Point(1)).result(WAIT).way == there


def test_one_that_cannot_be_sent_takes_no_results(
    load: Callable[..., Any], config_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    if config_name == "threads":
        pytest.skip("nothing is sent")
    import threading

    class Here(Points):
        def __init__(self, lock: Any = None) -> None:
            self.lock = lock

        def deserialize(self, payload: bytes) -> Any:
            return Point(eval(payload), "by Here")

    load()
    way, moved = ways()
    register_method_for_data(Here(threading.Lock()))
    with caplog.at_level(logging.WARNING, logger="parsl"):
        assert way(Point(1)).result(WAIT) == ("by Here", None)
        assert moved(Point(1)).result(WAIT).way == "made"
    assert "Results of app way travel by cloudpickle" in caplog.text


def test_large_values_stay_on_their_worker(load: Callable[..., Any]) -> None:
    load()
    register_method_for_data(Points())

    @python_app
    def make() -> Any:
        return Point("x" * 200_000)

    made = make()
    assert python_app(lambda p: len(p.x))(made).result(WAIT) == 200_000
    assert python_app(lambda ps: len(ps[0].x))([made]).result(WAIT) == 200_000
    assert len(made.result(WAIT).x) == 200_000


def test_functions(load: Callable[..., Any], config_name: str) -> None:
    load()
    app = python_app(lambda x: x)
    assert app(1).result(WAIT) == 1
    register_method_for_code(Adding())
    assert app(1).result(WAIT) == (1 if config_name == "threads" else ("by Adding", 1))
    facade.methods_for_code.clear()
    assert app(1).result(WAIT) == 1
