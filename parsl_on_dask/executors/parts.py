"""What executors ask of the lane that runs their calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from parsl_on_dask.jobs.states import JobStatus

if TYPE_CHECKING:
    from parsl_on_dask.jobs.node_hours import NodeHours


class Lane(Protocol):
    """The road of an executor's calls, as the executor sees it (:class:`parsl_on_dask.lanes.base.Lane`)."""

    executor: Any
    in_kernel: bool

    def close(self, wait: bool = False) -> None:
        """End what was started for it."""

    def node_hours(self) -> NodeHours | None: ...
    def cannot_end(self) -> str: ...
    def outstanding(self) -> int: ...
    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]: ...
    def scale_out(self, blocks: int = 1) -> list[str]: ...
    def status(self) -> dict[str, JobStatus]: ...

    def submit_call(
        self, function: Callable[..., Any], spec: Mapping[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Future[Any]: ...

    def workers(self) -> list[dict[str, Any]]: ...
