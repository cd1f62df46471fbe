"""The lane of executors whose calls say what they need: a call goes to Dask when a node has that."""

from __future__ import annotations

import logging
import threading
from typing import Any

from parsl_on_dask.common.by_value import Launch, by_value
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor
from parsl_on_dask.lanes.admission import KINDS, AdmissionControl, NodeId
from parsl_on_dask.lanes.batches import BatchLane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.queues import Queues

logger = logging.getLogger("parsl.lanes.resource_lane")


def _measure() -> Launch:
    def parsl_measure() -> tuple[dict[str, float], tuple[str, ...]]:
        """What the node of a worker has, memory and disk in MB; and the names of its GPUs."""
        import os
        import shutil
        import subprocess

        import psutil

        try:
            listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            listed = ""
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is None:
            gpus = [str(number) for number in range(len(listed.splitlines()))]
        else:  # the batch system, or worker_init, has chosen
            gpus = [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        memory = os.environ.get("PARSL_MEMORY_GB")
        return {
            "cores": float(os.environ.get("PARSL_CORES") or cores or 1),
            "memory": float(memory) * 1024 if memory else psutil.virtual_memory().total // 2**20,
            "disk": shutil.disk_usage(".").free // 2**20,
            "gpus": len(gpus),
        }, tuple(gpus)

    return by_value(parsl_measure)


class _AdmittedQueues(Queues):
    """Queues that a call enters when there is room for it on a node."""

    def __init__(self, lane: ResourceLane) -> None:
        super().__init__(lane.executor, lane.cluster.started_here)
        self.lane = lane

    def add(self, call: Call, first: bool = False) -> None:
        admission = self.lane.admission
        admission.release(call)  # one that was sent and not run
        call.spec = self.lane.asked.setdefault(call.number, call.spec)
        lasting = call.spec.get("running_time_min")
        if lasting:
            self.at_least(call.function_key, float(lasting))
        admission.wait(call, first)
        self.lane.place()

    def admit(self, call: Call) -> None:
        """Let a call wait for Dask, as one task."""
        call.solo = True
        super().add(call)

    def clear(self) -> None:
        super().clear()
        self.lane.admission.clear()


class ResourceLane(BatchLane):
    """Sends calls when a node has what they ask for.

    - `executor`: its ``node_resources`` may say what a node has; the rest is measured there.
    """

    executor: HighThroughputExecutor
    queues: _AdmittedQueues

    def __init__(self, executor: HighThroughputExecutor) -> None:
        self.admission = self.new_admission()
        self.asked: dict[int, Any] = {}
        self.addresses: dict[NodeId, list[str]] = {}
        self.measuring: set[NodeId] = set()
        super().__init__(executor)
        self.inbox.put(("change", None))

    def new_queues(self) -> _AdmittedQueues:
        return _AdmittedQueues(self)

    def _handle_one(self, kind: str, item: Any) -> None:
        if kind == "measured":
            node, measured = item
            self.measuring.discard(node)
            if measured is not None:
                self.learn(node, measured)
            self.place()
        elif kind == "released":
            self._forget(item)
            self.place()
        else:
            super()._handle_one(kind, item)
            if kind in ("tick", "change"):
                self.look()

    def new_admission(self) -> AdmissionControl:
        """The books of this lane, with nothing in them."""
        made = AdmissionControl()
        made.share = self.share
        return made

    def probe(self) -> Launch:
        """What a worker runs to find out what its node has."""
        return _measure()

    def learn(self, node: NodeId, measured: Any) -> None:
        """Put into the books what the probe found."""
        amounts, gpus = measured
        described: Any = self.executor  # which may say more
        self.admission.capacity[node] = {**amounts, **described.node_resources()}
        self.admission.gpus[node] = gpus if len(gpus) >= self.admission.capacity[node]["gpus"] else ()
        logger.debug("Lane %s: node %s has %s", self.label, node, self.admission.capacity[node])

    @property
    def goes_ahead(self) -> bool:  # type: ignore[override]
        """False: a call takes its resources when it begins."""
        return False

    def look(self) -> None:
        """See which nodes there are."""
        found: dict[NodeId, list[str]] = {}
        for worker in self.workers():
            found.setdefault((worker["block"], worker["node"] or worker["host"]), []).append(worker["address"])
        self.addresses = found
        self.admission.nodes(found)
        self.measure_new()

    def measure_new(self) -> None:
        """Ask the nodes that nothing is known of yet, and hand over what there is room for on the others."""
        for node in set(self.addresses) - set(self.admission.capacity) - self.measuring:
            self.measuring.add(node)
            threading.Thread(target=self._measure, args=(node, self.addresses[node][0]), daemon=True).start()
        if self.admission.waiting:
            self.place()

    def _measure(self, node: NodeId, address: str) -> None:
        measured = None
        try:
            measured = self.client.run(self.probe(), workers=[address])[address]
        except Exception:  # the worker is gone; the next look will find another
            logger.debug("Lane %s: node %s cannot be measured", self.label, node, exc_info=True)
        self.inbox.put(("measured", (node, measured)))

    def place(self) -> None:
        """Hand over the calls that there is room for."""
        if not self.admission.capacity:
            return
        for call, node in self.admission.place():
            # where it is not the only node: Dask is told where the call's share is, and may choose if it is gone
            spec: dict[str, Any] = {}
            if len(self.addresses) > 1 and node in self.addresses:
                spec["prefer"] = self.addresses[node]
            grant = self.admission.granted[call.number]
            if grant.names:
                spec["environment"] = {"CUDA_VISIBLE_DEVICES": ",".join(grant.names)}
            if grant.calls > 1:
                spec["grant"] = id(grant)
            call.spec = spec
            self.queues.admit(call)
        for call in self.admission.impossible():
            self.finish(call, Outcome(error=self._refusal(call)))

    def _refusal(self, call: Call) -> BaseException:
        most = {kind: max(c[kind] for c in self.admission.capacity.values()) for kind in KINDS}
        beyond = {kind for kind in KINDS if (call.spec.get(kind) or 0) > most[kind]}
        listed = ", ".join(
            f"{kind}={call.spec[kind]:g} (a node has {most[kind]:g})" for kind in KINDS if kind in beyond
        )
        return InvalidResourceSpecification(
            beyond or set(KINDS),
            f"Executor {self.label!r} has no node for this call of app {call.name!r}: {listed} (memory, disk: MB).",
        )

    def share(self, call: Call, waiting: int) -> int:
        """How many calls may run one after the other on what the first of them gets: as many as share a shift."""
        if call.uncharged:  # its worker died: it may be the reason
            return 1
        return self.queues.together(call.function_key, waiting, self.cluster.slots())

    def _forget(self, call: Call) -> bool:
        self.asked.pop(call.number, None)
        return self.admission.release(call)

    def finish(self, call: Call, outcome: Outcome) -> None:
        super().finish(call, outcome)
        if self._forget(call) and self.admission.waiting:
            self.inbox.put(("released", call))

    def withdraw(self, call: Call) -> None:
        super().withdraw(call)
        self.inbox.put(("released", call))
