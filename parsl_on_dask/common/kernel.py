"""What is asked of the kernel, and of the records of its tasks, by rooms that the kernel uses."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol

from parsl_on_dask.common.states import States


class Kernel(Protocol):
    """A kernel, as monitoring and staging see it."""

    cleanup_called: bool
    task_state_counts_lock: threading.Lock
    time_completed: datetime | None

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call, and return its AppFuture."""

    @property
    def task_state_counts(self) -> Mapping[States, int]:
        """How many tasks are in which state."""

    @property
    def app_state_counts(self) -> Mapping[str, Sequence[int]]:
        """How many tasks of each app are in which state."""

    @property
    def dashboard_links(self) -> Mapping[str, str]:
        """Where the dashboard of each executor is."""

    def labels(self) -> Sequence[str]:
        """Labels of the executors that the user has given."""

    @property
    def executors(self) -> Mapping[str, Any]:
        """The executors, by label."""

    @property
    def run_dir(self) -> str:
        """The directory of this run."""

    @property
    def run_id(self) -> str:
        """What names this run."""

    @property
    def task_count(self) -> int:
        """How many tasks there have been."""

    @property
    def workflow_name(self) -> str:
        """What the user calls this run."""


class Record(Protocol):
    """The record of a task, as monitoring sees it."""

    id: int
    func_name: str
    executor: str
    try_id: int
    depends: Sequence[Future[Any]]
    fail_cost: float
    fail_count: int
    fail_history: list[str]
    hashsum: str | None
    joins: Future[Any] | list[Future[Any]] | None
    kwargs: dict[str, Any]
    memoize: bool
    invoked: float | None
    returned: float | None
    try_launched: float | None
    try_returned: float | None
