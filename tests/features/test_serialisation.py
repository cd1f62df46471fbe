"""What cannot travel between processes, and what is said about it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.serialize.errors import DeserializationError, SerializationError
from tests.helpers import WAIT

WARM = True

pytestmark = pytest.mark.usefixtures("kernel")


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """Threads hand everything over by reference."""
    name: str = request.param
    return name


def refuse(*_: Any) -> Any:
    raise RuntimeError("this value refuses to be rebuilt")


class NeverRebuilt:
    def __reduce__(self) -> Any:
        return refuse, ()


@python_app
def a_modest_app(a: Any = None, b: Any = None, inputs: Any = ()) -> str:
    return "ran"


@python_app
def returns(make: Any) -> Any:
    return make()


def neighbours_work() -> None:
    assert a_modest_app(1).result(WAIT) == "ran"


def test_a_positional_argument() -> None:
    futures = [a_modest_app(i) for i in range(5)] + [a_modest_app(threading.Lock())] + [a_modest_app(0)]
    with pytest.raises(SerializationError) as caught:
        futures[5].result(WAIT)
    text = str(caught.value)
    assert "a_modest_app" in text, text
    assert "lock" in text.lower(), text
    assert "'a'" in text or "`a`" in text or "argument 0" in text or "argument a" in text, text
    assert [f.result(WAIT) for i, f in enumerate(futures) if i != 5] == ["ran"] * 6


def test_a_keyword_argument() -> None:
    with pytest.raises(SerializationError) as caught:
        a_modest_app(1, b={"deep": [threading.Lock()]}).result(WAIT)
    text = str(caught.value)
    assert "a_modest_app" in text, text
    assert "'b'" in text or "`b`" in text or "argument b" in text, text
    neighbours_work()


def test_the_function_itself() -> None:
    lock = threading.Lock()

    @python_app
    def holds_a_lock() -> bool:
        return lock.locked()

    with pytest.raises(SerializationError, match="holds_a_lock"):
        holds_a_lock().result(WAIT)
    neighbours_work()


def test_a_result() -> None:
    future = returns(threading.Lock)
    with pytest.raises(SerializationError, match="returns"):
        future.result(WAIT)
    neighbours_work()


def test_an_argument_that_cannot_be_rebuilt_on_the_worker() -> None:
    with pytest.raises(DeserializationError) as caught:
        a_modest_app(NeverRebuilt()).result(WAIT)
    text = str(caught.value)
    assert "refuses to be rebuilt" in text, text
    assert "a_modest_app" in text, text
    neighbours_work()


def test_a_result_that_cannot_be_rebuilt_on_the_client() -> None:
    with pytest.raises(DeserializationError) as caught:
        returns(NeverRebuilt).result(WAIT)
    text = str(caught.value)
    assert "refuses to be rebuilt" in text, text
    assert "returns" in text, text
    neighbours_work()


def test_a_dependency_on_an_unpicklable_result() -> None:
    error = a_modest_app(returns(threading.Lock)).exception(WAIT)
    assert error is not None
    assert isinstance(error.__cause__, SerializationError)


def test_unusual_things_that_do_travel() -> None:
    import functools

    travelled = returns(lambda: functools.partial(lambda a, b: a * b, 6)).result(WAIT)
    assert travelled(7) == 42

    class Local:
        x = 5

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Local) and other.x == self.x

        __hash__ = object.__hash__

    assert returns(Local).result(WAIT) == Local()
    assert returns(lambda: {1, (2, 3), frozenset({4})}).result(WAIT) == {1, (2, 3), frozenset({4})}
    assert returns(lambda: b"\x00" * 200_000).result(WAIT) == b"\x00" * 200_000
