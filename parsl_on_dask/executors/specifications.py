"""Checks of ``parsl_resource_specification``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parsl_on_dask.common.arguments import short
from parsl_on_dask.common.mistakes import not_these_keys
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification

#: Bytes of the unit in which memory is stated, as in Parsl's.
MEGABYTE = 2**20


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
