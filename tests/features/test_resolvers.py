"""Dependency resolvers chosen in the Config."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.dataflow.dependency_resolvers import (
    DEEP_DEPENDENCY_RESOLVER,
    SHALLOW_DEPENDENCY_RESOLVER,
    DependencyResolver,
)
from parsl_on_dask.dataflow.errors import DependencyError
from tests.helpers import WAIT

WARM = True


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def fail() -> None:
    raise ValueError("inside a container")


class Box:
    def __init__(self, content: Any) -> None:
        self.content = content


def test_deep_delivers_plain_values(load: Callable[..., Any]) -> None:
    load(dependency_resolver=DEEP_DEPENDENCY_RESOLVER)

    @python_app
    def types(x: Any) -> Any:
        return (type(x["list"][0]), type(x["tuple"][0]), {type(y) for y in x["set"]}, x["list"][0] + x["tuple"][0])

    nested = {"list": [value(1)], "tuple": (value(2), 3), "set": {value(4)}}
    assert types(nested).result(WAIT) == (int, int, {int}, 3)
    assert python_app(lambda d: d)({value("key"): [value([1])]}).result(WAIT) == {"key": [[1]]}
    with pytest.raises(DependencyError):
        value([[fail()]]).result(WAIT)


def test_deep_takes_containers_of_ones_own_as_they_are_at_the_call(load: Callable[..., Any]) -> None:
    load(dependency_resolver=DEEP_DEPENDENCY_RESOLVER)

    class Listing(list):  # type: ignore[type-arg]
        pass

    source: Future[int] = Future()
    given = Listing([source, value(2)])
    result = python_app(lambda x: list(x))(given)
    given.pop()
    source.set_result(1)
    assert result.result(WAIT) == [1, 2]


def test_shallow_passes_nested_futures_on(load: Callable[..., Any], config_name: str) -> None:
    load(dependency_resolver=SHALLOW_DEPENDENCY_RESOLVER)
    assert value(value(3)).result(WAIT) == 3
    if config_name == "threads":
        gate: Future[int] = Future()
        kind = python_app(lambda futures: (type(futures[0]).__name__, futures[0].done()))([gate]).result(WAIT)
        assert kind == ("Future", False)


def test_a_resolver_of_ones_own(load: Callable[..., Any]) -> None:
    @functools.singledispatch
    def gather(o: object) -> Sequence[Future[Any]]:
        return []

    @gather.register
    def _(o: Future) -> Sequence[Future[Any]]:  # type: ignore[type-arg]
        return [o]

    @gather.register
    def _(o: Box) -> Sequence[Future[Any]]:
        return gather(o.content)  # type: ignore[no-any-return]

    @functools.singledispatch
    def unwrap(o: object) -> object:
        return o

    @unwrap.register
    def _(o: Future) -> object:  # type: ignore[type-arg]
        return o.result()

    @unwrap.register
    def _(o: Box) -> object:
        return Box(unwrap(o.content))

    load(dependency_resolver=DependencyResolver(traverse_to_gather=gather, traverse_to_unwrap=unwrap))
    gate: Future[int] = Future()
    future = python_app(lambda box, plain: (box.content, plain))(Box(gate), value(2))
    assert not future.done()
    gate.set_result(1)
    assert future.result(WAIT) == (1, 2)
    with pytest.raises(DependencyError):
        value(Box(fail())).result(WAIT)
