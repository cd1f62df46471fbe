"""Finds the futures that an argument holds, and puts their results in their places."""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from operator import is_
from typing import Any

from parsl_on_dask.remote.standin import FinishedFuture


@dataclass
class DependencyResolver:
    """How the kernel finds the futures in an argument and replaces them: ``Config(dependency_resolver=...)``.

    Both functions are called with each positional argument, each keyword's value, and each element of ``inputs``.
    (Parsl's DependencyResolver.)

    Parameters
    ----------
    traverse_to_gather : callable
        Takes an argument and returns the futures to wait for.
    traverse_to_unwrap : callable
        Takes an argument, when all of these are done, and returns what the app is given.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> f = Future()
    >>> f.set_result(7)
    >>> DEEP_DEPENDENCY_RESOLVER.traverse_to_unwrap({"a": [f, 1]})
    {'a': [7, 1]}
    >>> SHALLOW_DEPENDENCY_RESOLVER.traverse_to_gather([f])
    []
    """

    traverse_to_gather: Callable[[object], Sequence[Future[Any]]]
    traverse_to_unwrap: Callable[[object], object]


def peeked(future: Future[Any]) -> Any:
    """The result of a finished future, or what stands for a result that stays on a worker."""
    peek = getattr(type(future), "peek", None)
    return _result(future) if peek is None else peek(future)


def _result(future: Future[Any]) -> Any:
    return future.result(timeout=0)  # it is done, or it is asked too early


# Containers are handled as one of these. A rule says as which, if any, objects of a class are.
_CONTAINERS = (list, tuple, dict, set, frozenset)
_MUTABLE = (list, dict, set)
_Rule = Callable[[type], "type | None"]


def _exact(cls: type) -> type | None:
    return cls if cls in _CONTAINERS else None


def _with_subclasses(cls: type) -> type | None:
    return next((base for base in _CONTAINERS if issubclass(cls, base)), None)


def _is_to_wait_for(cls: type) -> bool:
    return issubclass(cls, Future) and cls is not FinishedFuture


def _members(container: Any, kind: type, rule: _Rule) -> list[Any]:
    """Members of a container, of a dict keys and values in turn; none if there is nothing to look at among them."""
    # for long lists of plain values this one pass in C is all that happens
    types = set(map(type, container))
    if kind is dict:
        types.update(map(type, container.values()))
    if not any(rule(t) is not None or issubclass(t, Future) for t in types):
        return []
    # a snapshot, since another thread may be changing the container
    return [x for item in list(container.items()) for x in item] if kind is dict else list(container)


def _gather(argument: object, rule: _Rule) -> list[Future[Any]]:
    """The futures in an argument, in the order in which they stand there."""
    kind = rule(type(argument))
    if kind is None:
        return [argument] if isinstance(argument, Future) and type(argument) is not FinishedFuture else []
    found: list[Future[Any]] = []
    seen = {id(argument)}
    # a stack instead of recursion: nesting may be deep, and a container may hold itself
    path: list[Iterator[Any]] = [iter(_members(argument, kind, rule))]
    while path:
        for member in path[-1]:
            cls = type(member)
            kind = rule(cls)
            if kind is not None:
                if id(member) not in seen:
                    seen.add(id(member))
                    path.append(iter(_members(member, kind, rule)))
                    break
            elif _is_to_wait_for(cls):
                found.append(member)
        else:
            path.pop()
    return found


class _Copier:
    """Copies those containers of an argument in which futures have to be replaced, and only those.

    Parameters
    ----------
    rule : callable
        Which classes are containers.
    counts : callable
        Which classes are futures to replace.
    replace : callable
        Called with the value of a future that stands in a container; returns what to put in its place.
    """

    def __init__(self, rule: _Rule, counts: Callable[[type], bool], replace: Callable[[Any], Any]) -> None:
        self._rule = rule
        self._counts = counts
        self._replace = replace
        self.read: Callable[[Future[Any]], Any] = peeked
        # by id of the original container
        self._found: dict[int, tuple[Any, type, list[Any]]] = {}
        self._holders: dict[int, list[int]] = {}
        self._copies: dict[int, Any] = {}
        # by id of the future
        self._replaced: dict[int, Any] = {}

    def copy(self, argument: Any) -> Any:
        """The argument, or its copy if futures stand in it."""
        changed = self._changed(self._survey(argument))
        if id(argument) not in changed:
            return argument
        if self.read is peeked and any(self._hashes_changed(key, changed) for key in changed):
            # what goes into a set or becomes a key is hashed here, so its value has to be here
            self.read = _result
        for key in changed:
            original, kind, _ = self._found[key]
            if kind in _MUTABLE:  # first empty, so that containers which hold each other can be made
                self._copies[key] = _emptied(original, kind)
        for key in changed:
            self._build_fixed(key, changed)
        for key in changed:
            _, kind, members = self._found[key]
            new = self._copies[key]
            if kind is dict:
                converted = map(self._converted, members)
                new.update(zip(converted, converted, strict=True))
            elif kind in _MUTABLE:
                (new.extend if kind is list else new.update)(map(self._converted, members))
        return self._copies[id(argument)]

    def _survey(self, argument: Any) -> list[int]:
        """Visit all containers; returns those in which futures stand."""
        direct = []
        waiting = [argument]
        while waiting:
            container = waiting.pop()
            key = id(container)
            if key in self._found:
                continue
            kind = self._rule(type(container)) or list
            members = _members(container, kind, self._rule)
            self._found[key] = (container, kind, members)
            has_future = False
            for member in members:
                cls = type(member)
                if self._rule(cls) is not None:
                    self._holders.setdefault(id(member), []).append(key)
                    waiting.append(member)
                elif self._counts(cls):
                    has_future = True
            if has_future:
                direct.append(key)
        return direct

    def _changed(self, direct: list[int]) -> dict[int, None]:
        """The containers with futures in them, and all that hold those, directly or not."""
        changed = dict.fromkeys(direct)
        waiting = list(direct)
        while waiting:
            for holder in self._holders.get(waiting.pop(), ()):
                if holder not in changed:
                    changed[holder] = None
                    waiting.append(holder)
        return changed

    def _hashes_changed(self, key: int, changed: dict[int, None]) -> bool:
        _, kind, members = self._found[key]
        if kind is dict:
            return any(id(k) in changed or self._counts(type(k)) for k in members[::2])
        return kind in (set, frozenset)

    def _build_fixed(self, key: int, changed: dict[int, None]) -> None:
        """Make the copy of a tuple or frozenset, after those of the tuples and frozensets in it."""
        waiting = [key]
        while waiting:
            original, kind, members = self._found[waiting[-1]]
            if waiting[-1] in self._copies:
                waiting.pop()
                continue
            inner = [id(m) for m in members if id(m) in changed and id(m) not in self._copies]
            if inner:
                waiting.extend(inner)
            else:
                self._copies[waiting.pop()] = _made_like(original, kind, map(self._converted, members))

    def _converted(self, member: Any) -> Any:
        if not self._counts(type(member)):
            return self._copies.get(id(member), member)
        if id(member) not in self._replaced:
            self._replaced[id(member)] = self._replace(self.read(member))
        return self._replaced[id(member)]


#: Containers of the standard library that a script may go on changing; and those that may hold such.
_CHANGING = frozenset({list, dict, set, bytearray, deque, OrderedDict, defaultdict, Counter})
_HOLDING = _CHANGING | {tuple}


def copied_containers(argument: Any) -> Any:
    """An argument as it is now: copies of the lists, dicts, sets and the like in it, and the rest as it is.

    Examples
    --------
    >>> values = [1, [2]]
    >>> now = copied_containers({"a": values})
    >>> values[1].append(3)
    >>> now
    {'a': [1, [2]]}
    """
    copies: dict[int, Any] = {}

    def copied(value: Any) -> Any:
        kind = type(value)
        if kind not in _HOLDING:
            return value
        known = copies.get(id(value))
        if known is not None:
            return known
        if kind is tuple:
            members = [copied(member) for member in value]
            return value if all(map(is_, members, value)) else tuple(members)
        new = copies[id(value)] = value.copy()
        if kind in (list, deque):
            if not _HOLDING.isdisjoint(map(type, new)):
                for index, member in enumerate(new):
                    new[index] = copied(member)
        elif kind not in (set, bytearray) and not _HOLDING.isdisjoint(map(type, new.values())):
            for key, member in new.items():
                new[key] = copied(member)
        return new

    try:
        return copied(argument)
    except RecursionError:  # nested more deeply than can be pickled
        return argument


def with_futures_taken(argument: Any, resolver: DependencyResolver) -> Any:
    """An argument with copies of those of its containers in which futures stand: the futures are the same."""
    rule = _with_subclasses if resolver is DEEP_DEPENDENCY_RESOLVER else _exact
    if rule(type(argument)) is None:
        return argument
    copier = _Copier(rule, _is_to_wait_for, _same)
    copier.read = _same
    return copier.copy(argument)


def _same(value: Any) -> Any:
    return value


def _emptied(original: Any, kind: type) -> Any:
    if type(original) is kind:
        return kind()
    new = copy.copy(original)  # a subclass keeps what else it has: default_factory, attributes
    new.clear()
    return new


def _made_like(original: Any, kind: type, members: Iterable[Any]) -> Any:
    if type(original) is kind:
        return kind(members)
    if hasattr(original, "_make"):  # a namedtuple
        return original._make(members)
    return type(original)(members)


def _gather_shallow(argument: object) -> list[Future[Any]]:
    return [argument] if isinstance(argument, Future) and type(argument) is not FinishedFuture else []


def _unwrap_shallow(argument: object) -> object:
    return peeked(argument) if isinstance(argument, Future) else argument


def _unwrap_deep(argument: object) -> object:
    if _with_subclasses(type(argument)) is None:
        return _unwrap_shallow(argument)
    return _Copier(_with_subclasses, lambda cls: issubclass(cls, Future), lambda value: value).copy(argument)


def _unwrap_default(argument: object) -> object:
    if type(argument) not in _CONTAINERS:
        return _unwrap_shallow(argument)
    return _Copier(_exact, _is_to_wait_for, FinishedFuture).copy(argument)


SHALLOW_DEPENDENCY_RESOLVER = DependencyResolver(
    traverse_to_gather=_gather_shallow,
    traverse_to_unwrap=_unwrap_shallow,
)
"""Futures given directly are replaced by their values; those inside containers are passed on as they are."""

DEEP_DEPENDENCY_RESOLVER = DependencyResolver(
    traverse_to_gather=lambda argument: _gather(argument, _with_subclasses),
    traverse_to_unwrap=_unwrap_deep,
)
"""Futures in lists, tuples, sets and dicts (also as keys), at any depth, are replaced by their values, too."""

DEFAULT_DEPENDENCY_RESOLVER = DependencyResolver(
    traverse_to_gather=lambda argument: _gather(argument, _exact),
    traverse_to_unwrap=_unwrap_default,
)
"""What ``Config(dependency_resolver=None)`` means: all futures in lists, tuples, sets and dicts are waited for.

One given directly is replaced by its value, one inside a container by a finished stand-in,
:class:`~parsl_on_dask.remote.standin.FinishedFuture`, which works as a future and as its value.
"""
