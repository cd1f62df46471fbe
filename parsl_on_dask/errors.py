"""All exceptions, and the roots of their tree.

Each with the module that it is imported from. What is below :class:`ParslError` can be caught by that::

    ParslError (errors)
    ├── AppBadFormatting (app.errors)
    ├── AppException (app.errors)
    │   ├── AppKilled (app.errors)
    │   ├── AppTimeout (app.errors)
    │   ├── BashAppNoReturn (app.errors)
    │   ├── BashExitFailure (app.errors)
    │   ├── RemoteException (app.errors)
    │   ├── StagingError (app.errors)
    │   ├── TaskVineTaskFailure (executors.old_errors)
    │   └── WorkQueueTaskFailure (executors.old_errors)
    ├── BadMessage (executors.errors)
    ├── BadStdStreamFile (app.errors)
    │   └── BadStdStreamSpec (app.errors)
    ├── ChannelError (channels.errors)
    │   ├── AuthException (channels.errors)
    │   ├── BadHostKeyException (channels.errors)
    │   ├── BadPermsScriptPath (channels.errors)
    │   ├── BadScriptPath (channels.errors)
    │   ├── FileCopyException (channels.errors)
    │   ├── FileExists (channels.errors)
    │   └── SSHException (channels.errors)
    ├── ChannelRequired (channels.errors)
    ├── ConfigurationError (errors)
    │   ├── AlreadyLoadedError (errors, also RuntimeError)
    │   ├── MonitoringHubStartError (monitoring.errors)
    │   ├── TypeCheckError (errors, also TypeError)
    │   │   └── BadStdStreamSpec (app.errors)
    │   └── UnknownMPILauncher (executors.high_throughput.errors, also ValueError)
    ├── DamagedEntry (checkpoint.entry)
    ├── DataFlowException (dataflow.errors)
    │   ├── BadCheckpoint (dataflow.errors)
    │   ├── DuplicateTaskError (executors.old_errors)
    │   ├── PropagatedException (dataflow.errors)
    │   │   ├── DependencyError (dataflow.errors)
    │   │   └── JoinError (dataflow.errors)
    │   └── RunStopped (dataflow.errors)
    ├── DatabaseProblem (monitoring.pages.database)
    ├── DeserializationError (serialize.errors)
    ├── DeserializerPluginError (serialize.errors)
    ├── ExecutionProviderException (providers.errors)
    │   ├── BadLauncher (launchers.errors, also TypeError)
    │   ├── ScaleOutFailed (providers.errors)
    │   ├── SchedulerMissingArgs (providers.errors)
    │   ├── ScriptPathError (providers.errors)
    │   └── SubmitException (providers.errors)
    ├── ExecutorError (errors)
    │   ├── BadStateException (executors.errors)
    │   ├── ControllerError (executors.old_errors)
    │   ├── InvalidResourceSpecification (executors.errors)
    │   ├── ScalingFailed (executors.errors)
    │   └── UnsupportedFeatureError (executors.errors)
    ├── InsufficientMPIRanks (executors.old_errors)
    ├── InternalConsistencyError (errors)
    ├── MissingInputs (app.errors, also FileNotFoundError)
    ├── MissingOutputs (app.errors)
    ├── MonitoringRouterStartError (monitoring.errors)
    ├── NoDataFlowKernelError (errors)
    ├── NotFutureError (app.errors)
    ├── OptionalModuleMissing (errors)
    ├── RadioRequiredError (monitoring.errors)
    ├── ResidentGone (linger.client)
    ├── SerializationError (serialize.errors)
    ├── TaskVineFactoryFailure (executors.old_errors)
    ├── TaskVineManagerFailure (executors.old_errors)
    ├── TooManyJobFailuresError (jobs.error_handlers)
    ├── WorkQueueFailure (executors.old_errors)
    └── ZipAuthorityError (data_provider.zip)

The others derive from what Python has for it, as in Parsl::

    CommandClientBadError (executors.high_throughput.errors)
    CommandClientTimeoutError (executors.high_throughput.errors)
    ManagerLost (executors.high_throughput.errors)
    VersionMismatch (executors.high_throughput.errors)
    WorkerLost (executors.high_throughput.errors)
    ├── AppExit (executors.high_throughput.errors)
    └── MemoryLimitExceeded (executors.high_throughput.errors)
    MPINodesUnavailable (executors.high_throughput.mpi_resource_management)
    AliasError (importing.alias)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


class ParslError(Exception):
    """Common base of the errors that this package raises on its own account."""


class ConfigurationError(ParslError):
    """A configuration, or an argument of one of its parts, cannot be used."""


class TypeCheckError(ConfigurationError, TypeError):
    """An argument of a configuration class has the wrong type.

    Parsl lets ``typeguard.TypeCheckError`` through in this case, which is neither a ``TypeError`` nor a
    ``ParslError``; this class of the same name is both. In a program that has imported typeguard, and so may have
    an ``except`` clause for that class, it is one of those as well.

    Examples
    --------
    >>> from parsl_on_dask.config import Config
    >>> try:
    ...     Config(retries="3")
    ... except TypeError as error:
    ...     print(error)
    Config(retries='3'): retries must be an int, not a str. Write for example retries=0.
    """

    def __new__(cls, *args: Any) -> TypeCheckError:
        """Make one that typeguard's users can catch, too."""
        theirs = getattr(sys.modules.get("typeguard"), "TypeCheckError", None)
        if isinstance(theirs, type) and issubclass(theirs, Exception) and not issubclass(cls, theirs):
            key = cls, theirs
            if key not in _mixed:
                _mixed[key] = _with_base(cls, theirs)
            cls = _mixed[key]
        return super().__new__(cls, *args)


_mixed: dict[tuple[type, type], type[TypeCheckError]] = {}


def _with_base(cls: type[TypeCheckError], base: type[Exception]) -> type[TypeCheckError]:
    def reduce(self: TypeCheckError) -> tuple[Any, ...]:
        return cls, self.args

    # the text is ours: typeguard's would look for what its own constructor sets
    names = {n: getattr(cls, n) for n in ("__module__", "__qualname__", "__doc__", "__str__")}
    return type(cls.__name__, (cls, base), {**names, "__reduce__": reduce})


ArgumentTypeError = TypeCheckError


class AlreadyLoadedError(ConfigurationError, RuntimeError):
    """A kernel is loaded already and has to be cleared before another can be loaded."""


class OptionalModuleMissing(ParslError):
    """A feature needs modules that are not installed.

    Parameters
    ----------
    module_names : sequence of str
        The modules that could not be imported.
    reason : str
        What needs them, and how they are installed.
    """

    def __init__(self, module_names: Sequence[str], reason: str) -> None:
        super().__init__(module_names, reason)
        self.module_names = list(module_names)
        self.reason = reason

    def __str__(self) -> str:
        return f"Optional modules are missing ({', '.join(self.module_names)}): {self.reason}"


class InternalConsistencyError(ParslError):
    """Something that this package takes for granted about itself turned out false: a bug, please report it."""


class NoDataFlowKernelError(ParslError):
    """An operation needs a loaded kernel and there is none; call ``parsl_on_dask.load()`` first."""


class ExecutorError(ParslError):
    """An executor could not start or could not go on.

    Parameters
    ----------
    executor : ParslExecutor
        The executor it happened to.
    reason : str
        What happened.

    Examples
    --------
    >>> from parsl_on_dask.executors import ThreadPoolExecutor
    >>> print(ExecutorError(ThreadPoolExecutor(label="pool"), "no threads left"))
    Executor pool failed due to: no threads left
    """

    def __init__(self, executor: Any, reason: str) -> None:
        super().__init__(executor, reason)
        self.executor = executor
        self.reason = reason

    def __str__(self) -> str:
        return f"Executor {getattr(self.executor, 'label', self.executor)} failed due to: {self.reason}"
