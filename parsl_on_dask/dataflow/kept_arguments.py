"""What the record of a finished task keeps of its arguments.

Scripts read them there, as ``future.task_record["args"]``. Small values stay with the record. A large one belongs to
the script, or to the worker that has it, and would live as long as the future if the record held it; so the record
refers to it weakly, and brings one that is on a worker when somebody asks.
"""

from __future__ import annotations

import datetime
import decimal
import sys
import types
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NoReturn

from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.python_internals.futures import value_of
from parsl_on_dask.remote.standin import FinishedFuture

#: Bytes, and objects, up to which an argument is small.
BYTES, OBJECTS = 65_536, 1000
#: Characters of a text that is not counted.
SHORT = 1000

#: Classes of values that are small, whatever they are.
NUMBERS = frozenset({int, float, bool, complex, type(None), range})
_LEAVES = NUMBERS | {
    *(slice, type(Ellipsis), types.BuiltinFunctionType, types.ModuleType, decimal.Decimal),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone),
}
#: Keywords whose values are names of files.
_FILES = ("outputs", "stdout", "stderr")
_TEXTS = (str, bytes, bytearray)
_CONTAINERS = (list, tuple, set, frozenset, deque)
#: The flag of classes that are not part of a compiled module (``Py_TPFLAGS_HEAPTYPE``).
_HEAP = 1 << 9


class Dropped:
    """Stands in a record for an argument that nobody keeps any more; whoever uses it is told so.

    - `kind`: the class of the argument.
    """

    __slots__ = ("_kind",)

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __repr__(self) -> str:
        return f"<an argument that was released, a {self._kind}>"

    def _told(self, *_: Any) -> NoReturn:
        raise ReferenceError(
            f"This argument, a {self._kind}, was large, and nothing refers to it any more: records of finished tasks "
            "keep only small arguments. Keep the value in the script, or write Config(garbage_collect=False)."
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # protocols that somebody probes for
            raise AttributeError(name)
        self._told()

    __getitem__ = __iter__ = __len__ = __bool__ = __float__ = __int__ = __call__ = _told
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __lt__ = __gt__ = _told


def is_dropped(value: Any) -> bool:
    """Whether a value of a record, or a part of it, is not kept any more.

    Examples
    --------
    >>> is_dropped([1, Dropped("ndarray")]), is_dropped([1, 2])
    (True, False)
    """
    return type(value) is Dropped or (type(value) in (list, tuple) and any(map(is_dropped, value)))


class _Weak:
    """A large argument, or a result on a worker."""

    __slots__ = ("kind", "reference", "stand_in")

    def __init__(self, value: Any, stand_in: bool = False) -> None:
        self.kind = "result" if type(value) is RemoteValue else type(value).__name__
        self.stand_in = stand_in
        try:
            self.reference: Any = weakref.ref(value)
        except TypeError:  # of a class that has no weak references
            self.reference = None

    def shown(self) -> Any:
        value = None if self.reference is None else self.reference()
        if type(value) is RemoteValue:
            try:
                value = value.fetch()
            except Exception:  # its cluster is gone
                value = None
        if value is None:
            return Dropped(self.kind)
        return FinishedFuture(value) if self.stand_in else value


class Loose(tuple[Any, ...]):
    """Arguments some of which are not held."""

    __slots__ = ()

    def shown(self) -> Any:
        """The arguments, as far as they are still there."""
        return tuple(map(_shown, self))


class _LooseList(Loose):
    __slots__ = ()

    def shown(self) -> Any:
        return list(map(_shown, self))


class LooseKeywords(dict[str, Any]):
    """Keyword arguments some of which are not held."""

    __slots__ = ()

    def shown(self) -> dict[str, Any]:
        """The keyword arguments, as far as they are still there."""
        return {name: _shown(value) for name, value in self.items()}


class Depended(tuple[Any, ...]):
    """Weak references to the futures that a task has waited for."""

    __slots__ = ()

    def shown(self) -> list[Future[Any]]:
        """Those that somebody still has."""
        return [future for reference in self if (future := reference()) is not None]


#: In the place of an empty dict, of which a record would have one each.
NOTHING = LooseKeywords()

#: What a record shows something else for than it has.
LOOSE = frozenset({Loose, LooseKeywords, Depended})


def _shown(value: Any) -> Any:
    return value.shown() if type(value) in (_Weak, Loose, _LooseList) else value


def loose_args(args: Sequence[Any]) -> Loose:
    """Arguments of which the large ones are not held."""
    return Loose([_kept(value) for value in args])


def loose_kwargs(kwargs: dict[str, Any]) -> LooseKeywords:
    """Keyword arguments of which the large ones are not held."""
    return LooseKeywords({name: value if name in _FILES else _kept(value) for name, value in kwargs.items()})


def _kept(value: Any) -> Any:
    if is_small(value):
        return value
    kind = type(value)
    if kind is FinishedFuture:
        return _Weak(value_of(value), stand_in=True)
    if kind in (list, tuple) and len(value) <= OBJECTS:  # whatever of it is small is kept
        parts = [_kept(part) if type(part) not in (list, tuple) else _part(part) for part in value]
        return _LooseList(parts) if kind is list else Loose(parts)
    return _Weak(value)


def _part(value: Any) -> Any:
    return value if is_small(value) else _Weak(value)


def is_small(value: Any) -> bool:
    """Whether a value surely has not more than :data:`BYTES` bytes, and :data:`OBJECTS` objects.

    No code of the value's own runs for this. What cannot be seen, such as what a compiled class holds, may be large.

    Examples
    --------
    >>> is_small([1, {"a": 2.5}]), is_small("x" * 1_000_000), is_small([0] * 5000)
    (True, False, False)
    """
    todo = [value]
    objects, room = OBJECTS, BYTES
    try:
        while todo:
            value = todo.pop()
            kind = type(value)
            objects -= 1
            if kind in _TEXTS:
                room -= len(value)
            elif kind in _CONTAINERS or issubclass(kind, tuple):
                if len(value) + len(todo) > objects:  # not to copy a long one
                    return False
                todo.extend(tuple.__iter__(value) if issubclass(kind, tuple) else value)
            elif kind is dict:
                if 2 * len(value) + len(todo) > objects:
                    return False
                todo += [*value, *value.values()]
            elif kind is FinishedFuture:
                todo.append(value_of(value))
            elif kind not in _LEAVES and not issubclass(kind, type):
                parts = _parts(value, kind)
                if parts is None:
                    return False
                room -= parts[0]
                todo += parts[1]
            if objects < 0 or room < 0:
                return False
    except RuntimeError:  # another thread changes it
        return False
    return True


def _parts(value: Any, kind: type) -> tuple[int, list[Any]] | None:
    """Bytes of a value's own, and what it refers to; None where that is not known."""
    if kind is types.FunctionType:
        return None if value.__closure__ else (0, [])
    numpy = sys.modules.get("numpy")
    array = getattr(numpy, "ndarray", None)
    if array is not None and issubclass(kind, array):
        if array.dtype.__get__(value).hasobject:
            return None
        base = array.base.__get__(value)
        return array.nbytes.__get__(value), [] if base is None else [base]
    if array is not None and issubclass(kind, numpy.generic):  # type: ignore[union-attr]
        return numpy.generic.nbytes.__get__(value), []  # type: ignore[union-attr]
    if issubclass(kind, Future):
        return None
    own = kind.__mro__[:-1]
    slots = [d for c in own for d in vars(c).values() if type(d) is types.MemberDescriptorType]
    # an object with room for more than a dict, weak references and its slots has something that Python does not see
    known = len(slots) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    hidden = kind.__itemsize__ or kind.__basicsize__ > object.__basicsize__ + 8 * known
    if hidden or not all(c.__flags__ & _HEAP for c in own):
        return None
    found = []
    for slot in slots:
        try:
            found.append(slot.__get__(value))
        except AttributeError:  # not set
            pass
    try:
        found.append(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        pass
    return 0, found
