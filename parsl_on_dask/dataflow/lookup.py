"""Gets recorded results out of a checkpoint."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.checkpoint.entry import DamagedEntry, Entry, warn
from parsl_on_dask.python_internals.futures import FINISHED
from parsl_on_dask.python_internals.light_future import LightFuture
from parsl_on_dask.remote.packing import loads
from parsl_on_dask.remote.trust import distrust

if TYPE_CHECKING:
    from parsl_on_dask.checkpoint.recording import Recording
    from parsl_on_dask.dataflow.taskrecord import TaskRecord

logger = logging.getLogger("parsl.dataflow.memoization")

#: Bytes from which on a recorded value is read by a worker, where it can be.
LARGE = 65536


class Recalled(LightFuture[Any]):
    """A result that was recorded, and the record itself until it has been copied to where this run records."""

    def __init__(self, value: Any, record: bytes | None) -> None:
        self._state = FINISHED
        self._result = value
        self.record = record

    @property
    def value(self) -> Any:
        """The result."""
        return self._result


class Lookup:
    """Finds the recorded results of calls, and reads them, here or on a worker.

    - `elsewhere`: calls a function with arguments in a thread that may wait.
    - `copies`: whether what is found is recorded again, so that the newest directory holds all that its run used.

    - `unusable`: keys of results that are recorded, and cannot be read.
    """

    def __init__(self, recording: Recording, elsewhere: Callable[..., None], copies: bool) -> None:
        self.recording = recording
        self.copies = copies
        self.unusable: set[str] = set()
        self._elsewhere = elsewhere
        self._hidden: set[tuple[int, str]] = set()

    def find(self, task: TaskRecord, key: str) -> Future[Any] | None:
        """A future that has, or will have, the recorded result of a call; None when there is none that can be read.

        When it turns out later that it cannot be read, the future is cancelled, and the next look finds nothing.
        """
        if key in self.unusable:
            return None
        # in Parsl's layout, too, they are written one by one
        quick = self._quick(key) if self.recording.writer is None else None
        if quick is not None:
            return quick
        found = self.recording.find(key)
        if found is None:
            return None
        future: LightFuture[Any] = LightFuture()
        if not self._on_worker(task, found, future):
            if found[1].size > LARGE:  # it takes a while, and who calls an app does not want to wait
                self._elsewhere(self._read, found, future)
                return future
            try:
                future.set_result(self.recording.load(found))
            except DamagedEntry as e:
                self._not_usable(key, e)
                return None
        return future

    def _read(self, found: tuple[Any, Entry], future: LightFuture[Any]) -> bool:
        """Read a value in this process; whether that could be done."""
        try:
            value = self.recording.load(found)
        except Exception as e:
            self._not_usable(found[1].key, e)
            future.cancel()
            future.set_running_or_notify_cancel()
            return False
        future.set_result(value)
        return True

    def _quick(self, key: str) -> Recalled | None:
        """A small result of our own layout; None also when something is wrong with it."""
        recording = self.recording
        found = recording.store.fetch(key)
        if found is None:
            return None
        record, begin, directory = found
        try:
            value = loads(record[begin:])
        except (Exception, SystemExit):  # the long way says what it is
            return None
        return Recalled(value, record if self.copies and directory != recording.directory else None)

    def _on_worker(self, task: TaskRecord, found: tuple[Any, Entry], future: LightFuture[Any]) -> bool:
        """Have a worker read a value, where it has a file of its own; whether that was tried."""
        entry = found[1]
        path = self.recording.side_path(found)
        lane = _lane_for(task) if path and entry.size > LARGE else None
        place = (id(lane), os.path.dirname(path))
        if lane is None or place in self._hidden or (not self.recording.trust and distrust(path)):
            return False
        from parsl_on_dask.lanes.value_files import load_on_worker

        def read_here(error: BaseException) -> None:
            if self._read(found, future) and isinstance(error, OSError):
                logger.info("Workers of executor %s do not see %s", lane.label, path)
                self._hidden.add(place)

        def loaded(reading: Future[Any]) -> None:
            error = reading.exception()
            if error is None:
                future.set_result(reading.result())
            else:
                self._elsewhere(read_here, error)

        name = entry.app or task["func_name"]
        load_on_worker(lane, path, entry.size, entry.crc, name).add_done_callback(loaded)
        return True

    def _not_usable(self, key: str, error: Exception) -> None:
        self.unusable.add(key)
        try:
            warn(f"{error}. The call runs again")
        except Warning:  # where warnings are errors; the log has it
            pass


def _lane_for(task: TaskRecord) -> Any:
    """The lane to workers in other processes on which a task's large result belongs; None when there is none."""
    executors = task["dfk"].executors
    # the body of a join runs in this process, and its result is from elsewhere
    labels = executors if task["join"] else (task["executor"],)
    for label in labels:
        lane = getattr(executors.get(label), "lane", None)
        if lane is not None and lane.remote:
            return lane
    return None
