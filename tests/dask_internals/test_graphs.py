"""Dask's graphs are made of the classes that ours derive from and refer to."""

from __future__ import annotations

import pickle

from dask.threaded import get

from parsl_on_dask.dask_internals.graphs import Alias, DataNode, GraphNode, TaskRef


class Constant(GraphNode):
    __slots__ = ()

    def __init__(self, key: str) -> None:
        self.key = key
        self._dependencies = frozenset()

    def __call__(self, values: object = ()) -> int:
        return 7


def test_graph_node() -> None:
    assert get({"a": Constant("a")}, "a") == 7


def test_alias() -> None:
    assert get({"a": DataNode("a", 3), "b": Alias("b", "a")}, "b") == 3


def test_data_node() -> None:
    assert get({"a": DataNode("a", [1, 2])}, "a") == [1, 2]


def test_task_ref() -> None:
    assert pickle.loads(pickle.dumps(TaskRef("a"))).key == "a"
