"""Records what the calls of a resident return."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.checkpoint.recording import Recording
from parsl_on_dask.dataflow.checkpoint_schedule import CheckpointSchedule, Ended
from parsl_on_dask.lanes.values import RemoteValue

logger = logging.getLogger("parsl.linger.recorder")


class Recorder:
    """A checkpoint directory that a resident writes to.

    - `sync`: whether a result is on disk before anybody hears of it.
    - `parsl_layout`: whether Parsl's ``tasks.pkl`` is written, too.
    """

    checkpoint_files: Sequence[Any] | None = ()
    checkpoint_mode = "task_exit"
    trust = False

    def __init__(self, directory: str, sync: bool = False, parsl_layout: bool = False) -> None:
        self.directory: str | os.PathLike[str] | None = directory
        self.run_dir = self.config_run_dir = directory
        self.durability = "sync" if sync else "process"
        self.parsl_layout = parsl_layout
        self._schedule = CheckpointSchedule(self)
        assert self._schedule.recording is not None
        self._recording: Recording = self._schedule.recording

    def checkpoint(self) -> None:
        """Nothing waits to be written."""

    def put(self, key: str, about: tuple[Any, ...], data: bytes) -> bool:
        """Record a small value by its pickle; False when that cannot be done, on a full disk say."""
        try:
            self._recording.put_pickled(key, data, *about)
        except Exception as e:
            logger.error("A result of app %s cannot be recorded in %s: %r", about[0], self.directory, e)
            return False
        return True

    def put_large(self, key: str, about: tuple[Any, ...], value: RemoteValue) -> Future[Any]:
        """Have a value on the cluster recorded; completed when that was done, or could not be done."""
        app, identity, parts = about
        try:
            return self._schedule.keep(Ended(key, app, identity, parts, value), value)
        except Exception as e:
            logger.error("A result of app %s cannot be recorded in %s: %r", app, self.directory, e)
            refused: Future[Any] = Future()
            refused.set_result(None)
            return refused

    def has(self, key: str) -> bool:
        """Whether a value has been recorded."""
        return self._recording.store.find(key) is not None

    def get(self, key: str) -> bytes | None:
        """The pickle of a value that was recorded here; None when it cannot be had."""
        try:
            entry = self._recording.store.find(key)
            return None if entry is None else self._recording.store.read(entry)
        except Exception as e:
            logger.error("A result that was recorded in %s cannot be read: %r", self.directory, e)
            return None

    def settle(self) -> None:
        """Return when the large values are recorded that are on their way."""
        self._schedule.record_all(())

    def close(self) -> None:
        """Finish what is under way, and close the files."""
        self._schedule.close()
