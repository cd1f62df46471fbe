"""A call that waits for very many others costs in proportion to their number."""

from __future__ import annotations

from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.dataflow import ahead, arguments
from tests.helpers import WAIT

WARM = True
pytestmark = pytest.mark.usefixtures("kernel")


@python_app
def one(x: int) -> int:
    return x


@python_app
def total(xs: Any, inputs: Any = ()) -> int:
    return sum(xs) + sum(inputs)


@pytest.mark.parametrize("as_inputs", [False, True])
def test_its_arguments_are_looked_at_a_few_times(as_inputs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []

    def unwrap(kernel: Any, record: Any, lane: Any) -> Any:
        looked.append(record.func_name)
        return arguments.unwrap(kernel, record, lane)

    monkeypatch.setattr(ahead, "unwrap", unwrap)
    for _ in range(2):
        futures = [one(i) for i in range(400)]
        result = total([], inputs=futures) if as_inputs else total(futures)
        assert result.result(WAIT) == sum(range(400))
    assert looked.count("total") <= 2
