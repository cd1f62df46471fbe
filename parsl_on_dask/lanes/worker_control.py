"""What programs that drive an executor themselves ask of its workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from parsl_on_dask.clusters.base import Cluster
from parsl_on_dask.common.by_value import Launch, by_value

if TYPE_CHECKING:
    from distributed import Client


class Lane(Protocol):
    """A lane, as programs that drive its executor see it."""

    @property
    def client(self) -> Client: ...

    @property
    def cluster(self) -> Cluster: ...
    def end_shifts(self, addresses: Collection[str]) -> None: ...
    def later(self, name: str, step: Callable[[Any], None], item: Any) -> None: ...
    def workers(self) -> list[dict[str, Any]]: ...


@cache
def _pause() -> Launch:
    async def parsl_hold(dask_worker: Any = None) -> None:
        """Have a worker begin nothing more, and give back what waits there."""
        import time

        from distributed.core import Status

        dask_worker.status = Status.paused
        state = dask_worker.state
        for task in [*state.ready.sorted(), *state.constrained.sorted(), *state.waiting]:
            message = {"op": "reschedule", "key": task.key, "stimulus_id": f"parsl-hold-{time.time()}"}
            dask_worker.batched_send(message)

    return by_value(parsl_hold)


def hold(lane: Lane, workers: Collection[dict[str, Any]]) -> None:
    """Give workers no more calls; what they run goes on.

    - `lane`: the lane to them.
    - `workers`: as the lane's ``workers()`` gives them.
    """
    lane.cluster.leaving = {*lane.cluster.leaving, *[worker["name"] for worker in workers]}
    addresses = [worker["address"] for worker in workers]
    lane.later("hold", lane.end_shifts, addresses)
    lane.client.run(_pause(), workers=addresses)


@cache
def _go_on() -> Launch:
    async def parsl_go_on(dask_worker: Any = None) -> None:
        """Have a worker take calls again."""
        from distributed.core import Status

        dask_worker.status = Status.running

    return by_value(parsl_go_on)


def resume(lane: Lane, workers: Collection[dict[str, Any]]) -> None:
    """Give workers calls again that :func:`hold` has kept from them, those that are still there."""
    there = {worker["address"] for worker in lane.workers()}
    lane.cluster.leaving = set(lane.cluster.leaving) - {worker["name"] for worker in workers}
    addresses = [worker["address"] for worker in workers if worker["address"] in there]
    if addresses:
        lane.client.run(_go_on(), workers=addresses)


@cache
def _packages() -> Launch:
    def parsl_packages() -> dict[str, str]:
        """What is installed where a worker runs."""
        from importlib.metadata import distributions

        found = [(d.metadata["Name"], d.version) for d in distributions()]
        return {name: version for name, version in reversed(found) if name}  # the first one that is found counts

    return by_value(parsl_packages)


def packages(lane: Lane, addresses: Sequence[str]) -> dict[str, dict[str, str]]:
    """Names and versions of what is installed where workers run, by their addresses."""
    found: dict[str, dict[str, str]] = lane.client.run(_packages(), workers=list(addresses), on_error="ignore")
    return found
