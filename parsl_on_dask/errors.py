"""The roots of the exception tree.

::

    ParslError
    ├── ConfigurationError
    │   ├── TypeCheckError        (also a TypeError; ArgumentTypeError is the same class)
    │   └── AlreadyLoadedError    (also a RuntimeError)
    ├── ExecutorError             (the family is in parsl_on_dask.executors.errors)
    ├── OptionalModuleMissing
    ├── InternalConsistencyError
    └── NoDataFlowKernelError

The rest of the tree is beside what raises it: ``app.errors``, ``dataflow.errors``, ``executors.errors``,
``executors.high_throughput.errors``, ``jobs.errors``, ``launchers.errors``, ``providers.errors``, ``serialize.errors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ParslError(Exception):
    """Common base of the errors that this package raises on its own account."""


class ConfigurationError(ParslError):
    """A configuration, or an argument of one of its parts, cannot be used."""


class TypeCheckError(ConfigurationError, TypeError):
    """An argument of a configuration class has the wrong type.

    Parsl lets ``typeguard.TypeCheckError`` through in this case, which is neither a ``TypeError`` nor a
    ``ParslError``; this class of the same name is both.

    Examples
    --------
    >>> from parsl_on_dask.config import Config
    >>> try:
    ...     Config(retries="3")
    ... except TypeError as error:
    ...     print(error)
    Config(retries='3'): retries must be an int, not a str. Write for example retries=0.
    """


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
