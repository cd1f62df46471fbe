"""Which calls need not run, because their results are known."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal

from parsl_on_dask.checkpoint.keys import id_for_memo, make_hash
from parsl_on_dask.errors import ConfigurationError

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.taskrecord import TaskRecord

__all__ = ["BasicMemoizer", "Memoizer", "id_for_memo", "make_hash", "refuse_checkpoints"]

logger = logging.getLogger("parsl.dataflow.memoization")

CheckpointMode = Literal["task_exit", "periodic", "dfk_exit", "manual"]


class Memoizer(ABC):
    """The kernel's question whether a call's result is known: base of plug-ins for ``Config(memoizer=...)``.

    The kernel calls these methods; each may be called from several threads at once. (Parsl's memoizer interface.)
    """

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
    def update_memo_result(self, task: TaskRecord, r: Any) -> None:
        """Take note of a result; called before the task's future has it."""

    @abstractmethod
    def update_memo_exception(self, task: TaskRecord, e: BaseException) -> None:
        """Take note of a failure; called before the task's future has it."""

    @abstractmethod
    def close(self) -> None:
        """Finish; called once, when the kernel is cleaned up."""


def refuse_checkpoints(
    checkpoint_files: Sequence[str] | None, checkpoint_period: str | None, checkpoint_mode: str | None
) -> None:
    """Say that checkpoint files are not available, if they are asked for.

    Raises
    ------
    ConfigurationError
        Naming the arguments that are not None; a list of no files asks for nothing.
    """
    given = {
        # [get_last_checkpoint(d)] with nothing found is a list with an empty list in it
        "checkpoint_files": checkpoint_files if any(checkpoint_files or ()) else None,
        "checkpoint_period": checkpoint_period,
        "checkpoint_mode": checkpoint_mode,
    }
    asked = ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)
    if asked:
        raise ConfigurationError(
            f"not available in this version: checkpoint files ({asked}). "
            "Leave these arguments out: apps with cache=True then reuse results within one run"
        )


class BasicMemoizer(Memoizer):
    """Remembers the outcomes of apps that have ``cache=True`` while the kernel lives.

    Failures are remembered as well as results: the same call again fails at once with the same exception.
    Calls that are still running are not: two equal calls made together both run. (Parsl's BasicMemoizer.)

    Parameters
    ----------
    checkpoint_files : sequence of str, optional
        Not available in this version; leave it out.
    checkpoint_period : str, optional
        Not available in this version; leave it out.
    checkpoint_mode : str, optional
        Not available in this version; leave it out.
    memoize : bool, default True
        False: nothing is remembered, whatever the apps say.

    Raises
    ------
    ConfigurationError
        When checkpoint files are asked for.

    Examples
    --------
    >>> BasicMemoizer(memoize=False).memoize
    False
    """

    def __init__(
        self,
        *,
        checkpoint_files: Sequence[str] | None = None,
        checkpoint_period: str | None = None,
        checkpoint_mode: CheckpointMode | None = None,
        memoize: bool = True,
    ) -> None:
        refuse_checkpoints(checkpoint_files, checkpoint_period, checkpoint_mode)
        self.checkpoint_files = checkpoint_files
        self.checkpoint_period = checkpoint_period
        self.checkpoint_mode = checkpoint_mode
        self.memoize = memoize
        self.memo_lookup_table: dict[str, Future[Any]] = {}

    def start(self, *, run_dir: str, config_run_dir: str) -> None:
        """Begin with an empty table."""
        self.run_dir = run_dir
        self.config_run_dir = config_run_dir
        self.memo_lookup_table = {}
        if self.memoize:
            logger.info("App caching initialized")
        else:
            logger.info("App caching disabled for all apps")

    def check_memo(self, task: TaskRecord) -> Future[Any] | None:
        """The future of the last call with the same key, or None; puts the key into the record as ``hashsum``."""
        if not self.memoize or not task["memoize"]:
            task["hashsum"] = None
            return None
        key = make_hash(task)
        task["hashsum"] = key
        logger.debug("Task %s has memoization hash %s", task["id"], key)
        known = self.memo_lookup_table.get(key)
        if known is None:
            logger.info("Task %s had no result in cache", task["id"])
        else:
            logger.info("Task %s using result from cache", task["id"])
        return known

    def update_memo_result(self, task: TaskRecord, r: Any) -> None:
        """Remember the task's future under its key."""
        self._remember(task)

    def update_memo_exception(self, task: TaskRecord, e: BaseException) -> None:
        """Remember the task's future under its key."""
        self._remember(task)

    def close(self) -> None:
        """Nothing is written, so there is nothing to finish; the table stays readable."""

    def _remember(self, task: TaskRecord) -> None:
        # no key: the app has no cache=True, or the task failed before it was looked for
        key = task["hashsum"]
        if self.memoize and task["memoize"] and key is not None:
            self.memo_lookup_table[key] = task["app_fu"]
