"""The kernel's own threads, ``_parsl_internal``: bodies of join apps, futures of parts, staging in this process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.lanes.threads import PlainLane

LABEL = "_parsl_internal"


class InternalExecutor(ParslExecutor):
    """A pool of threads that start when there is work, outside any Dask cluster."""

    storage_access = None
    working_dir = None
    remote_monitoring_radio = None

    def __init__(self, max_threads: int) -> None:
        super().__init__()
        self.label = LABEL
        self.max_threads = max_threads
        self.lane: PlainLane | None = None

    def start(self) -> None:
        """Get ready; threads start with the first task."""
        self.lane = PlainLane(self, self.max_threads, LABEL)

    def submit(
        self, func: Callable[..., Any], resource_specification: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Run a function on one of the threads."""
        assert self.lane is not None
        return self.lane.submit_call(func, resource_specification, args, kwargs)

    def validate_resource_spec(self, spec: Any) -> None:
        """Anything goes: it means nothing here."""

    def refusal(self) -> None:
        """Always takes calls."""

    def shutdown(self) -> None:
        """Let the threads end."""
        if self.lane is not None:
            self.lane.close()
