"""Values that travel as bytes of a serialiser that the script has registered (``parsl.serialize.facade``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .packing import FIXED

#: Gives the serialisers for data and those for code that a script has registered. None while it has registered none.
registered: Callable[[], tuple[Sequence[Any], Sequence[Any]]] | None = None


class Encoded:
    """A value, in the form in which it travels. Unpickling gives the value.

    `reader`: the serialiser's class, if it needs no arguments, else the serialiser: what reads the bytes.
    """

    __slots__ = ("body", "reader")

    def __init__(self, reader: Any, body: bytes) -> None:
        self.reader = reader
        self.body = body

    def __reduce__(self) -> tuple[Any, ...]:
        return _read, (self.reader, self.body)


def _read(reader: Any, body: bytes) -> Any:
    return (reader() if isinstance(reader, type) else reader).deserialize(body)


def encoded(value: Any, serializers: Sequence[Any]) -> Any:
    """A value in the form of the first serialiser that takes it; the value itself, if none does."""
    if type(value) in FIXED:  # it needs no serialiser of anybody's
        return value
    for serializer in serializers:
        try:
            body = serializer.serialize(value)
        except Exception:  # which is how one says that it does not take a value
            continue
        kind = type(serializer)
        try:
            kind()
        except Exception:
            return Encoded(serializer, body)
        return Encoded(kind, body)
    return value


def encoded_arguments(
    args: Sequence[Any], kwargs: Mapping[str, Any], serializers: Sequence[Any], left_alone: Callable[[Any], bool]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Arguments in the form of the registered serialisers, but for those that are left alone."""

    def one(value: Any) -> Any:
        return value if left_alone(value) else encoded(value, serializers)

    return tuple([one(a) for a in args]), {name: one(value) for name, value in kwargs.items()}


class Answering:
    """A function whose results travel in the form of registered serialisers.

    `limit`: bytes from which on a result stays as it is: it does not travel then, but stays on its worker.
    """

    def __init__(self, function: Any, serializers: Sequence[Any], limit: int) -> None:
        self.function = function
        self.serializers = serializers
        self.limit = limit

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        value = self.function(*args, **kwargs)
        answer = encoded(value, self.serializers)
        return value if type(answer) is Encoded and len(answer.body) > self.limit else answer
