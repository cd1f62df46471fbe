"""Objects to bytes and back, in Parsl's format."""

from __future__ import annotations

import pickle
import uuid

import pytest

from parsl_on_dask.old_spellings.legacy import forget_warnings
from parsl_on_dask.serialize import (
    deserialize,
    pack_apply_message,
    pack_res_spec_apply_message,
    parsl_serializer,
    serialize,
    unpack_apply_message,
    unpack_res_spec_apply_message,
)
from parsl_on_dask.serialize import facade as facade_module
from parsl_on_dask.serialize.base import SerializerBase
from parsl_on_dask.serialize.concretes import DillCallableSerializer, DillSerializer, PickleSerializer
from parsl_on_dask.serialize.errors import DeserializerPluginError


class Shouting(SerializerBase):
    """A user's serialiser, found by its name."""

    def serialize(self, data):
        return str(data).upper().encode()

    def deserialize(self, payload):
        return payload.decode()


@pytest.fixture
def methods():
    kept = dict(facade_module.methods_for_data)
    forget_warnings()
    yield facade_module.methods_for_data
    facade_module.methods_for_data.clear()
    facade_module.methods_for_data.update(kept)
    facade_module.additional_methods_for_deserialization.clear()


@pytest.mark.parametrize("value", [1, "text", [1, {"a": None}], b"\n\n", {1, 2}, "", lambda: 3])
def test_round_trips(value):
    again = deserialize(serialize(value))
    assert again() == 3 if callable(value) else again == value


def test_headers_are_parsls():
    assert serialize([1]).startswith(b"02\n")
    assert serialize(lambda: 1).startswith(b"C2\n")
    assert PickleSerializer().identifier == b"01"


def test_what_dill_wrote_is_read():
    dill = pytest.importorskip("dill", reason="pip install dill")

    def f(x):
        return x + 1

    assert deserialize(b"C2\n" + dill.dumps(f, recurse=True))(1) == 2
    assert deserialize(b"02\n" + dill.dumps({"a": 1})) == {"a": 1}


def test_a_callable_is_read_once():
    message = serialize(lambda: 1)
    assert deserialize(message) is deserialize(message)


def test_an_unserialisable_object_raises_the_picklers_error():
    with pytest.raises(TypeError, match="generator"):
        serialize(x for x in ())


def test_calls_are_packed():
    func, args, kwargs = unpack_apply_message(pack_apply_message(divmod, (7, 2), {}))
    assert func(*args, **kwargs) == (3, 1)
    packed = pack_res_spec_apply_message(sorted, ([2, 1],), {"reverse": True}, {"priority": 3})
    assert unpack_res_spec_apply_message(packed) == [sorted, ([2, 1],), {"reverse": True}, {"priority": 3}]


def test_a_users_serialiser_is_found_by_its_header(methods):
    methods.clear()
    facade_module.register_method_for_data(Shouting())
    message = serialize("quiet")
    assert message == f"{__name__} Shouting\nQUIET".encode()
    methods.clear()
    assert deserialize(message) == "QUIET"


def test_an_unknown_header_is_named():
    with pytest.raises(DeserializerPluginError, match="nowhere"):
        deserialize(b"nowhere Thing\nx")


def test_a_serialiser_without_methods_says_what_to_write():
    class Half(SerializerBase):
        pass

    with pytest.raises(TypeError, match=r"Half has no serialize\(\)"):
        Half().serialize(1)


def test_old_interfaces():
    assert parsl_serializer.deserialize(parsl_serializer.serialize([1])) == [1]
    assert DillSerializer().chomp(b"02\nbody") == b"body"
    cached = PickleSerializer()
    cached.enable_caching(maxsize=4)
    assert cached.deserialize(cached.serialize("x")) == "x"
    assert DillCallableSerializer().deserialize(pickle.dumps(len)) is len


def test_proxystore_takes_what_it_is_told_to(tmp_path):
    pytest.importorskip("proxystore", reason="pip install 'parsl-on-dask[proxystore]'")
    from proxystore.connectors.file import FileConnector
    from proxystore.proxy import Proxy
    from proxystore.store import Store, register_store, unregister_store

    from parsl_on_dask.errors import ConfigurationError
    from parsl_on_dask.serialize.proxystore import ProxyStoreSerializer

    with Store(f"test-{uuid.uuid4()}", connector=FileConnector(store_dir=str(tmp_path))) as store:
        register_store(store, exist_ok=True)
        serializer = ProxyStoreSerializer(store=store, should_proxy=lambda o: type(o) is frozenset)
        plain, large = serializer.deserialize(serializer.serialize((1, frozenset({1, 2}))))
        assert plain == 1
        assert isinstance(large, Proxy) and large == {1, 2}
        with pytest.raises(ConfigurationError, match="can only read"):
            ProxyStoreSerializer().serialize(1)
        unregister_store(store)


def test_without_proxystore_the_extra_is_named(monkeypatch):
    import importlib
    import sys

    from parsl_on_dask.errors import OptionalModuleMissing

    monkeypatch.setitem(sys.modules, "proxystore.store", None)
    monkeypatch.delitem(sys.modules, "parsl_on_dask.serialize.proxystore", raising=False)
    with pytest.raises(OptionalModuleMissing, match=r"parsl-on-dask\[proxystore\]"):
        importlib.import_module("parsl_on_dask.serialize.proxystore")
