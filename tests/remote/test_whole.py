"""Kept results are sent in one piece, whatever container they are."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from distributed.protocol import deserialize, serialize, to_serialize

from parsl_on_dask.remote.whole import sent_whole

np = pytest.importorskip("numpy")
COUNT = 1000


@pytest.mark.parametrize(
    "value",
    [
        [1] * COUNT,
        tuple(range(COUNT)),
        set(range(COUNT)),
        {str(i): i for i in range(COUNT)},
        [b"ab"] * COUNT,
        [np.float64(i) for i in range(COUNT)],
    ],
    ids=["list", "tuple", "set", "dict", "bytes", "scalars"],
)
def test_dask_does_not_take_a_container_to_pieces(value: Any) -> None:
    header, frames = serialize(to_serialize(sent_whole({7: value})))
    assert len(frames) <= 2
    assert deserialize(header, frames) == {7: value}


def test_many_arrays_are_not_many_frames() -> None:
    values = sent_whole({7: [np.ones(2) for _ in range(COUNT)]})
    header, frames = serialize(values, context={"pickle-protocol": 5})
    assert len(frames) <= 2
    assert len(deserialize(header, frames)[7]) == COUNT


@pytest.mark.parametrize("protocol", [4, 5])
def test_every_protocol(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(sent_whole({7: [1, 2]}), protocol)) == {7: [1, 2]}


def test_arrays_of_a_list_stay_writable() -> None:
    header, frames = serialize(sent_whole({7: [np.ones(10)]}), context={"pickle-protocol": 5})
    array = deserialize(header, frames)[7][0]
    array += 1
    assert array.sum() == 20.0


def test_an_array_is_left_to_dask() -> None:
    values = {7: np.ones(10)}
    assert sent_whole(values) is values


def test_dask_still_takes_lists_to_pieces() -> None:
    """When it does not, the module is not needed any more."""
    assert len(serialize(to_serialize([1] * COUNT))[1]) == COUNT
