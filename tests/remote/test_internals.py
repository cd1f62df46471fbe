"""Private parts of other packages that are used on workers: a test that fails names what has changed."""

from __future__ import annotations

import enum
import io
import pickle
import sys
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


class Slotted:
    __slots__ = ("a",)


class Shade(enum.Enum):
    DARK = 1


def reduced(cls: type) -> Any:
    """What cloudpickle writes of a class by value."""
    cloudpickle.register_pickle_by_value(module := sys.modules[__name__])
    try:
        return internals.of_class(cloudpickle.Pickler(io.BytesIO(), 5).reducer_override(cls), cls)
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_of_class() -> None:
    make, arguments, (members, _), *_, fill = reduced(Slotted)
    assert (make.__name__, fill.__name__) == (internals.MAKES_CLASS, internals.FILLS)
    assert make.__module__ in internals.CLASS_MAKERS and fill.__module__ in internals.CLASS_MAKERS
    assert arguments[-3]["__slots__"] == ("a",) and not {"a", "__slots__"} & set(members)
    assert reduced(Shade)[0].__name__ == internals.MAKES_ENUM


def test_making_of() -> None:
    for cls in (Slotted, Shade):
        make, arguments, *_ = reduced(cls)
        assert internals.making_of(make.__name__, arguments) == (cls, __name__, cls.__qualname__)


@pytest.mark.parametrize(("protocol", "path"), [("memory", "/a/b/c"), ("file", "/a/b/c")])
def test_parent_of(protocol: str, path: str) -> None:
    assert internals.parent_of(fsspec.filesystem(protocol), path) == "/a/b"
