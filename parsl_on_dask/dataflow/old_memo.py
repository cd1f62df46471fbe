"""Methods of memoizers that Parsl calls on itself, or had in earlier releases, for programs that call them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.dataflow.checkpoint_schedule import CheckpointSchedule, Ended
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.old_spellings.legacy import warn_once

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.taskrecord import TaskRecord


class OldMemoizer:
    """What ``Memoizer`` had while it was what is ``BasicMemoizer`` now, until 2025."""

    memo_lookup_table: dict[str, Future[Any]]

    def make_hash(self, task: TaskRecord) -> str:
        """Return the key of a call; now :func:`parsl_on_dask.dataflow.memoization.make_hash`."""
        warn_once("Memoizer.make_hash", "Memoizer.make_hash() is gone: a task's key is task_record['hashsum'].")
        from parsl_on_dask.checkpoint.keys import make_hash

        return make_hash(task)

    def hash_lookup(self, hashsum: str) -> Future[Any]:
        """Return the future of the last call of this run with a key.

        Raises
        ------
        KeyError
            When there was none.
        """
        warn_once("Memoizer.hash_lookup", "Memoizer.hash_lookup() is gone: use check_memo(task_record).")
        return self.memo_lookup_table[hashsum]

    def update_memo(self, task: TaskRecord, r: Any = None, task_id: int | None = None) -> None:
        """Remember a task's outcome; now ``update_memo_result`` and ``update_memo_exception``."""
        warn_once(
            "Memoizer.update_memo", "Memoizer.update_memo() is now update_memo_result() or update_memo_exception()."
        )
        memoizer: Any = self
        error = r.exception() if isinstance(r, Future) else None
        if error is not None:
            memoizer.update_memo_exception(task, error)
        else:
            memoizer.update_memo_result(task, r.result() if isinstance(r, Future) else r)

    def load_checkpoints(self, checkpointDirs: Sequence[str] | None) -> dict[str, Future[Any]]:
        """Return the recorded results of some checkpoint directories, by key.

        All values are read at once, which ``checkpoint_files=`` does not do.

        Raises
        ------
        BadCheckpoint
            When one of the directories holds no checkpoint.
        DamagedEntry
            When a value cannot be unpickled.
        """
        from parsl_on_dask.checkpoint.parsl_files import flatten_checkpoint_files
        from parsl_on_dask.checkpoint.recording import Recording

        places = flatten_checkpoint_files(checkpointDirs) if checkpointDirs else []
        table: dict[str, Future[Any]] = {}
        if not places:
            return table
        recording = Recording(os.path.join(places[0], "none"), places, sync=False, parsl_layout=False)
        try:
            for key in {entry.key for entry in recording.entries()}:
                found = recording.find(key)
                if found is not None:
                    table[key] = Future()
                    table[key].set_result(recording.load(found))
        finally:
            recording.close()
        return table


class CheckpointCommand:
    """A result, or a failure, and the record of its task: what ``checkpoint_one`` takes.

    Parameters
    ----------
    task_record : TaskRecord
    result : object, optional
    exception : BaseException, optional
    """

    def __init__(self, task_record: TaskRecord, *, result: Any = None, exception: BaseException | None = None) -> None:
        if result is not None and exception is not None:
            raise ConfigurationError("CheckpointCommand: a task has a result or an exception, not both")
        self.task_record = task_record
        self.result = result
        self.exception = exception


class ParslsCheckpointing(OldMemoizer):
    """The steps of Parsl's checkpointing, which subclasses of its ``BasicMemoizer`` may call."""

    _schedule: CheckpointSchedule | None

    def checkpoint_one(self, cc: CheckpointCommand) -> None:
        """Record one result now. Failures are never recorded."""
        key = cc.task_record["hashsum"]
        if self._schedule is None or key is None or cc.exception is not None:
            return
        self._schedule.record_all([Ended(key, cc.task_record["func_name"], "name", (), cc.result)])

    def checkpoint_queue(self) -> None:
        """Record the results that wait for it; the same as ``checkpoint()``."""
        memoizer: Any = self
        memoizer.checkpoint()
