"""Gets results into a checkpoint, and decides when."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from parsl_on_dask.checkpoint.entry import warn
from parsl_on_dask.dataflow.lookup import Lookup, Recalled
from parsl_on_dask.errors import ConfigurationError, ExecutorError
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.utils import get_all_checkpoints

if TYPE_CHECKING:
    from parsl_on_dask.checkpoint.recording import Recording

logger = logging.getLogger("parsl.dataflow.memoization")

#: How many results that cannot be recorded are reported one by one; of the others, each thousandth.
SHOWN = 20


class Ended(NamedTuple):
    """A result that is to be recorded."""

    key: str
    app: str
    identity: str
    parts: Any
    value: Any
    #: The future from which the value was taken, if the call was not run.
    known: Any = None


def period_of(text: Any) -> int:
    """Seconds of an "HH:MM:SS".

    Raises ConfigurationError when it is missing, or is not one.

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


class Settings(Protocol):
    """A memoizer that was started, as its checkpoints see it."""

    checkpoint_files: Sequence[Any] | None
    config_run_dir: str
    directory: str | os.PathLike[str] | None
    parsl_layout: bool
    run_dir: str
    trust: bool

    @property
    def checkpoint_mode(self) -> str | None:
        """When they are written."""

    @property
    def durability(self) -> str:
        """What they have to outlive."""

    def checkpoint(self) -> None: ...


class CheckpointSchedule:
    """Reads and writes the checkpoints of one run.

    - `memoizer`: started.

    Raises BadCheckpoint when a listed directory holds no checkpoint.
    """

    def __init__(self, memoizer: Settings) -> None:
        mode = memoizer.checkpoint_mode
        self.directory = os.path.abspath(memoizer.directory or os.path.join(memoizer.run_dir, "checkpoint"))
        self.sync = memoizer.durability == "sync"
        if memoizer.checkpoint_files is not None:
            from parsl_on_dask.checkpoint.parsl_files import flatten_checkpoint_files

            read = flatten_checkpoint_files(memoizer.checkpoint_files)
        elif mode is not None:
            from parsl_on_dask.checkpoint.directories import holds_results

            read = [place for place in get_all_checkpoints(memoizer.config_run_dir) if holds_results(place)]
        else:
            read = []
        self.recording: Recording | None = None
        if read or mode is not None:
            from parsl_on_dask.checkpoint.recording import Recording

            self.recording = Recording(
                self.directory, read, sync=self.sync, parsl_layout=memoizer.parsl_layout, trust=memoizer.trust
            )
            logger.info("Checkpoints with %s results", len(self.recording))
        self.lookup: Lookup | None = None
        if self.recording is not None:
            self.lookup = Lookup(self.recording, self._elsewhere, mode is not None)
        self.memoizer = memoizer
        self.lost = 0
        self._lock = threading.Lock()
        self._probing = threading.Lock()
        self._probe = ""
        self._under_way: set[Future[Any]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="parsl-checkpoint")
        self._end = threading.Event()
        self._timer: threading.Thread | None = None

    # -- writing ---------------------------------------------------------------------------------------------------

    def record(self, ended: Ended) -> Future[Any] | None:
        """Record a result.

        Returns
        -------
        Future or None
            What the task's end has to wait for, where a result has to be on disk before it is seen done.
        """
        recording = self.recording
        if recording is None or self.lookup is None:
            return None
        again = ended.known is not None
        if again and ended.key in self.lookup.unusable:  # the call that ran again is recorded
            return None
        about = (ended.app, ended.identity, ended.parts)
        value = ended.value
        try:
            if type(value) is RemoteValue:
                if not again:
                    kept = self.keep(ended, value)
                    return kept if self.sync else None
                if recording.find(ended.key) is None:  # of a task of this run, whose value is on its way
                    return None
            if again:
                recording.put_again(ended.key, value, *about)
            else:
                recording.put(ended.key, value, *about)
        except Exception as e:
            self._failed(ended.app, e)
        return None

    def record_copy(self, app: str, found: Recalled) -> None:
        """Record a result that was found in another directory, so that the newest one holds all that its run used."""
        recording = self.recording
        copy, found.record = found.record, None
        if copy is None or recording is None:
            return
        try:
            recording.store.put_copy(copy)
        except Exception as e:
            self._failed(app, e, ", unless it reads the checkpoint that this one is from")

    def record_all(self, waiting: Sequence[Ended]) -> None:
        """Record results of tasks that are done, and return when they are on disk."""
        with self._lock:
            for ended in waiting:
                if type(ended.known) is Recalled:
                    self.record_copy(ended.app, ended.known)
                else:
                    self.record(ended)
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

    def keep(self, ended: Ended, value: RemoteValue) -> Future[Any]:
        """Have a value's worker write it, or fetch it where that does not see the directory; completed when it is."""
        from parsl_on_dask.lanes.failures import as_exception
        from parsl_on_dask.lanes.value_files import ValueLost, keep_on_worker

        assert self.recording is not None
        self._make_probe()
        done: Future[Any] = Future()
        self._under_way.add(done)

        def written(future: Future[Any]) -> None:
            recording = self.recording
            assert recording is not None
            about = (ended.app, ended.identity, ended.parts)
            lost = False
            try:
                file = future.result()
                if file is not None:
                    recording.put_side(ended.key, file, *about)
                else:
                    recording.put(ended.key, value.fetch(), *about)
            except BaseException as e:
                self._failed(ended.app, e)
                lost = isinstance(e, (ValueLost, ExecutorError))
            finally:
                self._under_way.discard(done)
                if lost and self.sync:  # with a full disk a run goes on; with no value at all the task is not done
                    done.set_exception(
                        as_exception(
                            "WorkerLost", (value.label, "", f"the result of app {ended.app!r} was lost with it")
                        )
                    )
                else:
                    done.set_result(None)

        keeping = keep_on_worker(value, self.directory, self._probe, ended.key)
        keeping.add_done_callback(lambda future: self._elsewhere(written, future))
        return done

    def _make_probe(self) -> None:
        """A file by which workers recognise the directory."""
        from parsl_on_dask.remote import sidefiles

        assert self.recording is not None
        with self._probing:
            if self._probe:
                return
            self.recording.store.make_directory()
            path = os.path.join(self.directory, sidefiles.PROBE + uuid.uuid4().hex + sidefiles.UNFINISHED)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._probe = path

    def _elsewhere(self, step: Any, *args: Any) -> None:
        """Do what takes long in a thread of its own: this one belongs to Dask."""
        try:
            self._thread.submit(step, *args)
        except RuntimeError:  # it has ended
            step(*args)

    def _failed(self, app: str, error: BaseException, unless: str = "") -> None:
        self.lost += 1
        if self.lost > SHOWN and self.lost % 1000:
            return
        if isinstance(error, OSError):
            what = f"cannot be written to {self.directory}: {error.strerror or error}"
        else:
            what = f"cannot be recorded: {type(error).__name__}: {error}"
        end = f"The run goes on, and without it a later run computes it again{unless}"
        try:
            warn(f"A result of app {app!r} {what}. {end}")
        except Warning:  # where warnings are errors; the log has it, and there are others to be recorded
            pass

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
        self._thread.shutdown()
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
