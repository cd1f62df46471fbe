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

    def node_hours(self) -> NodeHours | None:
        """What its blocks asked for and used."""

    def cannot_end(self) -> str:
        """Why calls that run cannot be ended with their workers; "" where they can."""

    def outstanding(self) -> int:
        """Number of calls taken and not yet done."""

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        """Give blocks back."""

    def scale_out(self, blocks: int = 1) -> list[str]:
        """Ask for more blocks."""

    def status(self) -> dict[str, JobStatus]:
        """State of each block."""

    def submit_call(
        self, function: Callable[..., Any], spec: Mapping[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Future[Any]:
        """Submit a call without a kernel."""

    def workers(self) -> list[dict[str, Any]]:
        """The workers there are."""
