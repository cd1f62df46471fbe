"""The lane of executors whose calls start MPI programs: a call goes to Dask when a block has nodes for it.

Each block has one pool of workers, on its first node. The nodes are handed out here, for all blocks together; a
worker only gets to know which ones a call has got. Where the rules come from: Parsl's ``MPIExecutor``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache
from typing import Any

from parsl_on_dask.common.by_value import Launch, by_value
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.executors.high_throughput.mpi_prefix_composer import (
    completed,
    environment_of,
    validate_resource_spec,
)
from parsl_on_dask.lanes.admission import AdmissionControl, Amounts, Grant, Group, NodeId
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.resource_lane import ResourceLane

logger = logging.getLogger("parsl.lanes.mpi_lane")


class NodePool(AdmissionControl):
    """The blocks, which of their nodes nobody has, and the calls that wait for some.

    - `names`: the nodes of each block. A block is a tuple with its id here.
    - `slots`: how many calls each block runs at a time.
    - `may`: says whether a call may go to a block now.

    Examples
    --------
    >>> pool = NodePool()
    >>> pool.add(("0",), ("n1", "n2", "n3"), slots=2)
    >>> for number, nodes in enumerate((2, 2, 1)):
    ...     call = Call("app", print, (), {}, {"num_nodes": nodes}, print)
    ...     call.number = number
    ...     pool.wait(call)
    >>> [(call.number, pool.granted[call.number].names) for call, block in pool.place()]
    [(2, ('n1',)), (0, ('n2', 'n3'))]
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[NodeId, tuple[str, ...]] = {}
        self.slots: dict[NodeId, int] = {}
        self.may: Callable[[Call, NodeId], bool] = lambda call, block: True

    def add(self, block: NodeId, names: Iterable[str], slots: int) -> None:
        """Take note of a block's nodes."""
        self.names[block] = tuple(names)
        self.slots[block] = slots
        self.capacity[block] = {"nodes": float(len(self.names[block]))}

    def rank(self, call: Call) -> float:
        """What goes first: the calls that want the fewest nodes."""
        return float(completed(call.spec)["num_nodes"])

    def group_of(self, call: Call) -> Hashable:
        # `may` goes by how long the calls of a function take, and by how long one took that was cut off
        return self.rank(call), call.function_key, call.number if call.uncharged else 0

    def nodes(self, known: Iterable[NodeId]) -> None:
        there = set(known)
        super().nodes(there)
        for block in set(self.names) - there:
            del self.names[block], self.slots[block]

    def free(self, block: NodeId) -> list[str]:
        """The nodes of a block that no call has."""
        return self.untaken(block, self.names[block])

    def left(self, node: NodeId) -> Amounts:
        running = self._taken[node].count
        return {"nodes": float(len(self.free(node))), "slots": float(self.slots[node] - running)}

    def changed(self) -> bool:
        return True  # what `may` says changes with time

    def room(self, left: Mapping[NodeId, Amounts]) -> bool:
        return any(free["slots"] >= 1 and free["nodes"] >= 1 for free in left.values())

    def fitting(self, group: Group, call: Call, left: dict[NodeId, Amounts]) -> NodeId | None:
        wanted = completed(call.spec)["num_nodes"]
        could = [b for b, free in left.items() if free["slots"] >= 1 and free["nodes"] >= wanted and self.may(call, b)]
        if not could:
            return None
        # where the fewest stay free, so that calls for many nodes find them in one block
        block = min(could, key=lambda b: left[b]["nodes"])
        self.grant(call, Grant(block, {"nodes": float(wanted)}, tuple(self.free(block)[:wanted])))
        left[block]["nodes"] -= wanted
        left[block]["slots"] -= 1
        return block

    def could(self, group: Group, node: NodeId) -> bool:
        return int(completed(group.spec)["num_nodes"]) <= len(self.names[node])


@cache
def _look() -> Launch:
    def parsl_nodes() -> dict[str, Any]:
        from parsl_on_dask.remote.nodes import look

        return look()

    return by_value(parsl_nodes)


class MpiLane(ResourceLane):
    """Sends a call when a block has as many nodes as it wants, and tells it which.

    - `executor`: or a ``HighThroughputExecutor`` with ``enable_mpi_mode=True``.
    """

    admission: NodePool

    executor: HighThroughputExecutor

    def __init__(self, executor: HighThroughputExecutor) -> None:
        self.found: dict[NodeId, dict[str, Any]] = {}
        self.closed: set[NodeId] = set()
        super().__init__(executor)

    def new_admission(self) -> NodePool:
        pool = NodePool()
        pool.may = self._may
        return pool

    def submit(self, call: Call) -> None:
        try:
            validate_resource_spec(call.spec)
        except InvalidResourceSpecification as e:
            call.done(call, Outcome(error=e))
        else:
            super().submit(call)

    def probe(self) -> Launch:
        return _look()

    def learn(self, node: NodeId, measured: Any) -> None:
        if node not in self.addresses:
            return
        self.found[node] = measured
        self.admission.add(node, measured["nodes"], len(self.addresses[node]))
        logger.info("Executor %s: block %s has the nodes %s", self.label, node[0], ", ".join(measured["nodes"]))
        if measured["error"]:
            logger.error("Executor %s: block %s: %s", self.label, node[0], _no_list(measured))

    def look(self) -> None:
        """See which blocks there are."""
        there: dict[NodeId, list[str]] = {}
        open_blocks = set()
        for worker in self.workers():
            block = (worker["block"],)
            there.setdefault(block, []).append(worker["address"])
            if not worker.get("draining"):
                open_blocks.add(block)
        for block in set(there) & set(self.addresses):
            if set(there[block]).isdisjoint(self.addresses[block]):
                self.admission.capacity.pop(block, None)  # its job may have been started again, on other nodes
        self.addresses = there
        self.closed = set(there) - open_blocks
        self.admission.nodes(there)
        for block in set(self.admission.slots):
            self.admission.slots[block] = len(there[block])
        self.measure_new()

    def busy(self) -> Mapping[str | None, float]:
        """A block works as far as its nodes are with calls: it has few slots, and they may all have one node each."""
        pool = self.admission
        return {
            str(block[0]): pool.slots[block] * (1 - len(pool.free(block)) / len(names))
            for block, names in pool.names.items()
            if names
        }

    def again(self, call: Call) -> None:
        self.look()  # a block that it was given nodes of may be gone
        super().again(call)

    def _may(self, call: Call, block: NodeId) -> bool:
        """Whether a call may go to a block: it is not given back, and its job lasts long enough."""
        if block in self.closed:
            return False
        where = self.ends.where_for(self.ends.need_of(call)) if self.ends.any_soon else None
        return where is None or not set(where.addresses).isdisjoint(self.addresses.get(block, ()))

    def place(self) -> None:
        """Hand over the calls that there are nodes for."""
        for call, block in self.admission.place():
            asked, hosts = self.asked[call.number], self.admission.granted[call.number].names
            call.spec = {
                # if its workers are gone when it gets there, another block's say so
                "prefer": self.addresses[block],
                "block": block[0],
                "environment": environment_of(self.executor.mpi_launcher, asked, hosts, self.found[block]["open_mpi"]),
            }
            logger.debug("Lane %s: call %s of app %s gets %s", self.label, call.number, call.name, hosts)
            self.queues.admit(call)
        for call in self.admission.impossible():
            self.finish(call, Outcome(error=self._refusal(call)))

    def _refusal(self, call: Call) -> BaseException:
        block, names = max(self.admission.names.items(), key=lambda item: len(item[1]))
        found = self.found[block]
        if found["error"]:
            text = _no_list(found)
        else:
            listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            text = f"a block has {len(names)} ({listed}). "
            text += (
                "Give the provider a larger nodes_per_block, or ask for fewer."
                if found["system"]
                else "No variable of a batch system names more; in a provider's worker_init, PBS_NODEFILE can name a "
                "file with one node in each line."
            )
        wanted = completed(call.spec)["num_nodes"]
        return InvalidResourceSpecification(
            {"num_nodes"}, f"Executor {self.label!r} has no {wanted} nodes for a call of app {call.name!r}: {text}"
        )


def _no_list(found: dict[str, Any]) -> str:
    return f"the list of nodes of {found['system']} cannot be read: {found['error']}"
