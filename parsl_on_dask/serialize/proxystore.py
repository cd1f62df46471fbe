"""Large objects go to a ProxyStore, and a reference to them into the message."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

from parsl_on_dask.errors import ConfigurationError, OptionalModuleMissing
from parsl_on_dask.serialize.base import SerializerBase

try:
    import dill
    from proxystore.store import Store
except ImportError as e:
    raise OptionalModuleMissing(
        [str(e.name).partition(".")[0]], "parsl.serialize.proxystore needs it: pip install 'parsl-on-dask[proxystore]'"
    ) from e


# The C pickler, which cloudpickle builds on, does not ask reducer_override about sets, lists and the like
class ProxyStoreDeepPickler(dill.Pickler):  # type: ignore[misc]
    """A pickler that puts some objects into a store, wherever they are inside of what it pickles.

    Parameters
    ----------
    *args, **kwargs
        Those of ``dill.Pickler``: ``file``, ``protocol``.
    should_proxy : callable
        Says for an object whether it goes to the store.
    store : proxystore.store.Store
    """

    def __init__(self, *args: Any, should_proxy: Callable[[Any], bool], store: Store[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._store = store
        self._should_proxy = should_proxy

    def reducer_override(self, o: Any) -> Any:
        """Give the pickler a proxy for what goes to the store."""
        if self._should_proxy(o):
            return self._store.proxy(o).__reduce__()
        return NotImplemented


class ProxyStoreSerializer(SerializerBase):
    """Serialises with :class:`ProxyStoreDeepPickler`.

    Without arguments it can only read.

    Parameters
    ----------
    should_proxy : callable, optional
        Says for an object whether it goes to the store.
    store : proxystore.store.Store, optional
    """

    def __init__(self, *, should_proxy: Callable[[Any], bool] | None = None, store: Store[Any] | None = None) -> None:
        self._store = store
        self._should_proxy = should_proxy

    def serialize(self, data: Any) -> bytes:
        if self._store is None or self._should_proxy is None:
            raise ConfigurationError(
                "ProxyStoreSerializer() without arguments can only read. Write "
                "ProxyStoreSerializer(should_proxy=..., store=...)."
            )
        buffer = io.BytesIO()
        ProxyStoreDeepPickler(file=buffer, store=self._store, should_proxy=self._should_proxy).dump(data)
        return buffer.getvalue()

    def deserialize(self, body: bytes) -> Any:
        return pickle.loads(body)
