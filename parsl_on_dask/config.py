"""What a run is made of: its executors, and how calls are treated."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from parsl_on_dask.common.arguments import (
    need,
    need_callable,
    need_choice,
    need_methods,
    need_number,
    wrong_type,
    wrong_value,
)
from parsl_on_dask.common.mistakes import not_an_executor
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.executors.threads import ThreadPoolExecutor
from parsl_on_dask.old_spellings.dialect import release
from parsl_on_dask.old_spellings.legacy import note_once, warn_once
from parsl_on_dask.usage_tracking.api import UsageInformation
from parsl_on_dask.usage_tracking.levels import DISABLED, LEVEL_3
from parsl_on_dask.utils import RepresentationMixin

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.dependency_resolvers import DependencyResolver
    from parsl_on_dask.dataflow.memoization import Memoizer
    from parsl_on_dask.dataflow.taskrecord import TaskRecord
    from parsl_on_dask.logconfigs.base import LogConfig
    from parsl_on_dask.monitoring.monitoring import MonitoringHub

CheckpointMode = Literal["task_exit", "periodic", "dfk_exit", "manual"]

_EXIT_MODES = ("cleanup", "skip", "wait")
_STRATEGIES = ("simple", "htex_auto_scale", "none", None)
_CHECKPOINT_MODES = ("task_exit", "periodic", "dfk_exit", "manual", None)
_INTERNAL_LABEL = "_parsl_internal"


class Config(RepresentationMixin, UsageInformation):
    """Describes a run, for ``load()``.

    All arguments are attributes that can be changed until ``load()``, except ``executors``, which is read-only. The
    behaviour is that of Parsl's ``parsl.config.Config``.

    Parameters
    ----------
    executors : iterable of ParslExecutor, optional
        Where apps run; labels must be unique. Default: one ``ThreadPoolExecutor()``. An empty list is for a
        ``DataFlowKernel`` that gets its executors later, by ``add_executors``; ``load()`` refuses it.
    memoizer : Memoizer, optional
        Remembers the results of earlier calls. Default ``BasicMemoizer()``.
    dependency_resolver : DependencyResolver, optional
        Finds futures among arguments. Default: among the arguments themselves, in ``inputs``, and in containers at any
        depth.
    exit_mode : {'cleanup', 'wait', 'skip'}
        What leaving ``with parsl.load(config)`` does: clean up at once; wait for all tasks first, unless there was an
        exception; leave the kernel running. Default ``'cleanup'``.
    garbage_collect : bool
        Forget the records of finished tasks. Default True.
    internal_tasks_max_threads : int
        Threads for the bodies of join apps and for staging. Default 10.
    retries : int
        How often a failed call is tried again. Default 0.
    retry_handler : callable, optional
        ``(exception, task_record) -> float``: how much of ``retries`` a failure costs. Default: 1.
    run_dir : str
        Directory of all runs; each gets a numbered directory in it. Default ``'runinfo'``.
    std_autopath : callable, optional
        ``(task_record, 'stdout' or 'stderr') -> path or (path, mode)`` for ``AUTO_LOGNAME``.
    strategy : {'simple', 'htex_auto_scale', 'none'}
        How executors request and give back blocks. Default ``'simple'``. None is an old spelling of ``'none'``.
    strategy_period : float
        Seconds between two checks of the blocks. Default 5.
    max_idletime : float
        Seconds after which an idle block may be given back. Default 120.
    monitoring : MonitoringHub, optional
        Records the run in a database.
    usage_tracking : int
        0 to 3, accepted as Parsl's; nothing is ever sent. Default 0.
    project_name : str, optional
        Accepted as Parsl's; nothing is ever sent.
    initialize_logging : bool or LogConfig
        Write ``parsl.log`` in the run's directory. Default True.
    check_outputs : bool
        Whether the files of ``outputs`` must exist after a python app, as they must after a bash app; if one does not,
        this is a ``MissingOutputs``. Default False. Not in Parsl.
    fail_fast : bool
        Stop at the first task that fails for good: waiting tasks do not run any more and fail with ``RunStopped``, and
        so does every later call. Running calls go on to their end. Default False. Not in Parsl.
    kept_failures : tuple of float or None
        How many megabytes a failed call, and all those of a run, may take in the run's directory, where everything is
        kept that ``python -m parsl_on_dask replay`` needs to run them again. None keeps nothing. Default
        ``(10, 100)``. Not in Parsl.
    trace : bool
        Record when and where each call ran, for ``python -m parsl_on_dask report --trace FILE``. Monitored runs do not
        need this. Default False. Not in Parsl.
    linger : float, optional
        Seconds for which executors and their blocks stay when the script ends without cleaning up, because it was
        killed or because of an exception that nothing caught. Calls go on meanwhile, and the script takes them up when
        it is started again (``docs/when-the-script-dies.md``). Default: nothing stays. Not in Parsl.
    reattach : 'auto' or bool
        With `linger`: whether to take up what an earlier run of the same script has left. ``'auto'`` and True do so if
        there is something; False starts afresh. Default ``'auto'``. Not in Parsl.
    cancel_on_interrupt : bool
        In a notebook and in IPython: whether interrupting a cell also ends the calls that it has made: waiting ones are
        cancelled, and running ones are ended, where possible. Calls of earlier cells go on. Default True. Not in Parsl.
    app_cache : bool, optional
        Old spelling: False is ``memoizer=BasicMemoizer(memoize=False)``.
    checkpoint_mode, checkpoint_files, checkpoint_period : optional
        Old spellings of ``BasicMemoizer``'s arguments.
    data_management_max_threads : int, optional
        Old spelling of ``internal_tasks_max_threads``.
    lazy_errors : bool, optional
        Old; the behaviour is always that of True.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used; a :class:`~parsl_on_dask.errors.TypeCheckError` for a wrong type.

    Examples
    --------
    >>> config = Config(executors=[ThreadPoolExecutor(label="pool", max_threads=4)], retries=2)
    >>> config.executors[0].label, config.retries
    ('pool', 2)
    """

    _legacy_arguments = frozenset(
        {
            "app_cache",
            "checkpoint_files",
            "checkpoint_mode",
            "checkpoint_period",
            "data_management_max_threads",
            "lazy_errors",
        }
    )

    def __init__(
        self,
        executors: Iterable[ParslExecutor] | None = None,
        memoizer: Memoizer | None = None,
        dependency_resolver: DependencyResolver | None = None,
        exit_mode: Literal["cleanup", "skip", "wait"] = "cleanup",
        garbage_collect: bool = True,
        internal_tasks_max_threads: int = 10,
        retries: int = 0,
        retry_handler: Callable[[Exception, TaskRecord], float] | None = None,
        run_dir: str | os.PathLike[str] = "runinfo",
        std_autopath: Callable[..., Any] | None = None,
        strategy: str | None = "simple",
        strategy_period: float = 5,
        max_idletime: float = 120.0,
        monitoring: MonitoringHub | None = None,
        usage_tracking: int = 0,
        project_name: str | None = None,
        initialize_logging: bool | LogConfig = True,
        *,
        check_outputs: bool = False,
        fail_fast: bool = False,
        kept_failures: tuple[float, float] | None = (10, 100),
        trace: bool = False,
        linger: float | None = None,
        reattach: bool | Literal["auto"] = "auto",
        cancel_on_interrupt: bool = True,
        app_cache: bool | None = None,
        checkpoint_files: Sequence[Any] | None = None,
        checkpoint_mode: CheckpointMode | None = None,
        checkpoint_period: str | None = None,
        data_management_max_threads: int | None = None,
        lazy_errors: bool | None = None,
    ) -> None:
        self._executors = _executors(executors)
        self.memoizer = memoizer
        self.dependency_resolver = dependency_resolver
        self.exit_mode = exit_mode
        self.garbage_collect = garbage_collect
        self.internal_tasks_max_threads = internal_tasks_max_threads
        self.retries = retries
        self.retry_handler = retry_handler
        self.run_dir: str = os.fspath(run_dir) if isinstance(run_dir, os.PathLike) else run_dir
        self.std_autopath = std_autopath
        self.strategy = strategy
        self.strategy_period = strategy_period
        self.max_idletime = max_idletime
        self.monitoring = monitoring
        self.usage_tracking = usage_tracking
        self.project_name = project_name
        self.initialize_logging = initialize_logging
        self.check_outputs = check_outputs
        self.fail_fast = fail_fast
        self.kept_failures = kept_failures
        self.trace = trace
        self.linger = linger
        self.reattach = reattach
        self.cancel_on_interrupt = cancel_on_interrupt
        self.app_cache = app_cache
        self.checkpoint_files = checkpoint_files
        self.checkpoint_mode = checkpoint_mode
        self.checkpoint_period = checkpoint_period
        self.data_management_max_threads = data_management_max_threads
        self.lazy_errors = lazy_errors
        self._translate()
        self.validate()

    @property
    def executors(self) -> Sequence[ParslExecutor]:
        """The executors, as a tuple."""
        return self._executors

    def validate(self) -> None:
        """Check everything, including what was set after construction; the kernel calls this at load.

        Raises
        ------
        ConfigurationError
            Naming the argument and what to write instead.
        """
        release()  # a dialect that is none is an error also where nothing depends on it
        labels = [executor.label for executor in self.executors]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            listed = ", ".join(f"label={label!r}" for label in twice)
            raise ConfigurationError(
                f"Executors must have unique labels ({listed}). Give each executor its own label=."
            )
        if _INTERNAL_LABEL in labels:
            raise ConfigurationError(f"The label {_INTERNAL_LABEL!r} is the kernel's own; write another label=.")
        self._report_old_spellings()
        self._validate_plug_ins()
        self._validate_values()

    def _report_old_spellings(self) -> None:
        for name, today in (
            ("app_cache", "memoizer=BasicMemoizer(memoize=...)"),
            ("checkpoint_files", "memoizer=BasicMemoizer(checkpoint_files=...)"),
            ("checkpoint_mode", "memoizer=BasicMemoizer(checkpoint_mode=...)"),
            ("checkpoint_period", "memoizer=BasicMemoizer(checkpoint_period=...)"),
        ):
            if getattr(self, name) is not None:
                warn_once(f"Config.{name}", f"Config({name}=) is now {today}.")

    def _validate_plug_ins(self) -> None:
        if self.memoizer is not None:
            need_methods(
                "Config", "memoizer", self.memoizer, ("check_memo", "update_memo_result", "close"), "a Memoizer"
            )
            for name, mine, given in (
                ("app_cache", "memoize", self.app_cache is False),
                ("checkpoint_files", "checkpoint_files", bool(self.checkpoint_files)),
                ("checkpoint_mode", "checkpoint_mode", self.checkpoint_mode is not None),
                ("checkpoint_period", "checkpoint_period", self.checkpoint_period is not None),
            ):
                if given:
                    raise ConfigurationError(
                        f"Config({name}={getattr(self, name)!r}, memoizer=...): {name} is the old spelling of a "
                        f"memoizer's argument. Write only memoizer=BasicMemoizer({mine}=...)."
                    )
        if self.dependency_resolver is not None:
            need_methods(
                "Config",
                "dependency_resolver",
                self.dependency_resolver,
                ("traverse_to_gather", "traverse_to_unwrap"),
                "a DependencyResolver",
            )
        if self.monitoring is not None:
            need_methods("Config", "monitoring", self.monitoring, ("start", "begin", "close"), "a MonitoringHub")
        need_callable("Config", "retry_handler", self.retry_handler, signature="(exception, task_record) -> float")
        need_callable("Config", "std_autopath", self.std_autopath, signature="(task_record, 'stdout' or 'stderr')")
        if not isinstance(self.initialize_logging, bool):
            need_methods(
                "Config",
                "initialize_logging",
                self.initialize_logging,
                ("initialize_logging",),
                "a bool or a LogConfig",
            )

    def _validate_values(self) -> None:
        need_choice("Config", "exit_mode", self.exit_mode, _EXIT_MODES)
        need("Config", "garbage_collect", self.garbage_collect, bool)
        need("Config", "check_outputs", self.check_outputs, bool)
        need("Config", "fail_fast", self.fail_fast, bool)
        need("Config", "cancel_on_interrupt", self.cancel_on_interrupt, bool)
        need("Config", "trace", self.trace, bool)
        need_number("Config", "linger", self.linger, kind=float, at_least=0, optional=True, example="1800")
        need_choice("Config", "reattach", self.reattach, (True, False, "auto"))
        example = "Write for example kept_failures=(10, 100), in megabytes for a call and a run, or None."
        need("Config", "kept_failures", self.kept_failures, tuple, list, type(None), hint=example)
        if self.kept_failures is not None and len(self.kept_failures) != 2:
            raise wrong_value("Config", "kept_failures", self.kept_failures, f"there have to be two. {example}")
        for size in self.kept_failures or ():
            need_number("Config", "kept_failures", size, kind=float, at_least=0, example="(10, 100)")
        need_number("Config", "internal_tasks_max_threads", self.internal_tasks_max_threads, at_least=1, example="10")
        need_number("Config", "retries", self.retries, at_least=0, example="0")
        need("Config", "run_dir", self.run_dir, str, os.PathLike, hint="Write for example run_dir='runinfo'.")
        if not os.fspath(self.run_dir):
            raise wrong_value("Config", "run_dir", self.run_dir, "an empty path. Write for example run_dir='runinfo'.")
        need_choice("Config", "strategy", self.strategy, _STRATEGIES)
        if self.strategy is None:
            warn_once("Config.strategy", "Config(strategy=None) is now strategy='none'.")
        need_number("Config", "strategy_period", self.strategy_period, kind=float, above=0, example="5")
        need_number("Config", "max_idletime", self.max_idletime, kind=float, at_least=0, endless=True, example="120")
        need("Config", "usage_tracking", self.usage_tracking, int, hint="Write 0, 1, 2 or 3.")
        if not DISABLED <= self.usage_tracking <= LEVEL_3:
            raise wrong_value("Config", "usage_tracking", self.usage_tracking, "the levels are 0, 1, 2 and 3.")
        if self.usage_tracking:
            note_once("Config.usage_tracking", "Config(usage_tracking=) is accepted, and nothing is sent to anybody")
        need("Config", "project_name", self.project_name, str, type(None))
        if self.project_name is not None:
            note_once("Config.project_name", "Config(project_name=) is accepted, and nothing is sent to anybody")
        need("Config", "app_cache", self.app_cache, bool, type(None))
        need_choice("Config", "checkpoint_mode", self.checkpoint_mode, _CHECKPOINT_MODES)
        need("Config", "checkpoint_period", self.checkpoint_period, str, type(None), hint="Write it as 'HH:MM:SS'.")
        need(
            "Config", "checkpoint_files", self.checkpoint_files, list, tuple, type(None), hint="Write a list of paths."
        )

    def _repr_html_(self) -> str:
        from parsl_on_dask.monitoring.notebook import config_html

        return config_html(self)

    def get_usage_information(self) -> dict[str, Any]:
        """Return what Parsl would report of a Config; nothing is sent."""
        return {
            "executors_len": len(self.executors),
            "dependency_resolver": self.dependency_resolver is not None,
        }

    def _translate(self) -> None:
        """Put the meaning of old spellings into today's."""
        if self.data_management_max_threads is not None:
            warn_once(
                "Config.data_management_max_threads",
                "Config(data_management_max_threads=) is now internal_tasks_max_threads=.",
            )
            need_number(
                "Config", "data_management_max_threads", self.data_management_max_threads, at_least=1, example="10"
            )
            self.internal_tasks_max_threads = self.data_management_max_threads
        if self.lazy_errors is not None:
            need("Config", "lazy_errors", self.lazy_errors, bool)
            if not self.lazy_errors:
                raise ConfigurationError(
                    "Config(lazy_errors=False): an error is raised by the future of its call, not when it happens. "
                    "Leave lazy_errors out, and add a callback to the future to learn of an error at once."
                )
            warn_once("Config.lazy_errors", "Config(lazy_errors=True) is what happens anyway; leave it out.")


def _executors(given: Any) -> tuple[ParslExecutor, ...]:
    if given is None:
        return (ThreadPoolExecutor(),)
    if isinstance(given, (ParslExecutor, str, bytes)) or not isinstance(given, Iterable):
        hint = "Write a list, for example executors=[ThreadPoolExecutor()]."
        if isinstance(given, ParslExecutor):
            hint = f"Write a list, executors=[{type(given).__name__}(...)]."
        elif not isinstance(given, (str, bytes)) or "://" in str(given):
            hint = not_an_executor(given)
        raise wrong_type("Config", "executors", given, "an iterable of executors or None", hint)
    executors = tuple(given)
    for executor in executors:
        if not isinstance(executor, ParslExecutor):
            wanted = "executors of this package or your own subclass"
            raise wrong_type("Config", "executors", executor, wanted, not_an_executor(executor))
    return executors
