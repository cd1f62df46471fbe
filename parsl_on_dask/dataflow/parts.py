"""What the parts of a kernel ask of it, and of the flow of its tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from parsl_on_dask.common.kernel import Kernel as SeenKernel
from parsl_on_dask.common.states import States
from parsl_on_dask.dataflow.taskrecord import TaskRecord, TasksKernel
from parsl_on_dask.lanes.call import Call, Outcome

if TYPE_CHECKING:
    from parsl_on_dask.clusters.scaling import Scaler
    from parsl_on_dask.config import Config
    from parsl_on_dask.data_provider.data_manager import DataManager
    from parsl_on_dask.dataflow.dependency_resolvers import DependencyResolver
    from parsl_on_dask.dataflow.memoization import Memoizer
    from parsl_on_dask.dataflow.tasklog import TaskLog
    from parsl_on_dask.logconfigs.base import LogConfig
    from parsl_on_dask.monitoring.monitoring import MonitoringHub
    from parsl_on_dask.monitoring.observer import Observer
    from parsl_on_dask.monitoring.run_trace import RunTrace
    from parsl_on_dask.monitoring.views import Views


class Kernel(TasksKernel, Protocol):
    """A kernel, as what moves its tasks sees it."""

    cleanup_called: bool
    data_manager: DataManager
    dependency_resolver: DependencyResolver
    memoizer: Memoizer
    run_dir: str
    tasklog: TaskLog
    tasks: dict[int, TaskRecord]
    watch: Observer | None

    @property
    def config(self) -> Config:
        """Its configuration."""

    def default_std_autopath(self, taskrecord: TaskRecord, kw: str) -> str: ...
    def forget(self, record: TaskRecord) -> None: ...
    def labels(self) -> Sequence[str]: ...
    def set_state(self, record: TaskRecord, state: States, new: bool = False) -> bool: ...


class Flow(Protocol):
    """What moves tasks, as the parts see it that decide about some of them."""

    soon: Callable[..., None]
    trace: RunTrace | None

    @property
    def kernel(self) -> Kernel:
        """Whose tasks it moves."""

    def launch(self, record: TaskRecord) -> None:
        """Start a try."""

    def lane_done(self, call: Call, outcome: Outcome) -> None: ...
    def complete(self, record: TaskRecord, state: States, value: Any) -> None: ...
    def cancel(self, record: TaskRecord, error: BaseException | None = None) -> bool: ...
    def complete_failure(self, record: TaskRecord, state: States, error: BaseException) -> None: ...


class Run(Kernel, SeenKernel, Protocol):
    """A kernel, as what begins and ends its run sees it."""

    log_config: LogConfig | None
    monitoring: MonitoringHub | None
    resident: Any
    scaler: Scaler
    tasks: dict[int, TaskRecord]
    time_began: datetime
    views: Views
    workflow_version: str

    @property
    def executors(self) -> Mapping[str, Any]: ...

    @property
    def flow(self) -> Flow:
        """What moves its tasks."""

    def cleanup(self) -> None: ...
    def log_task_states(self) -> None: ...

    def wait_until_idle(self) -> None:
        """Wait until nothing is left to do."""
