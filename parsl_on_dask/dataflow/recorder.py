"""When and how results get into a checkpoint, and out of it."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from parsl_on_dask.checkpoint.entry import DamagedEntry, warn
from parsl_on_dask.checkpoint.parsl_files import flatten_checkpoint_files
from parsl_on_dask.checkpoint.places import holds_results
from parsl_on_dask.checkpoint.recording import Recording
from parsl_on_dask.dataflow.lightfuture import LightFuture
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote import sidefiles
from parsl_on_dask.utils import get_all_checkpoints

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.memoization import BasicMemoizer
    from parsl_on_dask.dataflow.taskrecord import TaskRecord

logger = logging.getLogger("parsl.dataflow.memoization")

#: Bytes from which on a recorded value is read by a worker, where it can be.
LARGE = 65536
#: How many results that cannot be recorded are reported one by one; of the others, each thousandth.
SHOWN = 20


class Ended(NamedTuple):
    """A result that is to be recorded."""

    key: str
    app: str
    identity: str
    parts: Any
    future: Future[Any]
    again: bool


def period_of(text: Any) -> int:
    """Seconds of an "HH:MM:SS".

    Raises
    ------
    ConfigurationError
        When it is missing, or is not one.

    Examples
    --------
    >>> period_of("00:01:30")
    90
    """
    if text is None:
        raise ConfigurationError(
            "Checkpoint period must be specified with periodic checkpoint mode: add checkpoint_period='00:10:00'"
        )
    try:
        hours, minutes, seconds = map(int, text.split(":"))
    except Exception:
        raise ConfigurationError(
            f"invalid checkpoint_period provided: {text!r} expected HH:MM:SS, such as '00:10:00'"
        ) from None
    period = hours * 3600 + minutes * 60 + seconds
    if period <= 0:
        raise ConfigurationError(f"invalid checkpoint_period provided: {text!r}: it has to be a second or more")
    return period


class Recorder:
    """Reads and writes the checkpoints of one run.

    Parameters
    ----------
    memoizer : BasicMemoizer
        Started, for its settings.

    Raises
    ------
    BadCheckpoint
        When a listed directory holds no checkpoint.
    """

    def __init__(self, memoizer: BasicMemoizer) -> None:
        mode = memoizer.checkpoint_mode
        self.directory = os.path.abspath(memoizer.directory or os.path.join(memoizer.run_dir, "checkpoint"))
        self.sync = memoizer.durability == "sync"
        if memoizer.checkpoint_files is not None:
            read = flatten_checkpoint_files(memoizer.checkpoint_files)
        elif mode is not None:
            read = [place for place in get_all_checkpoints(memoizer.config_run_dir) if holds_results(place)]
        else:
            read = []
        self.recording: Recording | None = None
        if read or mode is not None:
            self.recording = Recording(self.directory, read, sync=self.sync, parsl_layout=memoizer.parsl_layout)
            logger.info("Checkpoints with %s results", len(self.recording))
        self.memoizer = memoizer
        self.lost = 0
        self._lock = threading.Lock()
        self._probe = ""
        self._seen: dict[tuple[int, str], bool] = {}
        self._under_way: set[Future[Any]] = set()
        self._fetcher: ThreadPoolExecutor | None = None
        self._end = threading.Event()
        self._timer: threading.Thread | None = None

    # -- reading ---------------------------------------------------------------------------------------------------

    def find(self, task: TaskRecord, key: str) -> Future[Any] | None:
        """A future with the recorded result of a call; None when there is none that can be read."""
        recording = self.recording
        found = recording.find(key) if recording is not None else None
        if recording is None or found is None:
            return None
        future: LightFuture[Any] = LightFuture()
        try:
            value = self._on_worker(task, found)
            future.set_result(recording.load(found) if value is None else value)
        except DamagedEntry as e:
            warn(f"{e}. Task {task['id']} runs again")
            return None
        return future

    def _on_worker(self, task: TaskRecord, found: tuple[Any, Any]) -> RemoteValue | None:
        """The value, read by a worker that sees its file; None when it has to be read here."""
        entry = found[1]
        assert self.recording is not None
        path = self.recording.side_path(found)
        lane = getattr(task["dfk"].executors.get(task["executor"]), "lane", None)
        if not path or entry.size <= LARGE or lane is None or not lane.remote:
            return None
        from parsl_on_dask.lanes.sidevalues import load_on_worker, workers_see

        place = (id(lane), os.path.dirname(path))
        if place not in self._seen:
            self._seen[place] = workers_see(lane.client, path)
        if not self._seen[place]:
            return None
        try:
            sidefiles.check(os.path.dirname(entry.where), entry.side, entry.size, entry.crc)
        except (OSError, ValueError) as e:
            raise DamagedEntry(f"The result of app {entry.app!r} in {path} cannot be read: {e}") from e
        return load_on_worker(lane, path, entry.size, entry.crc, entry.app or task["func_name"])

    # -- writing ---------------------------------------------------------------------------------------------------

    def record(self, ended: Ended, value: Any) -> Future[Any] | None:
        """Record a result.

        Returns
        -------
        Future or None
            What the task's end has to wait for, where a result has to be on disk before it is seen done.
        """
        recording = self.recording
        if recording is None:
            return None
        about = (ended.app, ended.identity, ended.parts)
        try:
            if type(value) is RemoteValue:
                if not ended.again:
                    return self._keep(ended, value)
                if recording.find(ended.key) is None:  # of a task of this run, whose value is on its way
                    return None
            if ended.again:
                recording.put_again(ended.key, value, *about)
            else:
                recording.put(ended.key, value, *about)
        except Exception as e:
            self._failed(ended, e)
        return None

    def record_all(self, waiting: Sequence[Ended]) -> None:
        """Record results of tasks that are done, and return when they are on disk."""
        with self._lock:
            for ended in waiting:
                if ended.future._exception is None and not ended.future.cancelled():
                    self.record(ended, ended.future._result)
            wait(list(self._under_way))
            if self.recording is not None:
                try:
                    self.recording.flush()
                except OSError as e:
                    warn(f"Checkpoint directory {self.directory}: results cannot be brought to disk: {e}")
        if waiting:
            logger.info("Done checkpointing %s tasks", len(waiting))
        else:
            logger.debug("No tasks to checkpoint in this pass.")

    def _keep(self, ended: Ended, value: RemoteValue) -> Future[Any] | None:
        """Have a value's worker write it, or fetch it where that does not see the directory."""
        from parsl_on_dask.lanes.sidevalues import keep_on_worker

        assert self.recording is not None
        self._make_probe()
        done: Future[Any] = Future()
        self._under_way.add(done)

        def finish(step: Any, *args: Any) -> None:
            try:
                step(*args)
            except BaseException as e:
                self._failed(ended, e)
            self._under_way.discard(done)
            done.set_result(None)

        def written(future: Future[Any]) -> None:
            recording = self.recording
            assert recording is not None
            about = (ended.app, ended.identity, ended.parts)
            error = future.exception()
            if error is not None:
                finish(_raise, error)
            elif future.result() is not None:
                finish(recording.put_side, ended.key, future.result(), *about)
            else:
                fetched = lambda: recording.put(ended.key, value.fetch(), *about)  # noqa: E731
                self._elsewhere(finish, fetched)

        keep_on_worker(value, self.directory, self._probe, ended.key, ended.app).add_done_callback(written)
        return done if self.sync else None

    def _make_probe(self) -> None:
        """A file by which workers recognise the directory."""
        assert self.recording is not None
        if self._probe:
            return
        self.recording.store.make_directory()
        path = os.path.join(self.directory, f".seen-by-workers-{uuid.uuid4().hex}")
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._probe = path

    def _elsewhere(self, step: Any, *args: Any) -> None:
        """Do what takes long in a thread of its own: this one belongs to Dask."""
        if self._fetcher is None:
            self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="parsl-checkpoint")
        self._fetcher.submit(step, *args)

    def _failed(self, ended: Ended, error: BaseException) -> None:
        self.lost += 1
        if self.lost > SHOWN and self.lost % 1000:
            return
        if isinstance(error, OSError):
            what = f"cannot be written to {self.directory}: {error.strerror or error}"
        else:
            what = f"cannot be recorded: {type(error).__name__}: {error}"
        warn(f"A result of app {ended.app!r} {what}. The run goes on, and without it a later run computes it again")

    # -- time ------------------------------------------------------------------------------------------------------

    def every(self, period: float) -> None:
        """Record what waits now, and again after each period."""

        def run() -> None:
            while True:
                try:
                    self.memoizer.checkpoint()
                except Exception:
                    logger.exception("A periodic checkpoint failed")
                if self._end.wait(period):
                    return

        self._timer = threading.Thread(target=run, name="parsl-checkpoint-timer", daemon=True)
        self._timer.start()

    def stop_timer(self) -> None:
        """Make no more periodic checkpoints."""
        self._end.set()
        if self._timer is not None:
            logger.info("Stopping checkpoint timer")
            self._timer.join()
            self._timer = None

    def close(self) -> None:
        """Finish what is under way and close the files."""
        wait(list(self._under_way), timeout=30)
        if self._fetcher is not None:
            self._fetcher.shutdown()
        if self._probe:
            try:
                os.remove(self._probe)
            except OSError:
                logger.debug("%s has gone already", self._probe)
        if self.recording is not None:
            try:
                self.recording.close()
            except OSError as e:
                warn(f"Checkpoint directory {self.directory}: results cannot be brought to disk: {e}")
        if self.lost:
            logger.error("%s results could not be recorded in %s", self.lost, self.directory)


def _raise(error: BaseException) -> None:
    raise error
