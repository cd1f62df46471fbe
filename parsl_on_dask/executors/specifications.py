"""Checks of ``parsl_resource_specification``, and how many workers a node has room for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from parsl_on_dask.common.arguments import short
from parsl_on_dask.common.mistakes import not_these_keys
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification

#: Bytes of the unit in which memory is stated, as in Parsl's.
MEGABYTE = 2**20


def room(asked: Mapping[str, Any], cores: float | None, memory_gb: float | None) -> float:
    """How many workers a node has room for, by Parsl's formula; infinity where nothing says.

    Parameters
    ----------
    asked : mapping
        ``cores_per_worker``, ``mem_per_worker``, ``max_workers_per_node`` and ``accelerators`` of an executor.
    cores, memory_gb : float or None
        Of the node.

    Examples
    --------
    >>> node = {"cores_per_worker": 2, "mem_per_worker": 4, "max_workers_per_node": None, "accelerators": []}
    >>> room(node, 16, 20.0), room(node, None, None)
    (5, inf)
    """
    limits: list[float] = [math.inf if cores is None else math.floor(cores / asked["cores_per_worker"])]
    if asked["mem_per_worker"] and memory_gb is not None:
        limits.append(math.floor(memory_gb / asked["mem_per_worker"]))
    limits += [limit for limit in (asked["max_workers_per_node"], len(asked["accelerators"])) if limit]
    return min(limits)


def check_memory(specification: Mapping[str, Any] | None) -> None:
    """Raise unless ``memory`` of a resource specification, if it is there, is a number of megabytes."""
    memory = (specification or {}).get("memory", 1)
    if isinstance(memory, bool) or not isinstance(memory, (int, float)) or not memory > 0:
        raise InvalidResourceSpecification(
            {"memory"},
            f"memory must be a number of megabytes above 0, not {short(memory)}. Write for example "
            "parsl_resource_specification={'memory': 4000}.",
        )


def refuse_keys(executor: ParslExecutor, specification: Mapping[str, Any] | None, known: tuple[str, ...]) -> None:
    """Raise unless all keys of a resource specification are among ``known``."""
    invalid = set(specification or ()) - set(known)
    if not invalid:
        return
    name = f"{type(executor).__name__} {executor.label!r}"
    raise InvalidResourceSpecification(
        invalid,
        (f"{name} takes only the keys {', '.join(known)}." if known else f"{name} takes no resource specification.")
        + not_these_keys(invalid),
    )
