"""Large arguments travel once, however many calls are given them.

A large array, bytes or str among the arguments of a call, at any depth, becomes the value of a Dask task of its own,
and the call refers to that, as it would to a large result. Values are known by their content, so an array that was
changed between two calls is another value.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.by_value import by_value
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.packing import PROTOCOL

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("parsl.lanes.large_arguments")

#: Bytes from which on a part of the arguments is shared among calls.
LARGE = 1_000_000
#: Classes of what never is.
SMALL = frozenset({int, float, bool, complex, type(None)})
#: Bytes of values that stay on a cluster for calls to come, though no call refers to them now.
KEPT = 256_000_000
#: Containers with more elements are not looked through before they are pickled.
FEW = 100
#: So that the value is there before the calls that wait for it, whatever their priority.
FIRST = 1e12

_WARNS_FROM = "distributed.admin.large-graph-warning-threshold"


class LargeArguments:
    """The large arguments of one lane's calls.

    - `label`: of the lane's executor.
    """

    def __init__(self, label: str, client: Client) -> None:
        self.label = label
        self.client: Any = client
        self.lock = threading.Lock()
        self.kept: OrderedDict[bytes, RemoteValue] = OrderedDict()
        self.size = 0

    def shared(self, value: Any) -> RemoteValue | None:
        """What stands for a large value on the cluster; None when it is not large, or has to travel with its call."""
        if not is_large(value):
            return None
        key = _digest(value)
        with self.lock:
            known = self.kept.get(key)
            if known is not None and known.future.status in ("pending", "finished"):
                self.kept.move_to_end(key)
                return known
        data = pickle.dumps(value, PROTOCOL)
        try:
            with without_size_warning():
                future = self.client.submit(
                    _unpickled(), data, key=f"argument-{uuid.uuid4().hex}", pure=False, priority=FIRST
                )
        except Exception:  # the call itself will meet the same, and say what it is
            logger.debug("a large argument is not shared", exc_info=True)
            return None
        made = RemoteValue(self.label, self.client, future, None, len(data))
        with self.lock:
            if known is not None and self.kept.get(key) is known:
                self._drop(key)
            known = self.kept.setdefault(key, made)
            if known is made:
                self.size += made.size
            while self.size > KEPT and len(self.kept) > 1:
                self._drop(next(iter(self.kept)))
        return known

    def _drop(self, key: bytes) -> None:
        self.size -= self.kept.pop(key).size

    def clear(self) -> None:
        """Let go of all values that no call refers to."""
        with self.lock:
            self.kept.clear()
            self.size = 0


def is_large(value: Any) -> bool:
    """Whether a value is worth a Dask task of its own."""
    kind = type(value)
    if kind in (bytes, bytearray, str):
        return len(value) >= LARGE
    # others may be views of something that the call shall see, or share parts with what is not large
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        return bool(value.nbytes >= LARGE and not value.dtype.hasobject)
    return False


def holds_large(values: Iterable[Any]) -> bool:
    """Whether one of some values is large, or a container of one, as far as that shows at once."""
    for value in values:
        if type(value) in SMALL:
            continue
        parts = value.values() if type(value) is dict else value if type(value) in (list, tuple) else (value,)
        if len(parts) < FEW and any(map(is_large, parts)):
            return True
    return False


def bytes_in(arguments: Any) -> set[int]:
    """The ids of the large bytes that arguments are, or that are in containers of them.

    Others must not be shared: an array that is unpickled may use the bytes that it is made of as its memory, and a call
    that changes it changes them.
    """
    found = set()
    seen = set()
    parts = [arguments]
    while parts:
        part = parts.pop()
        kind = type(part)
        if kind in (bytes, bytearray):
            if len(part) >= LARGE:
                found.add(id(part))
        elif kind in (list, tuple, set, frozenset, dict) and id(part) not in seen:
            seen.add(id(part))
            parts.extend(part.values() if kind is dict else part)
    return found


def _digest(value: Any) -> bytes:
    """A digest of a large value's content and type."""
    kind = type(value)
    if kind in (bytes, bytearray, str):
        what, content = kind.__name__, value.encode("utf-8", "surrogatepass") if kind is str else value
    else:
        if not (value.flags.c_contiguous or value.flags.f_contiguous):
            value = value.copy()
        flags = value.flags
        what = f"{value.dtype.descr} {value.shape} {flags.c_contiguous} {value.dtype.metadata}"
        content = (value if flags.c_contiguous else value.T).reshape(-1).view("u1")
    digest = hashlib.blake2b(content, digest_size=20)
    digest.update(what.encode())
    return digest.digest()


@cache
def _unpickled() -> Any:
    def parsl_argument(data: bytes) -> Any:
        import pickle

        return pickle.loads(data)

    return by_value(parsl_argument)


_silent = 0
_before: Any = None
_silence = threading.Lock()


@contextmanager
def without_size_warning() -> Iterator[None]:
    """Keep Dask from warning of the size of what we send: its advice is about Dask's own functions.

    Dask has one threshold for the whole process, so it is put back as soon as nobody sends.
    """
    import dask

    global _silent, _before
    with _silence:
        if not _silent:
            _before = dask.config.get(_WARNS_FROM)
            dask.config.set({_WARNS_FROM: 2**62})
        _silent += 1
    try:
        yield
    finally:
        with _silence:
            _silent -= 1
            if not _silent:
                dask.config.set({_WARNS_FROM: _before})
