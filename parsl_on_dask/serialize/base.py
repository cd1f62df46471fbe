"""The interface of serialisers."""

from __future__ import annotations

from functools import cached_property
from typing import Any


class SerializerBase:
    """Base of serialisers: subclass it, and implement :meth:`serialize` and :meth:`deserialize`.

    The behaviour is that of Parsl's ``parsl.serialize.base``.

    Examples
    --------
    >>> class Text(SerializerBase):
    ...     def serialize(self, data):
    ...         return str(data).encode()
    ...
    ...     def deserialize(self, payload):
    ...         return payload.decode()
    >>> Text().identifier.endswith(b" Text")
    True
    """

    @cached_property
    def identifier(self) -> bytes:
        """The header of what this serialiser writes; by default ``module class``, by which it can be imported."""
        kind = type(self)
        return f"{kind.__module__} {kind.__name__}".encode()

    def serialize(self, data: Any) -> bytes:
        """Turn an object into bytes."""
        raise TypeError(f"{type(self).__name__} has no serialize(): a serialiser implements serialize and deserialize.")

    def deserialize(self, payload: bytes) -> Any:
        """Turn bytes into the object again."""
        raise TypeError(
            f"{type(self).__name__} has no deserialize(): a serialiser implements serialize and deserialize."
        )

    def chomp(self, payload: bytes) -> bytes:
        """Cut the header off; Parsl had this until 2023.6."""
        return payload.split(b"\n", 1)[1]

    def enable_caching(self, maxsize: int = 128) -> None:
        """Remember what was serialised, until ``maxsize`` objects; Parsl had this until 2023.7."""
        from functools import lru_cache

        cached = lru_cache(maxsize=maxsize)
        self.serialize = cached(self.serialize)  # type: ignore[method-assign]
        self.deserialize = cached(self.deserialize)  # type: ignore[method-assign]
