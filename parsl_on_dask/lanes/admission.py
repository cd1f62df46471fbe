"""Which calls may run on which nodes at a time, by the resources that they ask for.

Where the rules come from: Work Queue's and TaskVine's. A node has cores, memory, disk and GPUs, and each call takes
some of them while it runs. A call that asks for none of cores, memory and disk has a node for itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.stages import OVER

#: What nodes have; memory and disk in MB.
KINDS = ("cores", "memory", "disk", "gpus")
#: Those of which a call that names one has to name all, or gets the rest in proportion.
_SHARED = ("cores", "memory", "disk")

NodeId = tuple[Any, ...]
Amounts = dict[str, float]


class Grant(NamedTuple):
    """What a call has got: a node, how much of it, and what it has by name there, such as GPUs."""

    node: NodeId
    amounts: Amounts
    names: tuple[str, ...] = ()


def needs(spec: Mapping[str, Any], capacity: Mapping[str, float]) -> Amounts:
    """How much of a node a call takes.

    Parameters
    ----------
    spec : mapping
        Its resource specification.
    capacity : mapping
        What the node has in all.

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
    rest = {kind: capacity[kind] * min(1.0, share) for kind in _SHARED}
    return {**rest, "gpus": 0, **named}


class Ledger:
    """The nodes, what they have left, and the calls that wait for it."""

    def __init__(self) -> None:
        self.capacity: dict[NodeId, Amounts] = {}
        self.gpus: dict[NodeId, tuple[str, ...]] = {}
        self.granted: dict[int, Grant] = {}
        self.waiting: list[tuple[float, int, Call]] = []
        self._numbers = itertools.count()
        self._before = itertools.count(-1, -1)

    def wait(self, call: Call, first: bool = False) -> None:
        """Let a call wait: behind those of the same priority, or ``first``. The highest priority goes first."""
        number = next(self._before if first else self._numbers)
        self.waiting.append((-float(call.spec.get("priority") or 0), number, call))
        self.waiting.sort(key=lambda entry: entry[:2])

    def nodes(self, known: Iterable[NodeId]) -> None:
        """Take note of which nodes there are; what calls have got of others is nobody's any more."""
        there = set(known)
        for node in set(self.capacity) - there:
            del self.capacity[node]
            self.gpus.pop(node, None)

    def left(self, node: NodeId) -> Amounts:
        """What a node has left."""
        left = dict(self.capacity[node])
        for grant in self.granted.values():
            if grant.node == node:
                for kind in KINDS:
                    left[kind] -= grant.amounts[kind]
        return left

    def release(self, call: Call) -> bool:
        """Take back what a call has got. Whether it had something."""
        return self.granted.pop(call.number, None) is not None

    def place(self) -> list[tuple[Call, NodeId]]:
        """Give the calls that wait what there is, in their order; those that do not fit do not hold up others."""
        left = {node: self.left(node) for node in self.capacity}
        placed = []
        still = []
        for entry in self.waiting:
            call = entry[2]
            if call.stage in OVER:
                continue  # cancelled meanwhile
            node = self._fitting(call, left)
            if node is None:
                still.append(entry)
            else:
                placed.append((call, node))
        self.waiting = still
        return placed

    def _fitting(self, call: Call, left: dict[NodeId, Amounts]) -> NodeId | None:
        best: tuple[float, NodeId, Amounts] | None = None
        for node, free in left.items():
            wanted = needs(call.spec, self.capacity[node])
            if all(wanted[kind] <= free[kind] + 1e-9 for kind in KINDS) and (best is None or free["cores"] > best[0]):
                best = free["cores"], node, wanted
        if best is None:
            return None
        _, node, wanted = best
        self.granted[call.number] = Grant(node, wanted, self._free_gpus(node, int(call.spec.get("gpus") or 0)))
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
        taken = {name for grant in self.granted.values() if grant.node == node for name in grant.names}
        return [name for name in names if name not in taken]

    def impossible(self) -> list[Call]:
        """Remove, and return, the calls that no node has enough for, even with nothing else on it."""
        if not self.capacity:
            return []
        never = [entry for entry in self.waiting if not any(self._could(entry[2], c) for c in self.capacity.values())]
        self.waiting = [entry for entry in self.waiting if entry not in never]
        return [entry[2] for entry in never]

    @staticmethod
    def _could(call: Call, capacity: Amounts) -> bool:
        return all((call.spec.get(kind) or 0) <= capacity[kind] for kind in KINDS)

    def clear(self) -> None:
        """Forget the calls."""
        self.granted.clear()
        self.waiting.clear()
