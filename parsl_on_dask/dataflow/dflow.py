"""The kernel: what knows all tasks of a run."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from parsl_on_dask import version
from parsl_on_dask.checkpoint.policy import Cache
from parsl_on_dask.clusters.scaling import Scaler
from parsl_on_dask.common import overrides
from parsl_on_dask.common.states import States
from parsl_on_dask.data_provider.data_manager import DataManager
from parsl_on_dask.dataflow import arguments, exits, runinfo
from parsl_on_dask.dataflow.arguments import AUTO_LOGNAME
from parsl_on_dask.dataflow.counts import StateCounts
from parsl_on_dask.dataflow.dependency_resolvers import DEFAULT_DEPENDENCY_RESOLVER
from parsl_on_dask.dataflow.ending import last_steps, leave, steps_back, take_all
from parsl_on_dask.dataflow.flow import Flow
from parsl_on_dask.dataflow.futures import AppFuture, record_of
from parsl_on_dask.dataflow.idle import wait_for_tasks, wait_until_settled
from parsl_on_dask.dataflow.internal import LABEL as INTERNAL
from parsl_on_dask.dataflow.internal import InternalExecutor
from parsl_on_dask.dataflow.loader import DataFlowKernelLoader
from parsl_on_dask.dataflow.memoization import Memoizer
from parsl_on_dask.dataflow.rundirs import make_rundir
from parsl_on_dask.dataflow.starting import memoizer_of, resident_of, start_executor
from parsl_on_dask.dataflow.submission import choose_executor, new_record, no_more_tasks, prepare, take_options
from parsl_on_dask.dataflow.tasklog import TaskLog
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.lanes.callbacks import Callbacks
from parsl_on_dask.logconfigs.base import start_logging
from parsl_on_dask.monitoring.views import Views

if TYPE_CHECKING:
    from parsl_on_dask.common.call_options import CallOptions
    from parsl_on_dask.config import Config
    from parsl_on_dask.dataflow.taskrecord import TaskRecord
    from parsl_on_dask.executors.base import ParslExecutor
    from parsl_on_dask.monitoring.monitoring import MonitoringHub
    from parsl_on_dask.monitoring.observer import Observer

__all__ = ["AUTO_LOGNAME", "AppFuture", "DataFlowKernel", "DataFlowKernelLoader", "make_rundir"]

logger = logging.getLogger("parsl.dataflow.dflow")


class DataFlowKernel:
    """Runs tasks when their dependencies are done.

    ``parsl.load`` makes one for the apps; make your own to have several at a time.

    Parameters
    ----------
    config : Config, optional
        Default: two threads.
    close_bad_executors : bool, default True
        Whether the executors are shut down when one of them cannot be started.
    disable_cleanup : bool, default False
        Whether clean-up at interpreter exit is left to you.

    Raises
    ------
    ConfigurationError
        When the configuration asks for something that cannot be done.
    ExecutorError
        When an executor cannot be started.

    Notes
    -----
    Members are those of Parsl's DataFlowKernel.
    """

    def __init__(
        self, config: Config | None = None, *, close_bad_executors: bool = True, disable_cleanup: bool = False
    ) -> None:
        from parsl_on_dask.config import Config

        if config is None:
            config = Config()
        if overrides.checking():
            overrides.config_reached(config)
        config.validate()
        self.cleanup_called = False
        self.cleared = False
        self._config = config
        self._cleanup_lock = threading.Lock()
        self._cleaner = 0
        self._ended = threading.Event()
        self.run_dir = make_rundir(config.run_dir)
        self.run_id = str(uuid4())
        setting = config.initialize_logging
        self.log_config = None if isinstance(setting, bool) else setting
        self._end_logging = start_logging(setting, self.run_dir)
        self.workflow_name = runinfo.workflow_name()
        self.time_began = datetime.now()
        self.time_completed: datetime | None = None
        self.workflow_version = str(self.time_began.replace(microsecond=0))
        self.resident: Any = None
        #: The hub that records this run, from its start on.
        self.monitoring: MonitoringHub | None = None
        self.monitoring_radio: Any = None
        #: Takes notes of what happens to tasks, when there is monitoring.
        self.watch: Observer | None = None
        if config.monitoring is not None:
            self.workflow_name = config.monitoring.workflow_name or self.workflow_name
            self.workflow_version = config.monitoring.workflow_version or self.workflow_version
        logger.info("Starting DataFlowKernel with config\n%r", config)
        logger.info("Parsl version: %s (parsl_on_dask %s)", version.VERSION, version.PACKAGE_VERSION)
        logger.info("Run id is: %s", self.run_id)
        self.counts = StateCounts()
        self.task_state_counts = self.counts.of_tasks
        self.app_state_counts = self.counts.of_apps
        self.task_state_counts_lock = self.counts.lock
        self.submitter_lock = threading.Lock()
        self.task_count = 0
        self.tasks: dict[int, TaskRecord] = {}
        self.executors: dict[str, ParslExecutor] = {}
        self._labels: list[str] = []
        self.dependency_resolver = config.dependency_resolver or DEFAULT_DEPENDENCY_RESOLVER
        self.data_manager = DataManager(self)
        #: Runs what users have called when tasks are done.
        self.callbacks = Callbacks()
        self.flow = Flow(self)
        self.tasklog = TaskLog(self.run_id)
        info = runinfo.log_start(self)
        try:
            self.resident = resident_of(self, info)
            if config.monitoring is not None:
                config.monitoring.start(self.run_dir, config.run_dir, self.log_config)
                self.monitoring = config.monitoring
                self.monitoring_radio = self.monitoring.resource_msgs
                self.watch = self.monitoring.begin(self, info).watch
            self.memoizer: Memoizer = memoizer_of(config, self.resident)
            self.memoizer.start(run_dir=self.run_dir, config_run_dir=os.fspath(config.run_dir))
            self.scaler = Scaler(config)
            self.add_executors([*config.executors, InternalExecutor(config.internal_tasks_max_threads)])
        except BaseException as e:
            logger.exception("the kernel could not be started")
            self.cleanup_called = True
            try:
                take_all(steps_back(self, close_bad_executors, e))
            except BaseException:  # what the steps met is in the log, and the caller is told why there was no start
                logger.debug("the start could not be undone in full")
            self._end_logging()
            raise
        exits.watch(self, clean_up=not disable_cleanup)
        self.views = Views(self)

    # -- configuration -------------------------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """The Config that the kernel was made with."""
        return self._config

    def labels(self) -> list[str]:
        """Labels of the executors that apps can choose."""
        return list(self._labels)

    def add_executors(self, executors: Sequence[ParslExecutor]) -> None:
        """Start executors and make them available to apps.

        Raises
        ------
        ConfigurationError
            When a label is taken.
        ExecutorError
            When one cannot be started.
        """
        for executor in executors:
            if executor.label in self.executors:
                raise ConfigurationError(
                    f"Executors must have unique labels (label={executor.label!r}): give one of them another label="
                )
            # first, so that one which fails half-way is shut down too
            self.executors[executor.label] = executor
            start_executor(self, executor)
            self._labels = [label for label in self.executors if label != INTERNAL]
            self.scaler.add(executor)

    def default_std_autopath(self, taskrecord: TaskRecord, kw: str) -> str:
        """Path that AUTO_LOGNAME stands for, unless Config has a ``std_autopath``."""
        return arguments.default_std_autopath(self, taskrecord, kw)

    # -- tasks ----------------------------------------------------------------------------------------------------

    def submit(
        self,
        func: Callable[..., Any],
        *args: Any,
        app_args: Sequence[Any] | None = None,
        executors: str | Sequence[str] = "all",
        cache: bool | Cache = False,
        ignore_for_cache: Sequence[str] | None = None,
        app_kwargs: dict[str, Any] | None = None,
        join: bool = False,
        parsl_options: CallOptions | None = None,
        **kwargs: Any,
    ) -> AppFuture[Any]:
        """Make a task of a function call.

        Two spellings: Parsl's, with ``app_args=`` and ``app_kwargs=``, which apps use; and
        ``submit(func, *args, **kwargs)`` for one call of a plain function.

        Parameters
        ----------
        func : callable
        app_args : sequence
        executors : "all" or list of str
            Labels to choose from.
        cache : bool
            Whether a known result is taken.
        ignore_for_cache : sequence of str, optional
            Keyword arguments that do not count for that.
        app_kwargs : dict, optional
        join : bool
            Whether the result is that of the futures which the function returns.
        parsl_options : CallOptions, optional
            See :func:`parsl_on_dask.options`.

        Raises
        ------
        NoDataFlowKernelError, RunStopped
            After :meth:`cleanup`; with ``Config(fail_fast=True)`` when a task has failed.
        ConfigurationError
            When the kernel has no executor yet.

        Examples
        --------
        >>> import parsl_on_dask as parsl  # doctest: +SKIP
        >>> parsl.load().submit(pow, 2, 5).result()  # doctest: +SKIP
        32
        """
        if app_args is None and args and isinstance(args[0], (tuple, list)) and len(args) >= 5:
            # Parsl's own order, given by position
            app_args, executors, cache, ignore_for_cache, app_kwargs, *rest = args
            join = bool(rest[0]) if rest else join
        elif app_args is None and app_kwargs is None:
            app_args, app_kwargs = args, kwargs
        elif args or kwargs:
            raise TypeError("submit() takes either app_args= and app_kwargs=, or the arguments themselves, not both")
        if self.cleanup_called or self.flow.retries.stopped is not None:
            raise no_more_tasks(self.flow.retries.stopped)
        with self.submitter_lock:
            number = self.task_count
            self.task_count += 1
        label = INTERNAL if join else choose_executor(executors, self._labels, number)
        future = new_record(self, number, label, func, app_args or (), app_kwargs or {})
        record = record_of(future)
        record.memoize = bool(cache)
        if type(cache) is Cache:
            record["cache_policy"] = cache
            record["cache_version"] = cache.version
        record.ignore_for_cache = ignore_for_cache or ()
        record.join = join
        if parsl_options is not None:
            take_options(record, parsl_options)
        depends, light = prepare(self, future)
        if self.watch is not None and not light:
            self.watch.submitted(record, depends)
        self.tasks[record.id] = record
        self.tasklog.submitted(record, depends)
        self.set_state(record, States.pending, new=True)
        self.flow.admit(record, depends, light)
        return future

    def submit_internal(self, func: Callable[..., Any], args: Sequence[Any]) -> AppFuture[Any]:
        """Make a task that runs in this process."""
        return self.submit(func, app_args=tuple(args), executors=[INTERNAL], app_kwargs={})

    def cancel_task(self, record: TaskRecord, running: bool = False) -> bool:
        """Cancel a task that has not been begun, or is ``running``. True when it does not run to its end."""
        return self.flow.kill(record) if running else self.flow.cancel(record)

    def cancel(self, app: Any = None) -> int:
        """Cancel the tasks of an app, or of its name, or all; what runs is ended. Returns how many these are."""
        name = getattr(app, "__name__", app)
        tasks = reversed(list(self.tasks.values()))
        return sum([self.flow.kill(task) for task in tasks if name in (None, task.func_name)])

    def set_state(self, record: TaskRecord, state: States, new: bool = False) -> bool:
        """Change a task's state, with all that counts and logs states. False when it has ended, and nothing changes."""
        moved, before = self.counts.move(record, state, new)
        if not moved:
            return False
        self.tasklog.state(record, before, state)
        if self.watch is not None:
            self.watch.state(record, state)
        return True

    def forget(self, record: TaskRecord) -> None:
        """Drop a finished task's record, unless Config keeps them."""
        if self.config.garbage_collect:
            self.tasks.pop(record.id, None)

    def log_task_states(self) -> None:
        """Log how many tasks are in each state."""
        self.counts.log()

    def wait_for_current_tasks(self, progress: bool = False) -> None:
        """Wait for all tasks that were submitted before this call, and for nothing that they raise.

        Parameters
        ----------
        progress : bool, default False
            Whether to show how far they are meanwhile, as :func:`parsl_on_dask.progress` does.
        """
        logger.info("Waiting for all remaining tasks to complete")
        if progress:
            from parsl_on_dask.monitoring.progress import progress as show

            show([f for r in list(self.tasks.values()) if (f := getattr(r, "app_fu", None)) is not None])
        wait_for_tasks(self.tasks)
        logger.info("All remaining tasks completed")

    def wait_until_idle(self) -> None:
        """Wait for all tasks, also for those that join apps and callbacks make meanwhile."""
        self.wait_for_current_tasks()
        wait_until_settled(self.tasks, self.flow)

    def checkpoint(self, tasks: Sequence[TaskRecord] | None = None) -> str:
        """Write what is to be checkpointed now; the spelling of ``memoizer.checkpoint()`` until 2025."""
        write = getattr(self.memoizer, "checkpoint", None)
        if write is None:
            raise ConfigurationError("this kernel's memoizer writes no checkpoints")
        write()
        return os.path.abspath(getattr(self.memoizer, "directory", None) or os.path.join(self.run_dir, "checkpoint"))

    # -- the end ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> DataFlowKernel:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: Any, traceback: Any) -> None:
        leave(self, failing=exc_type is not None)

    def cleanup(self) -> None:
        """Shut everything down. Tasks that are not done fail with an error that says so.

        Quiet after ``parsl.clear()``, which does the same, and returns when the shutting down is over.

        Raises
        ------
        Exception
            When called a second time on a kernel that was not cleared. Also the first error that a part of the kernel
            raised while it was shut down; the other parts are shut down all the same, and the log has all errors.
        """
        with self._cleanup_lock:
            if self.cleanup_called:
                if not self.cleared:
                    raise Exception("attempt to clean up DFK when it has already been cleaned-up")
                if self._cleaner == threading.get_ident():  # called by one of the parts that it shuts down
                    return
            first = not self.cleanup_called
            if first:
                self.cleanup_called = True
                self._cleaner = threading.get_ident()
        if not first:
            self._ended.wait()
            return
        logger.info("DFK cleanup initiated")
        try:
            take_all(last_steps(self))
        finally:
            DataFlowKernelLoader.unregister(self)
            logger.info("DFK cleanup complete")
            self._ended.set()
            self._end_logging()

    @property
    def dashboard_link(self) -> str | None:
        """Where Dask's dashboard shows what runs: its Parsl page, for clusters that were started; None without one.

        Of several executors, the first that has one; ``dashboard_links`` has them all, by label.
        """
        return next(iter(self.dashboard_links.values()), None)

    @property
    def dashboard_links(self) -> dict[str, str]:
        """Dashboards by the label of the executor."""
        from parsl_on_dask.monitoring.views import dashboard_links

        return dashboard_links(self)

    def __repr__(self) -> str:
        from parsl_on_dask.monitoring.notebook import kernel_text

        return kernel_text(self)

    def _repr_html_(self) -> str:
        from parsl_on_dask.monitoring.notebook import kernel_html

        return kernel_html(self)
