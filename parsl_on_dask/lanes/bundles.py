"""What a Dask task of ours is given, and what Dask is told about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters.bootstrap import KEY_MARK, launch
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.large_arguments import LARGE, without_size_warning
from parsl_on_dask.lanes.parts import Sender
from parsl_on_dask.remote.execution import COPIES, NONE, OWN, PROMISES
from parsl_on_dask.remote.packing import dumps

if TYPE_CHECKING:
    from parsl_on_dask.lanes.values import RemoteValue


def bundle(
    lane: Sender,
    shift: str,
    calls: Sequence[Call],
    feed: bool = False,
    need: float = 0.0,
    adopt: tuple[int, str] | None = None,
) -> bytes:
    """Pack calls for the worker (:class:`~parsl_on_dask.remote.runner.Bundle`).

    - `shift`: id of the Dask task.
    - `calls`: they refer to the same values, if to any.
    - `feed`: whether more calls may be sent after them.
    - `need`: seconds that the job of the worker has to last.
    - `adopt`: number of the only call, if that has run already and its value is to be taken, and the address of the
      worker that has this value.
    """
    first = calls[0]
    return dumps(
        {
            "topic": lane.topic,
            "monitor": None if lane.watch is None else lane.watch.asked_of(lane.executor),
            "shift": shift,
            "block": first.spec.get("block"),
            "inline": lane.executor.inline_limit,
            "feed": feed,
            "adopt": adopt,
            "once": lane.cluster.scratch,
            "slurm": lane.cluster.trusts_slurm,
            "need": need,
            # without a journal that outlives the worker, its report is all that tells which call was running
            "careful": not lane.cluster.started_here,
            # calls that have one are Dask tasks of their own
            "environment": first.spec.get("environment"),
            "items": [ref.item for ref in first.refs],
            "functions": {c.function_key: (c.name, c.packed) for c in calls},
            "calls": [as_data(c, bool(first.refs)) for c in calls],
        }
    )


def as_data(call: Call, refers: bool = False) -> tuple[int, str, bytes | None, int]:
    """A call as a worker takes it."""
    kind = PROMISES if call.promises else NONE if not refers else OWN if call.own else COPIES
    return (call.number, call.function_key, call.payload, kind)


def key_of(name: str, shift: str) -> str:
    """The key of a Dask task. The dashboard shows the name."""
    return f"{name}{KEY_MARK}{shift}"


def give_to_dask(
    lane: Sender,
    bundles: Sequence[bytes],
    refs: Sequence[Sequence[RemoteValue]],
    keys: Sequence[str],
    spec: Mapping[str, Any],
    workers: Sequence[str] | None = None,
) -> list[Any]:
    """Make a Dask task of each bundle, in one message; returns their Dask futures.

    - `refs`: the values on the cluster that the calls of each bundle refer to.
    - `spec`: the resource specification of all calls.
    - `workers`: addresses of those that should have the tasks, if ``spec`` does not say so.

    Raises
    ------
    Exception
        Whatever Dask's client raises.
    """
    wanted = spec.get("workers") or spec.get("prefer") or workers
    with without_size_warning() if sum(map(len, bundles)) > LARGE else nullcontext():
        futures: list[Any] = lane.client.map(
            launch(),
            bundles,
            [[ref.future for ref in values] for values in refs],
            key=list(keys),
            pure=False,
            priority=dask_priority(spec),  # type: ignore[arg-type]
            resources=resources_of(spec),
            workers=wanted,
            # one that is not there any more must not be waited for
            allow_other_workers=wanted is not None and "workers" not in spec,
        )
    return futures


def resources_of(spec: Any) -> dict[str, float] | None:
    """Dask resources that a resource specification asks for."""
    return dict(spec["resources"]) if spec.get("resources") else None


def dask_priority(spec: Mapping[str, Any]) -> float:
    """Dask runs the highest first, Parsl the lowest, and those without one last."""
    return 1e9 - spec["priority"] if "priority" in spec else 0
