"""Calls become bytes, once each, in the thread that made them ready."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.failures import as_exception
from parsl_on_dask.lanes.large_arguments import LARGE, LargeArguments, bytes_in, holds_large
from parsl_on_dask.lanes.values import RemoteValue, pickling
from parsl_on_dask.mistakes import culprit_in
from parsl_on_dask.remote.packing import dumps, dumps_with_refs

if TYPE_CHECKING:
    from distributed import Client

#: How many functions are remembered in pickled form.
FUNCTIONS_KEPT = 1024


class Packer:
    """Pickles functions once and arguments at each call.

    A function is pickled when it is called first, as Parsl's executors do: a global variable of the script that
    changes later is not seen by later calls.
    """

    def __init__(self, label: str, client: Client) -> None:
        self.client = client
        self.large = LargeArguments(label, client)
        self.functions: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._keys: OrderedDict[int, tuple[Any, str]] = OrderedDict()

    def pack(self, call: Call) -> None:
        """Set the call's ``function_key``, ``payload`` and ``refs``, and let go of its arguments.

        Raises
        ------
        SerializationError
            Names the app, and the argument or the function that cannot be pickled.
        """
        function = call.function
        call.function_key = self._key(call.name, function)
        try:
            pickling.arguments = True
            alone = not call.leaders  # promises and references to values do not go together
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
        known = self._keys.get(id(function))
        return known is not None and known[0] is function

    def _key(self, name: str, function: Any) -> str:
        known = self._keys.get(id(function))
        if known is not None and known[0] is function:
            return known[1]
        try:
            data = dumps(function)
        except Exception as e:
            why = culprit_in(getattr(function, "__wrapped__", function), _cannot)
            text = f"the function of app {name!r} cannot be pickled{why}: {type(e).__name__}: {e}"
            error = as_exception("SerializationError", (name, text))
            raise error from e
        key = hashlib.blake2b(data, digest_size=12).hexdigest()
        self.functions[key] = (name, data)
        self._keys[id(function)] = (function, key)
        while len(self._keys) > FUNCTIONS_KEPT:
            self._keys.popitem(last=False)
        return key


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
