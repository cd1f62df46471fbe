"""Values and errors whose unpickling asks for the end of the process: a matter of one future."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.dask_internals import unpickling
from tests.helpers import WAIT

WARM = True


@pytest.fixture(scope="module", params=["processes", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    """On threads nothing is pickled."""
    name: str = request.param
    return name


def quit_with(error: type[BaseException], _: bytes) -> None:
    raise error(5)


class Quits:
    def __init__(self, error: type[BaseException], size: int = 0) -> None:
        self.error = error
        self.data = b"x" * size

    def __reduce__(self) -> Any:
        return (quit_with, (self.error, self.data))


class QuittingError(Exception):
    def __reduce__(self) -> Any:
        return (quit_with, (SystemExit, b""))


@python_app
def makes(error: str, size: int) -> Any:
    return Quits({"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[error], size)


@python_app
def fails() -> Any:
    raise QuittingError("said by the app")


@python_app
def takes(x: Any) -> int:
    return 1


@python_app
def passed(x: Any) -> Any:
    return x


@pytest.mark.parametrize("size", [0, 3_000_000], ids=["small", "large"])
@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt"])
def test_results(error: str, size: int, load: Callable[..., Any]) -> None:
    load()
    with pytest.raises(Exception, match=error):  # no BaseException
        makes(error, size).result(WAIT)
    assert [f.result(WAIT) for f in [passed(i) for i in range(10)]] == list(range(10))


def test_errors(load: Callable[..., Any]) -> None:
    load()
    error = fails().exception(WAIT)
    assert isinstance(error, Exception) and "said by the app" in str(error)
    assert passed(1).result(WAIT) == 1


def test_arguments(load: Callable[..., Any]) -> None:
    load()
    with pytest.raises(Exception, match="its arguments cannot be rebuilt"):
        takes(Quits(SystemExit)).result(WAIT)
    assert passed(1).result(WAIT) == 1


def test_dask_itself_still_lets_such_values_end_its_loop() -> None:
    """The quirk that the guard is for; it goes when Dask catches these itself."""
    from distributed.protocol import deserialize, serialize

    unpickling.survive_exits()
    header, frames = serialize(Quits(SystemExit))
    with pytest.raises(SystemExit):
        deserialize(header, frames)  # in the main thread, where it may be Ctrl-C
