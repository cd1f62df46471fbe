"""Private parts of other packages that are used on workers: a test that fails names what has changed."""

from __future__ import annotations

import enum
import io
import pickle
from collections.abc import Iterator
from typing import Any

import cloudpickle
import fsspec
import pytest
from distributed import Client, LocalCluster

from parsl_on_dask.remote import internals


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    options: dict[str, Any] = {"dashboard_address": ":0", "protocol": "tcp", "host": "127.0.0.1"}
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **options) as made:
        yield made


def test_connections(cluster: LocalCluster) -> None:
    with Client(cluster, set_as_default=False) as client:
        assert client.scheduler_comm.comm in internals.connections()


def test_listening_sockets(cluster: LocalCluster) -> None:
    (worker,) = cluster.workers.values()
    ports = [socket.getsockname()[1] for socket in internals.listening_sockets(worker)]
    assert worker.port in ports


def test_has_unsent(cluster: LocalCluster) -> None:
    (worker,) = cluster.workers.values()
    assert isinstance(worker.batched_stream.buffer, list)
    worker.batched_stream.buffer.append({"op": "nothing"})
    try:
        assert internals.has_unsent(worker)
    finally:
        worker.batched_stream.buffer.clear()
    assert not internals.has_unsent(worker)
    assert not internals.has_unsent(object())


def test_is_there(cluster: LocalCluster) -> None:
    (worker,) = cluster.workers.values()
    assert internals.is_there(worker, worker.address)
    assert not internals.is_there(worker, "tcp://127.0.0.1:1")


def test_function_by_value() -> None:
    namespace: dict[str, Any] = {}
    exec("def double(x):\n    return 2 * x", namespace)

    class ByValue(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if obj is namespace["double"]:
                return internals.function_by_value(self, obj)
            return super().reducer_override(obj)

    buffer = io.BytesIO()
    ByValue(buffer, 5).dump(namespace["double"])
    assert pickle.loads(buffer.getvalue())(4) == 8


def test_classes_by_value() -> None:
    """What cloudpickle writes of a class, and what its makers of classes are given."""
    made: list[Any] = []

    class Here:
        __slots__ = ("a",)

    class Shade(enum.Enum):
        DARK = 1

    class ByValue(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            reduced = super().reducer_override(obj)
            if obj not in (Here, Shade):
                return reduced
            make, arguments, *rest = internals.of_class(reduced, obj)
            assert make.__module__ in internals.CLASS_MAKERS and rest[-1].__name__ == "_class_setstate"
            made.append(internals.making_of(make.__name__, arguments))
            return make, arguments, *rest

    for each in (Here, Shade):
        buffer = io.BytesIO()
        ByValue(buffer, 5).dump(each)
        assert made == [(each, each.__module__, each.__qualname__)]
        assert pickle.loads(buffer.getvalue()) is each
        made.clear()


@pytest.mark.parametrize(("protocol", "path"), [("memory", "/a/b/c"), ("file", "/a/b/c")])
def test_parent_of(protocol: str, path: str) -> None:
    assert internals.parent_of(fsspec.filesystem(protocol), path) == "/a/b"
