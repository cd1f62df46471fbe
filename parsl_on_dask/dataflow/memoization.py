"""Memoizers know which calls need not run, because their results are known in this run or from earlier ones."""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from parsl_on_dask.checkpoint.policy import FILE_POLICIES, IDENTITIES, FilePolicy, Identity
from parsl_on_dask.common.constructors import SaysWhatItTakes
from parsl_on_dask.dataflow.checkpoint_schedule import CheckpointSchedule, Ended, period_of
from parsl_on_dask.dataflow.lookup import Recalled
from parsl_on_dask.dataflow.old_memo import OldMemoizer, ParslsCheckpointing
from parsl_on_dask.errors import ConfigurationError, TypeCheckError
from parsl_on_dask.importing.lazily import lazily

if TYPE_CHECKING:
    from parsl_on_dask.checkpoint.entry import Entry
    from parsl_on_dask.checkpoint.keys import id_for_memo, make_hash
    from parsl_on_dask.checkpoint.parts import Part
    from parsl_on_dask.checkpoint.recording import Recording
    from parsl_on_dask.dataflow.taskrecord import TaskRecord

__all__ = ["BasicMemoizer", "Memoizer", "id_for_memo", "make_hash"]

#: Keys are needed when an app is called that has ``cache=True``.
__getattr__, __dir__ = lazily(__name__, dict.fromkeys(("id_for_memo", "make_hash"), "checkpoint.keys"))

logger = logging.getLogger("parsl.dataflow.memoization")

CheckpointMode = Literal["task_exit", "periodic", "dfk_exit", "manual"]
MODES = ("task_exit", "periodic", "dfk_exit", "manual")
Durability = Literal["process", "sync"]


@cache
def _keys() -> Any:
    from parsl_on_dask.checkpoint import keys

    return keys


class Memoizer(OldMemoizer, ABC):
    """The kernel's question whether a call's result is known: base of plug-ins for ``Config(memoizer=...)``.

    The kernel calls these methods; each may be called from several threads at once. (Parsl's memoizer interface.)
    Until 2025 this was what is :class:`BasicMemoizer` now.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Memoizer:
        if cls is Memoizer:
            raise TypeCheckError(
                "Memoizer() is the base class of memoizers of your own. Write BasicMemoizer(), which has the arguments "
                "memoize, checkpoint_files, checkpoint_mode and checkpoint_period."
            )
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError(f"{cls.__name__}() takes no arguments")
        return super().__new__(cls)

    @abstractmethod
    def start(self, *, run_dir: str, config_run_dir: str) -> None:
        """Get ready; called once, when a kernel starts.

        Parameters
        ----------
        run_dir : str
            Absolute path of this run's directory.
        config_run_dir : str
            ``Config.run_dir``: the directory of all runs.
        """

    @abstractmethod
    def check_memo(self, task: TaskRecord) -> Future[Any] | None:
        """Look for the outcome of a call that is about to be launched.

        Returns
        -------
        Future or None
            A future which has, or will have, the call's result or exception: the call is then not run.
            None when it has to run.
        """

    @abstractmethod
    def update_memo_result(self, task: TaskRecord, r: Any) -> Future[Any] | None:
        """Take note of a result; called before the task's future has it.

        Returns
        -------
        Future or None
            A future that the task's result has to wait for. (Parsl's memoizers return nothing.)
        """

    @abstractmethod
    def update_memo_exception(self, task: TaskRecord, e: BaseException) -> None:
        """Take note of a failure; called before the task's future has it."""

    @abstractmethod
    def close(self) -> None:
        """Finish; called once, when the kernel is cleaned up."""


class BasicMemoizer(ParslsCheckpointing, SaysWhatItTakes, Memoizer):
    """Reuses results of apps that have ``cache=True``: of this run, and of earlier ones from their checkpoints.

    Failures are remembered as well as results while the kernel lives: the same call again fails at once with the same
    exception. They are never recorded. A call that equals one under way waits for that instead of
    running. (Parsl's BasicMemoizer, with which all equal calls run.)

    Parameters
    ----------
    checkpoint_files : sequence of str, optional
        Checkpoint directories of earlier runs to take results from; lists in the list are accepted. Default: all in
        the directory of runs if there is a `checkpoint_mode`, otherwise none.
    checkpoint_period : str, optional
        How often results are recorded in mode "periodic", as "HH:MM:SS".
    checkpoint_mode : str, optional
        When results are recorded: "task_exit" as soon as a task is done; "periodic"; "dfk_exit" at the clean-up;
        "manual" when :meth:`checkpoint` is called, and at the clean-up. Default: never.
    memoize : bool, default True
        False: nothing is reused, whatever the apps say.
    directory : str, optional
        Where results are recorded. Many runs may share a directory, even at the same time, and take results from it.
        Default: ``checkpoint`` in the run's directory.
    durability : "process" or "sync", default "process"
        In mode "task_exit": whether a result that was seen done survives the end of all processes of the run (and
        after one second that of the machine, too), or is on disk before it is seen done, which takes longer.
    identity : "name" or "source", default "name"
        What identifies an app's code: its name and module, as in Parsl, or its text.
    files : "path", "stat" or "content", default "path"
        What identifies a File that is an input: its path; path, size and time of change; or its bytes.
    parsl_layout : bool, default False
        Whether Parsl's ``tasks.pkl`` is written as well.
    trust : bool, default False
        Whether recorded results are used that another user may have put there. They are pickles, which can run anything
        as you; without this, only files and directories are read that no other user can write to.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used.

    Examples
    --------
    >>> BasicMemoizer(checkpoint_mode="task_exit").checkpoint_mode
    'task_exit'
    """

    def __init__(
        self,
        *,
        checkpoint_files: Sequence[Any] | None = None,
        checkpoint_period: str | None = None,
        checkpoint_mode: CheckpointMode | None = None,
        memoize: bool = True,
        directory: str | os.PathLike[str] | None = None,
        durability: Durability = "process",
        identity: Identity = "name",
        files: FilePolicy = "path",
        parsl_layout: bool = False,
        trust: bool = False,
    ) -> None:
        for name, value, known in (
            ("checkpoint_mode", checkpoint_mode, (*MODES, None)),
            ("durability", durability, ("process", "sync")),
            ("identity", identity, IDENTITIES),
            ("files", files, FILE_POLICIES),
        ):
            if value not in known:
                choices = ", ".join(map(repr, known))
                raise ConfigurationError(f"BasicMemoizer({name}={value!r}): write one of {choices}")
        if checkpoint_mode is None:
            for name, given in (
                ("directory", directory is not None),
                ("durability", durability != "process"),
                ("parsl_layout", parsl_layout),
            ):
                if given:
                    raise ConfigurationError(
                        f"BasicMemoizer({name}=...) is about recording results, and without checkpoint_mode= none are: "
                        "add checkpoint_mode='task_exit'"
                    )
        self.checkpoint_files = checkpoint_files
        self.checkpoint_period = checkpoint_period
        self.checkpoint_mode = checkpoint_mode
        self.memoize = memoize
        self.directory = directory
        self.durability = durability
        self.identity = identity
        self.files = files
        self.parsl_layout = parsl_layout
        self.trust = trust
        self.memo_lookup_table: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()
        self._checkpointing = threading.Lock()
        self._running: dict[str, Future[Any]] = {}
        self._waiting: list[Ended] = []
        self._schedule: CheckpointSchedule | None = None

    def start(self, *, run_dir: str, config_run_dir: str) -> None:
        """Open the checkpoints; called by the kernel.

        Raises
        ------
        ConfigurationError
            When the period is missing or is not one.
        BadCheckpoint
            When a listed directory holds no checkpoint.
        """
        self.run_dir = run_dir
        self.config_run_dir = config_run_dir
        self.memo_lookup_table = {}
        self._running = {}
        self._waiting = []
        period = period_of(self.checkpoint_period) if self.checkpoint_mode == "periodic" else 0
        self._schedule = CheckpointSchedule(self)
        if self.memoize:
            logger.info("App caching initialized")
        else:
            logger.info("App caching disabled for all apps")
        if self.checkpoint_mode == "periodic":
            self._schedule.every(period)

    @property
    def recording(self) -> Recording | None:
        """The open checkpoints; None before :meth:`start`, and when there are none to read or write."""
        return self._schedule.recording if self._schedule is not None else None

    def entries(self) -> Iterator[Entry]:
        """The recorded results, without their values."""
        recording = self.recording
        return iter(()) if recording is None else recording.entries()

    def check_memo(self, task: TaskRecord) -> Future[Any] | None:
        """The future of the last call with the same key, or None; puts the key into the record as ``hashsum``."""
        if not self.memoize or not task.memoize:
            task.hashsum = None
            return None
        policy = task.get("cache_policy")
        identity = (policy.identity if policy is not None else None) or self.identity
        files = (policy.files if policy is not None else None) or self.files
        recording = self.recording
        parts: Callable[[], list[Part]] | None = None
        if recording is None:
            key = _keys().make_hash(task, identity=identity, files=files)
        else:
            key, parts = _keys().make_key_first(task, identity=identity, files=files)
        task.hashsum = key
        logged = logger.isEnabledFor(logging.INFO)
        if logged:
            logger.debug("Task %s has memoization hash %s", task.id, key)
        with self._lock:
            known = self._known(task, key)
            if known is None and recording is None:
                self._running[key] = task.app_fu
        if known is None and recording is not None:
            lookup = self._schedule.lookup if self._schedule is not None else None
            recorded = lookup.find(task, key) if lookup is not None else None
            with self._lock:
                # others may have found, begun or even ended the same call meanwhile
                known = self._known(task, key)
                if known is None and recorded is not None:
                    known = self.memo_lookup_table[key] = recorded
                elif known is None:
                    self._running[key] = task.app_fu
        if parts is not None and type(known) is not Recalled:  # whose record has them
            task["key_parts"] = parts()
            task["cache_identity"] = identity if task.get("cache_version") is None else "version"
        if logged:
            text = "Task %s had no result in cache" if known is None else "Task %s using result from cache"
            logger.info(text, task.id)
        return known

    def update_memo_result(self, task: TaskRecord, r: Any) -> Future[Any] | None:
        """Remember the task's future under its key, and record the result if it is time to."""
        key = self._remember(task)
        if key is None or self.checkpoint_mode is None or self._schedule is None:
            return None
        if self.checkpoint_mode == "task_exit" and task.get("recorded"):  # by the process that keeps its executor
            return None
        known = task.exec_fu if task.from_memo else None
        if type(known) is Recalled and self.checkpoint_mode == "task_exit":
            self._schedule.record_copy(task.func_name, known)
            return None
        identity = task.get("cache_identity") or "name"
        ended = Ended(key, task.func_name, identity, task.get("key_parts") or (), r, known)
        if self.checkpoint_mode == "task_exit":
            return self._schedule.record(ended)
        with self._lock:
            self._waiting.append(ended)
        return None

    def update_memo_exception(self, task: TaskRecord, e: BaseException) -> None:
        """Remember the task's future under its key."""
        self._remember(task)

    def checkpoint(self) -> None:
        """Record the results that wait for it, and return when they are on disk.

        (Parsl's ``memoizer.checkpoint()``.)
        """
        if self._schedule is None:
            return
        with self._checkpointing:  # who comes second waits for what the first has taken
            with self._lock:
                waiting, self._waiting = self._waiting, []
            self._schedule.record_all(waiting)

    def close(self) -> None:
        """Record what is left and close the files; the table stays readable."""
        if self._schedule is None:
            return
        self._schedule.stop_timer()
        if self.checkpoint_mode is not None:
            logger.info("Making final checkpoint")
            self.checkpoint()
        self._schedule.close()

    def _known(self, task: TaskRecord, key: str) -> Future[Any] | None:
        """The future of an equal call of this run, done or not; the lock is held."""
        known = self.memo_lookup_table.get(key)
        if known is not None and known is not task.app_fu and not known.cancelled():
            return known
        known = self._running.get(key)
        # one that is done and not in the table was cancelled, or a subclass did not want it to be remembered
        if known is not None and known is not task.app_fu and not known.done():
            return known
        return None

    def _remember(self, task: TaskRecord) -> str | None:
        # no key: the app has no cache=True, or the task failed before it was looked for
        key = task.hashsum
        if not self.memoize or not task.memoize or key is None:
            return None
        with self._lock:
            self.memo_lookup_table[key] = task.app_fu
            self._running.pop(key, None)
        return key
