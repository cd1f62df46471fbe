"""Executors whose workers come in blocks, and what is known about those blocks."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from typing import Any

from parsl_on_dask.common.arguments import wrong_type
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.executors.errors import BadStateException, ScalingFailed
from parsl_on_dask.executors.old_names import NoStatusHandling
from parsl_on_dask.jobs.error_handlers import default_error_handler, noop_error_handler
from parsl_on_dask.jobs.states import TERMINAL_STATES, JobState, JobStatus
from parsl_on_dask.old_spellings.legacy import moved, warn_once
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.utils import AtomicIDCounter

logger = logging.getLogger("parsl.executors.status_handling")

BlockErrorHandler = Callable[[Any, Mapping[str, JobStatus]], None]


class BlockProviderExecutor(ParslExecutor):
    """Abstract base of executors with a provider.

    A subclass implements :meth:`outstanding` and ``workers_per_node``, and either ``_get_launch_command``, which
    returns the shell text that starts a block's workers, or all of :meth:`scale_out_facade`, :meth:`scale_in` and
    :meth:`status`. The behaviour is that of Parsl's ``parsl.executors.status_handling``.

    Parameters
    ----------
    provider : ExecutionProvider or None
        Where blocks come from.
    block_error_handler : bool or callable
        Called as ``handler(executor, {block_id: JobStatus})`` after each poll of the blocks. True is
        :func:`~parsl_on_dask.jobs.error_handlers.default_error_handler`, False does nothing.
    """

    def __init__(self, *, provider: ExecutionProvider | None, block_error_handler: bool | BlockErrorHandler) -> None:
        super().__init__()
        self._provider = provider
        self.block_error_handler: BlockErrorHandler
        if isinstance(block_error_handler, bool):
            self.block_error_handler = default_error_handler if block_error_handler else noop_error_handler
        elif callable(block_error_handler) and not isinstance(block_error_handler, type):
            self.block_error_handler = block_error_handler
        else:
            raise wrong_type(
                type(self).__name__,
                "block_error_handler",
                block_error_handler,
                "a bool or a callable (executor, {block_id: JobStatus})",
                "Write for example block_error_handler=parsl.jobs.error_handlers.windowed_error_handler.",
            )
        self._forget_run()

    def _shown(self, name: str, value: Any) -> Any:
        if value is default_error_handler or value is noop_error_handler:
            return value is default_error_handler
        return value

    def _forget_run(self) -> None:
        """Begin afresh: what follows belongs to one run between start() and shutdown()."""
        self._executor_bad_state = threading.Event()
        self._executor_exception: Exception | None = None
        self._block_ids = AtomicIDCounter()
        self._tasks: dict[object, Future[Any]] = {}
        self.blocks_to_job_id: dict[str, Any] = {}
        self.job_ids_to_block: dict[Any, str] = {}
        # states that the provider does not know of: failed submissions, and blocks given back
        self._own_status: dict[str, JobStatus] = {}

    @property
    def provider(self) -> ExecutionProvider | None:
        """Where blocks come from."""
        return self._provider

    @property
    def tasks(self) -> dict[object, Future[Any]]:
        """Futures of the calls that this executor was given and that are not done, by number."""
        return self._tasks

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two polls of the blocks; 0 for none."""
        return 0 if self._provider is None else self._provider.status_polling_interval

    @abstractmethod
    def outstanding(self) -> int:
        """Return the number of calls that wait or run."""

    @property
    @abstractmethod
    def workers_per_node(self) -> int | float:
        """How many calls a node runs at a time."""

    @property
    def bad_state_is_set(self) -> bool:
        """Whether the executor was given up."""
        return self._executor_bad_state.is_set()

    @property
    def executor_exception(self) -> Exception | None:
        """Why the executor was given up."""
        return self._executor_exception

    def set_bad_state_and_fail_all(self, exception: Exception) -> None:
        """Give the executor up: calls that are not done fail, and later ones are refused.

        Parameters
        ----------
        exception : Exception
            Why; the cause of the :class:`~parsl_on_dask.executors.errors.BadStateException` of each call.
        """
        logger.error("Executor %s is given up: %s", self.label, exception, exc_info=exception)
        self._executor_exception = exception
        self._executor_bad_state.set()
        for future in list(self._tasks.values()):
            try:
                future.set_exception(BadStateException(self, exception))
            except InvalidStateError:
                pass  # it was done in the meantime

    def handle_errors(self, status: dict[str, JobStatus], *, error_handler: Any = None) -> None:
        """Hand the blocks' states to ``block_error_handler``.

        Parameters
        ----------
        status : dict
            Block id to :class:`~parsl_on_dask.jobs.states.JobStatus`.
        error_handler : callable, optional
            Called in the place of ``block_error_handler``. Parsl's executors took one until 2023.
        """
        if error_handler is not None:
            warn_once(
                "executor.error_handler", "handle_errors(error_handler=) is now block_error_handler= of executors."
            )
        (self.block_error_handler if error_handler is None else error_handler)(self, status)

    def status(self) -> dict[str, JobStatus]:
        """Return the states of all blocks so far, by block id."""
        known: dict[str, JobStatus] = {}
        if self._provider is not None and self.blocks_to_job_id:
            blocks = list(self.blocks_to_job_id.items())
            known.update(
                zip(
                    (block for block, _ in blocks),
                    self._provider.status([job for _, job in blocks]),
                    strict=True,
                )
            )
        known.update(self._own_status)
        return known

    @property
    def status_facade(self) -> dict[str, JobStatus]:
        """The same as :meth:`status`, under the name by which Parsl's poller reads it."""
        return self.status()

    def scale_out_facade(self, n: int) -> list[str]:
        """Ask the provider for ``n`` more blocks, and return the ids of those that it took on.

        A block that could not be submitted is kept in :meth:`status` as failed.
        """
        if self._provider is None:
            raise ScalingFailed(self, "it has no provider to ask for blocks")
        started = []
        for _ in range(n):
            block_id = str(self._block_ids.get_id())
            try:
                job_id = self._launch_block(block_id)
            except Exception as error:
                logger.exception("Executor %s: block %s could not be submitted", self.label, block_id)
                self._own_status[block_id] = JobStatus(JobState.FAILED, f"Failed to start block {block_id}: {error}")
                continue
            self.blocks_to_job_id[block_id] = job_id
            self.job_ids_to_block[job_id] = block_id
            started.append(block_id)
        return started

    def scale_out(self, blocks: int = 1) -> list[str]:
        """Old name of :meth:`scale_out_facade`."""
        warn_once(f"{type(self).__name__}.scale_out", "scale_out() is now scale_out_facade().")
        return self.scale_out_facade(blocks)

    def scale_in(self, blocks: int) -> list[str]:
        """Give up to ``blocks`` blocks back, whatever they are doing, and return their ids."""
        if self._provider is None:
            return []
        alive = [b for b, s in self.status().items() if s.state not in TERMINAL_STATES][:blocks]
        gone = self._provider.cancel([self.blocks_to_job_id[b] for b in alive])
        return [block for block, done in zip(alive, gone, strict=True) if done]

    def scale_in_facade(self, n: int, max_idletime: float | None = None) -> list[str]:
        """Give up to ``n`` blocks back and note them as scaled in; returns their ids.

        Parameters
        ----------
        n : int
        max_idletime : float, optional
            Seconds: take only blocks that have been idle for longer. Only for executors whose :meth:`scale_in`
            takes it too.
        """
        blocks = self.scale_in(n) if max_idletime is None else self.scale_in(n, max_idletime=max_idletime)  # type: ignore[call-arg]
        for block in blocks:
            self._own_status[block] = JobStatus(JobState.SCALED_IN)
        return blocks

    def _launch_block(self, block_id: str) -> Any:
        assert self._provider is not None
        job_id = self._provider.submit(self._get_launch_command(block_id), 1, f"parsl.{self.label}.block-{block_id}")
        if not job_id:
            raise ScalingFailed(self, f"the provider gave no job id for block {block_id}")
        return job_id

    def _get_launch_command(self, block_id: str) -> str:
        raise ScalingFailed(self, f"{type(self).__name__} has no _get_launch_command to start block {block_id} with")


class NoStatusHandlingExecutor(NoStatusHandling, ParslExecutor):  # type: ignore[misc]  # handle_errors as it was
    """Abstract base of executors without blocks; Parsl had it until 2023. Subclass ``ParslExecutor`` instead."""


__getattr__ = moved(__name__, {"StatusHandlingExecutor": "executors.status_handling:BlockProviderExecutor"})
