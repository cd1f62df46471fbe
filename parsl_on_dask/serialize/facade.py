"""Objects to bytes and back, in the format of Parsl's messages.

A message is the identifier of a serialiser, a newline, and what that serialiser wrote. Calls of apps travel to
workers in a form of this package's own, in which registered serialisers have their part; the functions that make
messages are for programs that use them directly.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

from parsl_on_dask.remote import serialized
from parsl_on_dask.serialize.base import SerializerBase
from parsl_on_dask.serialize.concretes import DillCallableSerializer, DillSerializer
from parsl_on_dask.serialize.errors import DeserializerPluginError

logger = logging.getLogger("parsl.serialize.facade")

methods_for_code: dict[bytes, SerializerBase] = {b"C2": DillCallableSerializer()}
methods_for_data: dict[bytes, SerializerBase] = {b"02": DillSerializer()}
#: Serialisers that were imported to read a message; they are not used for writing.
additional_methods_for_deserialization: dict[bytes, SerializerBase] = {}


def _registered() -> tuple[list[SerializerBase], list[SerializerBase]]:
    """What a script has registered for data, and for code: all but what there is from the beginning."""
    ours = (DillSerializer, DillCallableSerializer)
    data, code = methods_for_data.values(), methods_for_code.values()
    return [s for s in data if type(s) not in ours], [s for s in code if type(s) not in ours]


def register_method_for_code(s: SerializerBase) -> None:
    """Have functions of apps travel by ``s``, and let :func:`serialize` use it for callables.

    Apps on executors other than threads ask the registered serialisers in their order. One that raises an exception
    does not take the function; what none takes travels by cloudpickle. Workers import the class of ``s``, and make an
    object of it without arguments, if that is possible; else ``s`` is sent to them.
    """
    methods_for_code[s.identifier] = s
    serialized.registered = _registered


def register_method_for_data(s: SerializerBase) -> None:
    """Have arguments and results of apps travel by ``s``, and let :func:`serialize` use it for what is not callable.

    As :func:`register_method_for_code`, for each argument by itself, and for results that are not large: those stay on
    their worker. Numbers and texts are not asked about.

    Examples
    --------
    >>> from parsl_on_dask.serialize.concretes import PickleSerializer
    >>> register_method_for_data(PickleSerializer())
    >>> methods_for_data.pop(b"01").serialize([1])[:1]
    b'\\x80'
    """
    methods_for_data[s.identifier] = s
    serialized.registered = _registered


def serialize(obj: Any, buffer_threshold: int = 1_000_000) -> bytes:
    """Turn an object into a message.

    The registered serialisers are tried one after the other.

    Parameters
    ----------
    obj : object
    buffer_threshold : int
        Bytes from which on a warning is logged. Default 1,000,000.

    Raises
    ------
    Exception
        That of the last serialiser, when none can do it.

    Examples
    --------
    >>> deserialize(serialize({"a": [1, 2]}))
    {'a': [1, 2]}
    """
    error: Exception = TypeError("no serialiser is registered: see parsl.serialize.facade.register_method_for_data")
    for method in (methods_for_code if callable(obj) else methods_for_data).values():
        try:
            message = method.identifier + b"\n" + method.serialize(obj)
        except Exception as e:
            error = e
            continue
        if len(message) > buffer_threshold:
            logger.warning("A serialized %s has %d bytes, more than %d", type(obj), len(message), buffer_threshold)
        return message
    raise error


def deserialize(payload: bytes) -> Any:
    """Turn a message into the object again.

    Raises
    ------
    DeserializerPluginError
        When its serialiser is not known and cannot be imported.
    """
    header, _, body = payload.partition(b"\n")
    for methods in (methods_for_code, methods_for_data, additional_methods_for_deserialization):
        if header in methods:
            return methods[header].deserialize(body)
    try:
        module, name = header.decode().split(" ", 1)
        method = getattr(importlib.import_module(module), name)()
    except Exception as e:
        raise DeserializerPluginError(header) from e
    additional_methods_for_deserialization[header] = method
    return method.deserialize(body)


def pack_buffers(buffers: list[bytes]) -> bytes:
    """Join messages, each behind its length and a newline."""
    return b"".join(b"%d\n%b" % (len(part), part) for part in buffers)


def unpack_buffers(packed_buffer: bytes) -> list[bytes]:
    """Take apart what :func:`pack_buffers` joined.

    Examples
    --------
    >>> unpack_buffers(pack_buffers([b"ab", b""]))
    [b'ab', b'']
    """
    parts = []
    while packed_buffer:
        size, _, rest = packed_buffer.partition(b"\n")
        parts.append(rest[: int(size)])
        packed_buffer = rest[int(size) :]
    return parts


def pack_apply_message(func: Any, args: Any, kwargs: Any, buffer_threshold: int = 128_000_000) -> bytes:
    """Turn a call into one message.

    Parameters
    ----------
    func : callable
    args : sequence
    kwargs : mapping
    buffer_threshold : int
        Bytes of each part from which on a warning is logged. Default 128,000,000.

    Examples
    --------
    >>> func, args, kwargs = unpack_apply_message(pack_apply_message(max, (1, 3), {}))
    >>> func(*args, **kwargs)
    3
    """
    return pack_buffers([serialize(part, buffer_threshold) for part in (func, args, kwargs)])


def unpack_apply_message(packed_buffer: bytes, user_ns: Any = None, copy: Any = False) -> list[Any]:
    """Turn a message of :func:`pack_apply_message` into function, arguments and keyword arguments.

    ``user_ns`` and ``copy`` were without effect in Parsl, too, which had them until 2024.11.
    """
    return unpack_and_deserialize(packed_buffer)


def execute_task(bufs: bytes) -> Any:
    """Run a packed call in this thread, and return what it returns.

    Examples
    --------
    >>> execute_task(pack_apply_message(max, (1, 3), {}))
    3
    """
    function, args, kwargs = unpack_apply_message(bufs)
    return function(*args, **kwargs)


def unpack_and_deserialize(packed_buffer: bytes) -> list[Any]:
    """Turn joined messages into a list of their objects."""
    return [deserialize(part) for part in unpack_buffers(packed_buffer)]


def pack_res_spec_apply_message(
    func: Any, args: Any, kwargs: Any, resource_specification: Any, buffer_threshold: int = 128_000_000
) -> bytes:
    """Turn a call with a resource specification into one message; Parsl had this until 2025.9."""
    return pack_apply_message(func, args, (kwargs, resource_specification), buffer_threshold)


def unpack_res_spec_apply_message(packed_buffer: bytes, user_ns: Any = None, copy: Any = False) -> list[Any]:
    """Turn a message of :func:`pack_res_spec_apply_message` into function, arguments, keywords and specification."""
    func, args, (kwargs, specification) = unpack_apply_message(packed_buffer)
    return [func, args, kwargs, specification]


class ParslSerializer:
    """The functions of this module as methods; Parsl had this until 2022."""

    serialize = staticmethod(serialize)
    deserialize = staticmethod(deserialize)
    pack_buffers = staticmethod(pack_buffers)
    unpack_buffers = staticmethod(unpack_buffers)
    pack_apply_message = staticmethod(pack_apply_message)
    unpack_apply_message = staticmethod(unpack_apply_message)
    unpack_and_deserialize = staticmethod(unpack_and_deserialize)


#: The one that Parsl had until 2022.
parsl_serializer = ParslSerializer()
