"""Calls become bytes, once each, in the thread that made them ready."""

from __future__ import annotations

import hashlib
import logging
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from parsl_on_dask.common.mistakes import culprit_in
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.failures import as_exception
from parsl_on_dask.lanes.large_arguments import LARGE, LargeArguments, bytes_in, holds_large
from parsl_on_dask.lanes.own_globals import warn_of_changes
from parsl_on_dask.lanes.values import RemoteValue, pickling
from parsl_on_dask.remote import serialized
from parsl_on_dask.remote.packing import Promise, dumps, dumps_with_refs
from parsl_on_dask.remote.standin import FinishedFuture

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("parsl.lanes.packing")

#: In which values elsewhere may be.
_HOLDERS = (list, tuple, dict, set, frozenset, deque, FinishedFuture)

#: How many functions are remembered in pickled form, and how many bytes of them; the last one whatever its size.
FUNCTIONS_KEPT, BYTES_KEPT = 1024, 64_000_000


class _Packed(NamedTuple):
    """A function that was pickled. ``function`` gives it, or None when there is no such object any more."""

    function: Callable[[], Any]
    key: str
    data: bytes


class Packer:
    """Pickles functions once and arguments at each call.

    A function is pickled when it is called first, as Parsl's executors do: a global variable of the script that
    changes later is not seen by later calls. That holds while the function lives and is among the last ones that were
    called; calls that wait have the pickle of theirs.
    """

    def __init__(self, label: str, client: Client, limit: int = 65_536) -> None:
        self.client = client
        self.label = label
        #: Bytes up to which a result travels.
        self.limit = limit
        #: Serialisers that the script has registered.
        self._data: Sequence[Any] = ()
        self._code: Sequence[Any] = ()
        self.large = LargeArguments(label, client)
        self._lock = threading.Lock()
        self._packed: OrderedDict[int, _Packed] = OrderedDict()
        self._size = 0
        #: ids of functions that are gone. Not handled at once: they go while anything runs, also what holds the lock
        self._gone: deque[tuple[int, Callable[[], Any]]] = deque()

    def pack(self, call: Call) -> None:
        """Set the call's ``function_key``, ``packed``, ``payload`` and ``refs``, and let go of its arguments.

        Raises
        ------
        SerializationError
            Names the app, and the argument or the function that cannot be pickled.
        """
        function = call.function
        if serialized.registered is not None:
            self._encode(call)
        call.function_key, call.packed = self._pickled(call.name, function)
        try:
            pickling.arguments = True
            alone = not call.promises  # promises and references to values do not go together
            if call.refs or (alone and holds_large((*call.args, *call.kwargs.values()))):
                self._pack_refs(call)
            else:
                call.payload = dumps((call.args, call.kwargs))
                if alone and len(call.payload) >= LARGE:
                    self._pack_refs(call)
        except Exception as e:
            raise _argument_error(call, e) from e
        finally:
            pickling.arguments = False
        call.args, call.kwargs = (), {}
        if not call.promises:  # else it may have to be packed again, with the values
            call.function = None

    def _encode(self, call: Call) -> None:
        """Have the serialisers that the script has registered encode the arguments that they take."""
        assert serialized.registered is not None
        data, code = serialized.registered()
        if [*map(id, data), *map(id, code)] != [*map(id, self._data), *map(id, self._code)]:
            with self._lock:
                self._data, self._code = data, code
                self._packed.clear()  # functions are sent with what encodes their results
                self._size = 0
        if data:
            refers = bool(call.refs or call.promises)

            def left_alone(value: Any) -> bool:
                # what stands for values elsewhere is ours to pickle
                return isinstance(value, (RemoteValue, Promise)) or (refers and isinstance(value, _HOLDERS))

            call.args, call.kwargs = serialized.encoded_arguments(call.args, call.kwargs, data, left_alone)

    def _function_data(self, name: str, function: Any) -> bytes:
        if not self._data and not self._code:
            return dumps(function)
        sent = serialized.encoded(function, self._code)
        if not self._data:
            return dumps(sent)
        try:
            return dumps(serialized.Answering(sent, self._data, self.limit))
        except Exception as e:
            logger.warning(
                "Results of app %s travel by cloudpickle: a serializer of register_method_for_data() cannot be sent to "
                "workers (%s: %s)",
                *(name, type(e).__name__, e),
            )
            return dumps(sent)

    def _pack_refs(self, call: Call) -> None:
        refs: list[RemoteValue] = []
        # with the objects, as some are made while others are pickled, and their ids must not come again
        numbers: dict[int, tuple[int, Any]] = {}
        plain = bytes_in((call.args, call.kwargs))

        def ref_of(obj: Any) -> int | None:
            known = numbers.get(id(obj))
            if known is not None:
                return known[0]
            value = obj
            if type(obj) is not RemoteValue:
                if type(obj) in (bytes, bytearray) and id(obj) not in plain:
                    return None
                value = self.large.shared(obj)
                if value is None:
                    return None
                # other calls see it, too
                call.own = False
            elif obj.client is not self.client:
                return None
            numbers[id(obj)] = (len(refs), obj)
            refs.append(value)
            return len(refs) - 1

        payload = dumps_with_refs((call.args, call.kwargs), ref_of)
        if refs or call.payload is None:
            call.payload = payload
        call.refs = tuple(refs)

    def knows(self, function: Any) -> bool:
        """Whether a function has been pickled already."""
        known = self._packed.get(id(function))
        return known is not None and known.function() is function

    def kept(self) -> tuple[int, int]:
        """How many pickled functions are remembered, and how many bytes these are."""
        with self._lock:
            self._forget_gone()
            return len(self._packed), self._size

    def _pickled(self, name: str, function: Any) -> tuple[str, bytes]:
        """The key and the pickle of a function."""
        known = self._packed.get(id(function))
        if known is not None and known.function() is function:
            return known.key, known.data
        try:
            data = self._function_data(name, function)
        except Exception as e:
            why = culprit_in(getattr(function, "__wrapped__", function), _cannot)
            text = f"the function of app {name!r} cannot be pickled{why}: {type(e).__name__}: {e}"
            error = as_exception("SerializationError", (name, text))
            raise error from e
        warn_of_changes(function, f"executor {self.label!r}")
        key = hashlib.blake2b(data, digest_size=12).hexdigest()
        number = id(function)
        try:
            reference: Callable[[], Any] = weakref.ref(function, lambda gone: self._gone.append((number, gone)))
        except TypeError:  # an object of a class with slots, say: kept, so that its id remains its own
            reference = partial(_itself, function)
        with self._lock:
            self._forget_gone()
            self._drop(number)
            self._packed[number] = _Packed(reference, key, data)
            self._size += len(data)
            while len(self._packed) > FUNCTIONS_KEPT or (self._size > BYTES_KEPT and len(self._packed) > 1):
                self._drop(next(iter(self._packed)))
        return key, data

    def _forget_gone(self) -> None:
        while self._gone:
            number, reference = self._gone.popleft()
            known = self._packed.get(number)
            if known is not None and known.function is reference:  # else the id is another function's by now
                self._drop(number)

    def _drop(self, number: int) -> None:
        known = self._packed.pop(number, None)
        if known is not None:
            self._size -= len(known.data)


def _itself(function: Any) -> Any:
    return function


def _argument_error(call: Call, e: Exception) -> BaseException:
    named = [*((f"argument {i}", a) for i, a in enumerate(call.args)), *((repr(k), v) for k, v in call.kwargs.items())]
    culprit, why = "the arguments", ""
    for label, value in named:
        if _cannot(value):
            culprit = f"{'keyword argument ' if label.startswith(chr(39)) else ''}{label}, a {type(value).__name__},"
            why = culprit_in(value, _cannot)
            break
    text = f"{culprit} of app {call.name!r} cannot be pickled to be sent to a worker{why}: {type(e).__name__}: {e}"
    return as_exception("SerializationError", (call.name, text))


def _cannot(value: Any) -> bool:
    try:
        dumps(value)
    except Exception:
        return True
    return False
