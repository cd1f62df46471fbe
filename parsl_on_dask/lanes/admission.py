"""Which calls may run on which nodes at a time, by the resources that they ask for.

Where the rules come from: Work Queue's and TaskVine's. A node has cores, memory, disk and GPUs, and each call takes
some of them while it runs. A call that asks for none of cores, memory and disk has a node for itself.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.stages import OVER

#: What nodes have; memory and disk in MB.
KINDS = ("cores", "memory", "disk", "gpus")
#: Those of which a call that names one has to name all, or gets the rest in proportion.
_SHARED = ("cores", "memory", "disk")

NodeId = tuple[Any, ...]
Amounts = dict[str, float]


@dataclass(eq=False)
class Grant:
    """What a call has got: a node, how much of it, and what it has by name there, such as GPUs.

    Several calls that run one after the other may share one; ``calls`` is how many of them have not given it back.
    """

    node: NodeId
    amounts: Amounts
    names: tuple[str, ...] = ()
    calls: int = 1


def needs(spec: Mapping[str, Any], capacity: Mapping[str, float]) -> Amounts:
    """How much of a node a call takes.

    - `spec`: its resource specification.
    - `capacity`: what the node has in all.

    Examples
    --------
    >>> node = {"cores": 8, "memory": 16000, "disk": 100, "gpus": 1}
    >>> needs({"cores": 2}, node)
    {'cores': 2, 'memory': 4000.0, 'disk': 25.0, 'gpus': 0}
    >>> needs({"priority": 3}, node) == node
    True
    """
    named = {kind: spec[kind] for kind in KINDS if spec.get(kind) is not None}
    if not any(kind in named for kind in _SHARED):
        return {**{kind: capacity[kind] for kind in KINDS}, **named}
    share = max(named[kind] / capacity[kind] if capacity[kind] else 0.0 for kind in named)
    rest = {kind: capacity[kind] * share for kind in _SHARED}
    return {**rest, "gpus": 0, **named}


class _Taken:
    """What the calls on a node have got of it."""

    def __init__(self) -> None:
        self.amounts: Amounts = {}
        self.names: set[str] = set()
        self.count = 0

    def add(self, grant: Grant, sign: int) -> None:
        for kind, amount in grant.amounts.items():
            self.amounts[kind] = self.amounts.get(kind, 0.0) + sign * amount
        self.names = self.names | set(grant.names) if sign > 0 else self.names - set(grant.names)
        self.count += sign


class Group:
    """Calls that wait for the same.

    - `spec`: the resource specification of the first of them, which stands for all.
    - `waiting`: a heap of rank, number and call: what goes first is the lowest.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.waiting: list[tuple[float, int, Call]] = []
        self._needs: dict[NodeId, tuple[Mapping[str, float], Amounts]] = {}

    def needs(self, node: NodeId, capacity: Mapping[str, float]) -> Amounts:
        """How much of a node each of them takes; computed once for a node."""
        known = self._needs.get(node)
        if known is None or known[0] is not capacity:
            known = self._needs[node] = capacity, needs(self.spec, capacity)
        return known[1]


class AdmissionControl:
    """The nodes, what they have left, and the calls that wait for it.

    Calls that ask for the same are in one group. What one of them does not fit into does for none of them, so
    placing looks at each group, not at each call; and at no further one when no node has as much left as any of them
    asks for at least. A group that found no room is looked at again when some was freed.

    - `share`: says of the first call of a group, and the number of all that wait, how many calls of the group and of
      the same function may run one after the other on what that call gets.
    """

    def __init__(self) -> None:
        self.capacity: dict[NodeId, Amounts] = {}
        self.gpus: dict[NodeId, tuple[str, ...]] = {}
        self.granted: dict[int, Grant] = {}
        self.groups: dict[Any, Group] = {}
        self.waiting = 0
        self.share: Callable[[Call, int], int] = lambda call, waiting: 1
        self._taken: defaultdict[NodeId, _Taken] = defaultdict(_Taken)
        #: the first call of each group: rank, number, key of the group; those that are first no more are left out later
        self._heads: list[tuple[float, int, Any]] = []
        self._untried: set[Any] = set()
        self._freed = False
        self._least: Amounts = dict.fromkeys(KINDS, math.inf)
        self._never: list[Call] = []
        self._seen: dict[NodeId, Amounts] = {}
        self._numbers = itertools.count()
        self._before = itertools.count(-1, -1)

    def rank(self, call: Call) -> float:
        """What goes first: the lowest, and of equals the one that came first. Here, the highest priority."""
        return -float(call.spec.get("priority") or 0)

    def group_of(self, call: Call) -> Hashable:
        """What tells calls apart that ask for different things."""
        return tuple([call.spec.get(kind) for kind in KINDS])

    def wait(self, call: Call, first: bool = False) -> None:
        """Let a call wait: behind those of the same rank, or ``first``."""
        number = next(self._before if first else self._numbers)
        key = self.group_of(call)
        group = self.groups.get(key)
        if group is None:
            if not self.groups:
                self._least = dict.fromkeys(KINDS, math.inf)
            group = self.groups[key] = Group(call.spec)
            self._untried.add(key)
            if any(call.spec.get(kind) is not None for kind in _SHARED):  # else it takes all of a node
                self._least = {kind: min(least, call.spec.get(kind) or 0.0) for kind, least in self._least.items()}
        heapq.heappush(group.waiting, (self.rank(call), number, call))
        if group.waiting[0][1] == number:
            self._is_first(key, group)
        self.waiting += 1

    def _is_first(self, key: Any, group: Group) -> None:
        """Take note of which call of a group is the first now."""
        heapq.heappush(self._heads, (*group.waiting[0][:2], key))
        if len(self._heads) > 2 * len(self.groups) + 64:
            self._heads = [(*group.waiting[0][:2], key) for key, group in self.groups.items()]
            heapq.heapify(self._heads)

    def nodes(self, known: Iterable[NodeId]) -> None:
        """Take note of which nodes there are; what calls have got of others is nobody's any more."""
        there = set(known)
        for node in set(self.capacity) - there:
            del self.capacity[node]
            self.gpus.pop(node, None)

    def left(self, node: NodeId) -> Amounts:
        """What a node has left."""
        taken = self._taken[node].amounts
        return {kind: amount - taken.get(kind, 0.0) for kind, amount in self.capacity[node].items()}

    def grant(self, call: Call, grant: Grant) -> None:
        """Give a call what it has been found."""
        self.granted[call.number] = grant
        self._taken[grant.node].add(grant, 1)

    def release(self, call: Call) -> bool:
        """Take back what a call has got. Whether that is free now."""
        grant = self.granted.pop(call.number, None)
        if grant is None:
            return False
        grant.calls -= 1
        if grant.calls:
            return False
        taken = self._taken[grant.node]
        taken.add(grant, -1)
        if not taken.count:  # rather than what is left of sums of fractions
            del self._taken[grant.node]
        self._freed = True
        return True

    def place(self) -> list[tuple[Call, NodeId]]:
        """Give the calls that wait what there is, in their order; those that do not fit do not hold up others."""
        changed = self.changed()
        everybody = changed or self._freed
        tried, self._untried, self._freed = self._untried, set(), False
        self._refuse(list(self.groups) if changed else tried)
        if everybody:
            heads = self._heads
        else:
            heads = [(*self.groups[key].waiting[0][:2], key) for key in tried if key in self.groups]
            heapq.heapify(heads)
        placed: list[tuple[Call, NodeId]] = []
        unfit = []
        left = {node: self.left(node) for node in self.capacity} if heads else {}
        while heads and (not everybody or not left or self.room(left)):
            head = heapq.heappop(heads)
            key = head[2]
            group = self.groups.get(key)
            if group is None or group.waiting[0][:2] != head[:2]:
                continue
            call = group.waiting[0][2]
            if call.stage not in OVER:
                node = self.fitting(group, call, left)
                if node is None:
                    unfit.append(head)
                    continue
                placed += [(call, node) for call in self._together(group, call)]
            else:  # it was cancelled meanwhile
                heapq.heappop(group.waiting)
                self.waiting -= 1
            if group.waiting:
                self._is_first(key, group)
                if everybody:
                    heads = self._heads  # which may be a new list
                else:
                    heapq.heappush(heads, (*group.waiting[0][:2], key))
            else:
                del self.groups[key]
        if everybody:
            for head in unfit:
                heapq.heappush(self._heads, head)
        return placed

    def _refuse(self, keys: Iterable[Any]) -> None:
        """Put aside the calls of those groups that ask for more than any node has."""
        for key in keys if self.capacity else ():
            group = self.groups.get(key)
            if group is not None and not any(self.could(group, node) for node in self.capacity):
                self._never += [entry[2] for entry in sorted(group.waiting)]
                self.waiting -= len(group.waiting)
                del self.groups[key]

    def _together(self, group: Group, call: Call) -> list[Call]:
        """Take the first call of a group, and those that may follow it on what it has got."""
        most = self.share(call, self.waiting)
        found: list[Call] = []
        while group.waiting and len(found) < most:
            following = group.waiting[0][2]
            if found and (following.function_key != call.function_key or following.uncharged):
                break
            if not found or following.stage not in OVER:
                found.append(following)
            heapq.heappop(group.waiting)
            self.waiting -= 1
        grant = self.granted[call.number]
        grant.calls = len(found)
        for following in found:
            self.granted[following.number] = grant
        return found

    def room(self, left: Mapping[NodeId, Amounts]) -> bool:
        """Whether some node has as much left as the calls that wait ask for at least."""
        return any(
            all(min(self._least[kind], self.capacity[node][kind]) <= free[kind] + 1e-9 for kind in KINDS)
            for node, free in left.items()
        )

    def changed(self) -> bool:
        """Whether a group that found no room may find some now, although nothing was released."""
        seen, self._seen = self._seen, dict(self.capacity)
        return seen.keys() != self._seen.keys() or any(seen[node] is not self._seen[node] for node in seen)

    def fitting(self, group: Group, call: Call, left: dict[NodeId, Amounts]) -> NodeId | None:
        """Give a call its share of a node that has room for it; None when there is none."""
        best: tuple[float, NodeId, Amounts] | None = None
        for node, free in left.items():
            wanted = group.needs(node, self.capacity[node])
            if all(wanted[kind] <= free[kind] + 1e-9 for kind in KINDS) and (best is None or free["cores"] > best[0]):
                best = free["cores"], node, wanted
        if best is None:
            return None
        _, node, wanted = best
        self.grant(call, Grant(node, wanted, self._free_gpus(node, int(call.spec.get("gpus") or 0))))
        for kind in KINDS:
            left[node][kind] -= wanted[kind]
        return node

    def _free_gpus(self, node: NodeId, count: int) -> tuple[str, ...]:
        """Names of GPUs of a node that no call has got; a node whose GPUs have no names counts them from 0."""
        if not count:
            return ()
        names = self.gpus.get(node) or tuple(str(number) for number in range(int(self.capacity[node]["gpus"])))
        return tuple(self.untaken(node, names)[:count])

    def untaken(self, node: NodeId, names: Iterable[str]) -> list[str]:
        """Those of the names on a node that no call has got."""
        taken = self._taken[node].names
        return [name for name in names if name not in taken]

    def impossible(self) -> list[Call]:
        """The calls that :meth:`place` found no node to have enough for, even with nothing else on it. Forgets them."""
        never, self._never = self._never, []
        return never

    def could(self, group: Group, node: NodeId) -> bool:
        """Whether a node has enough for the calls of a group when it has nothing else to do."""
        return all((group.spec.get(kind) or 0) <= self.capacity[node][kind] for kind in KINDS)

    def clear(self) -> None:
        """Forget the calls."""
        self.granted.clear()
        self.groups.clear()
        self.waiting = 0
        self._taken.clear()
        self._untried.clear()
        self._heads.clear()
        self._never.clear()
