"""The record of one run: what ties the kernel's notes, the clusters' news, the writer and the database together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from parsl_on_dask.common.states import States
from parsl_on_dask.monitoring.errors import MonitoringHubStartError
from parsl_on_dask.monitoring.machines import Machines
from parsl_on_dask.monitoring.observer import Observer
from parsl_on_dask.monitoring.radios.filesystem import FilesystemRadio, FilesystemRadioReceiver, is_written
from parsl_on_dask.monitoring.rows import MESSAGE, RowMaker
from parsl_on_dask.monitoring.tables import Tables, is_lock
from parsl_on_dask.monitoring.writer import EventWriter

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel
    from parsl_on_dask.monitoring.events import Sink

logger = logging.getLogger("parsl.monitoring.run")


class Settings(Protocol):
    """A MonitoringHub, as the record of its run sees it."""

    monitoring_debug: bool
    resource_monitoring_enabled: bool
    resource_monitoring_interval: float
    sinks: Sequence[Sink]


class Inbox:
    """Where others put messages in Parsl's form. Looks like the queue that Parsl has there."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record

    def put(self, message: Any, block: bool = True, timeout: float | None = None) -> None:
        """Record a message ``(MessageType, dict)``; one that comes before the run waits for it."""
        self._record.take(message)

    #: What Parsl's radio senders are called by.
    send = put


class RunRecord:
    """The record of one run.

    - `url`: of the database.
    - `run_dir`: directory of the run.

    Raises MonitoringHubStartError when it cannot be opened.
    """

    def __init__(self, hub: Settings, url: str, run_dir: str) -> None:
        self.hub = hub
        self.tables = Tables(url)
        self.inbox = Inbox(self)
        self.writer: EventWriter | None = None
        self.watch: Observer | None = None
        self.machines: Machines | None = None
        self.kernel: Kernel | None = None
        self.info: dict[str, Any] = {}
        self.run_dir = run_dir
        self.early: list[Any] = []
        #: Reads messages that come as files, and whether that is somebody else's business.
        self.files: FilesystemRadioReceiver | None = None
        self.files_are_read = False
        try:
            self.tables.open()
        except Exception as e:
            self.tables.release()
            if is_lock(e):
                logger.warning("The monitoring database %s is locked; its records wait", self.tables.shown)
                return
            reason = str(getattr(e, "orig", None) or e).strip().partition("\n")[0]
            raise MonitoringHubStartError(
                f"the monitoring database {self.tables.shown} cannot be opened: {reason}. Give MonitoringHub("
                "logging_endpoint=...) a database that is there and that you may write to, or leave monitoring out"
            ) from e

    def begin(self, kernel: Kernel, info: dict[str, Any]) -> None:
        """Begin with a kernel that starts.

        `info`: what the run says of itself at its start, with the columns of the workflow table.
        """
        self.kernel = kernel
        self.info = info
        enabled = self.hub.resource_monitoring_enabled
        interval = float(self.hub.resource_monitoring_interval) if enabled else 0.0
        self.machines = Machines(kernel, self.tables.clock, lambda event: self.put(event))
        maker = RowMaker(kernel.run_id, self.tables.clock, interval, self.machines.block_of)
        self.writer = EventWriter(
            self.tables, maker, self._workflow, self._look, self.hub.monitoring_debug, self.hub.sinks
        )
        self.watch = Observer(self.writer.put, enabled, interval)
        for message in self.early:
            self.take(message)
        self.writer.start()

    def take(self, message: Any) -> None:
        """Take a message in Parsl's form."""
        if self.writer is None:
            self.early.append(message)
        else:
            self.writer.put((MESSAGE, None, 0, 0.0, message))

    def _look(self) -> None:
        assert self.machines is not None
        self.machines.look()
        if self.files is None and not self.files_are_read and is_written(self.run_dir):
            self.files = FilesystemRadioReceiver(self.inbox, self.run_dir)

    def prepare(self, executor: Any) -> None:
        """Give an executor the queue for its messages, and its radio's receiver."""
        radio = getattr(executor, "remote_monitoring_radio", None)
        executor.monitoring_messages = self.inbox
        if radio is not None:
            self.files_are_read = self.files_are_read or isinstance(radio, FilesystemRadio)
            executor.monitoring_receiver = radio.create_receiver(run_dir=executor.run_dir, resource_msgs=self.inbox)

    def join(self, executor: Any) -> None:
        """Have the lane of an executor report here."""
        lane = getattr(executor, "lane", None)
        if lane is not None:
            lane.watch = self.watch
            if self.machines is not None and hasattr(getattr(lane, "cluster", None), "block_of"):
                self.machines.clusters[executor.label] = lane.cluster
        if self.machines is not None:
            self.machines.look_now()

    def leaving(self) -> None:
        """Take note that the run is about to end."""
        if self.machines is not None:
            self.machines.look_now()
        if self.writer is not None:
            self.writer.hurry()

    def put(self, event: Any) -> None:
        """Take an event."""
        assert self.writer is not None
        self.writer.put(event)

    def _workflow(self) -> tuple[Any, ...]:
        """The row of the workflow table."""
        kernel, info, moment = self.kernel, self.info, self.tables.clock.moment
        assert kernel is not None
        return (
            info["run_id"],
            info["workflow_name"],
            info["workflow_version"],
            moment(info["time_began"]),
            moment(kernel.time_completed),
            info["host"],
            info["user"],
            info["rundir"],
            # where it goes on with a run, what that had done before
            info["tasks_failed_count"] + kernel.task_state_counts[States.failed],
            info["tasks_completed_count"] + kernel.task_state_counts[States.exec_done],
        )

    def close(self) -> None:
        """Write what is left, and close the database."""
        if self.machines is not None:
            self._look()
            self.machines.close()
        if self.files is not None:
            self.files.shutdown()
        if self.writer is not None:
            self.writer.close()
        elif self.early:
            logger.warning("%s messages are not recorded: no run was begun", len(self.early))
        self.tables.release()
