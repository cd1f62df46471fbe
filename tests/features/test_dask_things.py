"""AppFutures given to Dask, and Dask's things given to apps."""

from __future__ import annotations

import operator
from typing import Any

import dask
import pytest

from parsl_on_dask import python_app
from tests.helpers import WAIT

WARM = True

pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def value(x: Any) -> Any:
    return x


@python_app
def add(a: Any, b: Any = 0, inputs: Any = ()) -> Any:
    return a + b + sum(inputs)


@python_app
def fail() -> None:
    raise ValueError("not for Dask either")


def test_dask_delayed_takes_an_appfuture() -> None:
    assert dask.delayed(operator.add)(value(2), value(3)).compute() == 5
    assert dask.delayed(sum)([value(2), value(3), 4]).compute() == 9


def test_dask_compute_takes_appfutures() -> None:
    assert dask.compute(value(2), value("x")) == (2, "x")


def test_a_failed_appfuture_given_to_dask() -> None:
    with pytest.raises(ValueError, match="not for Dask either"):
        dask.delayed(operator.neg)(fail()).compute()


def test_a_client_of_the_same_cluster_takes_an_appfuture(config_name: str, existing_client: Any) -> None:
    if config_name != "existing":
        pytest.skip("one cluster that belongs to the user")
    assert existing_client.submit(operator.add, value(2), 3).result(WAIT) == 5
    large = value(b"x" * 1_000_000)
    assert existing_client.submit(len, large).result(WAIT) == 1_000_000
    assert existing_client.submit(sum, [value(1), value(2)]).result(WAIT) == 3


def test_dask_future_is_a_future_of_dask(config_name: str) -> None:
    from distributed import Future

    future = value(b"x" * 1_000_000)
    assert len(future.result(WAIT)) == 1_000_000
    if config_name == "threads":
        assert future.dask_future is None or isinstance(future.dask_future, Future)
    else:
        assert isinstance(future.dask_future, Future)
        assert future.dask_future.result(WAIT) == b"x" * 1_000_000


def test_delayed_given_to_an_app() -> None:
    seven = dask.delayed(operator.add)(3, 4)
    assert add(seven, b=seven, inputs=[seven, 1]).result(WAIT) == 22


def test_a_dask_array_given_to_an_app() -> None:
    array = pytest.importorskip("dask.array")
    x = array.arange(1000, chunks=100)
    assert python_app(lambda a: (type(a).__name__, int(a.sum())))(x).result(WAIT) == ("ndarray", 499500)
    assert add(x.sum(), 1).result(WAIT) == 499501


def test_a_dask_dataframe_given_to_an_app() -> None:
    dataframe = pytest.importorskip("dask.dataframe")
    pandas = pytest.importorskip("pandas")
    frame = dataframe.from_pandas(pandas.DataFrame({"a": range(10)}), npartitions=3)
    result = python_app(lambda f: (type(f).__name__, int(f["a"].sum())))(frame).result(WAIT)
    assert result == ("DataFrame", 45)


def test_a_dask_bag_given_to_an_app() -> None:
    bag = pytest.importorskip("dask.bag")
    assert python_app(sorted)(bag.from_sequence([3, 1, 2], npartitions=2)).result(WAIT) == [1, 2, 3]


def test_a_distributed_future_given_to_an_app(existing_client: Any) -> None:
    """On another cluster than the app's it goes by the client."""
    future = existing_client.submit(operator.add, 20, 1)
    assert add(future, 1).result(WAIT) == 22
    assert add(1, b=future, inputs=[future]).result(WAIT) == 43
    assert python_app(lambda fs: sum(f.result() for f in fs))([future, value(1)]).result(WAIT) == 22


def test_a_failed_distributed_future_given_to_an_app(existing_client: Any) -> None:
    future = existing_client.submit(operator.truediv, 1, 0)
    error = add(future, 1).exception(WAIT)
    assert isinstance(error, Exception)
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_failing_delayed_given_to_an_app() -> None:
    error = add(dask.delayed(operator.truediv)(1, 0), 1).exception(WAIT)
    assert isinstance(error, ZeroDivisionError) or isinstance(error.__cause__, ZeroDivisionError)


@python_app
def with_children() -> Any:
    import multiprocessing

    child = multiprocessing.get_context("fork").Process(target=print)
    child.start()
    child.join()
    return child.exitcode


def test_apps_with_children_on_workers_of_nannies(config_name: str) -> None:
    """Dask's workers may have none; the exception says what to set."""
    if config_name != "existing":
        assert with_children().result(WAIT) == 0
        return
    error = with_children().exception(WAIT)
    assert isinstance(error, AssertionError)
    said = " ".join([str(error), *getattr(error, "__notes__", ())])
    assert "not allowed to have children" in said
    assert "distributed.worker.daemon" in said and "--no-nanny" in said
