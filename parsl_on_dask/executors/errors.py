"""What goes wrong in executors. Where the names and attributes come from: Parsl's ``parsl.executors.errors``.

::

    ExecutorError                       (defined in parsl_on_dask.errors, the same class)
    ├── BadStateException
    ├── InvalidResourceSpecification
    ├── ScalingFailed
    └── UnsupportedFeatureError
    BadMessage                          (a ParslError)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parsl_on_dask.errors import ExecutorError, ParslError
from parsl_on_dask.old_spellings.legacy import moved

__all__ = [
    "BadMessage",
    "BadStateException",
    "ExecutorError",
    "InvalidResourceSpecification",
    "ScalingFailed",
    "UnsupportedFeatureError",
]


class BadStateException(ExecutorError):
    """A task cannot run since its executor has failed for good.

    Parameters
    ----------
    executor : ParslExecutor
    exception : Exception
        What made the executor fail; also the cause of this exception.
    """

    def __init__(self, executor: Any, exception: Exception | str) -> None:
        super().__init__(executor, str(exception))
        if isinstance(exception, Exception):
            self.__cause__ = exception


class UnsupportedFeatureError(ExecutorError):
    """An executor lacks a feature that another one has.

    Parameters
    ----------
    feature : str
    current_executor : str
        The executor that lacks it.
    target_executor : str or None
        One that has it.
    """

    def __init__(self, feature: Any, current_executor: Any, target_executor: Any) -> None:
        super().__init__(current_executor, f"{feature} is not supported")
        self.args = (feature, current_executor, target_executor)
        self.feature = feature
        self.current_executor = current_executor
        self.target_executor = target_executor

    def __str__(self) -> str:
        text = f"{self.current_executor} does not support {self.feature}."
        return f"{text} Use {self.target_executor} instead." if self.target_executor else text


class InvalidResourceSpecification(ExecutorError):
    """``parsl_resource_specification`` has keys or values that the executor does not take.

    Parameters
    ----------
    invalid_keys : iterable of str
        The keys that were refused.
    message : str
        Which keys the executor takes.

    Examples
    --------
    >>> print(InvalidResourceSpecification({"cores"}, "Only priority is known."))
    Invalid Resource Specification Supplied: {'cores'}. Only priority is known.
    """

    def __init__(self, invalid_keys: Iterable[str], message: str = "") -> None:
        self.invalid_keys = set(invalid_keys)
        self.message = message
        super().__init__(None, message)
        self.args = (self.invalid_keys, message)

    def __str__(self) -> str:
        return f"Invalid Resource Specification Supplied: {self.invalid_keys}. {self.message}"


class ScalingFailed(ExecutorError):
    """A block of workers could not be had."""

    def __str__(self) -> str:
        return f"Executor {getattr(self.executor, 'label', self.executor)} failed to scale due to: {self.reason}"


class BadMessage(ParslError):
    """A message between the parts of an executor could not be understood."""

    def __init__(self, reason: Any) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Received an unsupported message. Reason: {self.reason}"


__getattr__ = moved(
    __name__,
    {
        "SerializationError": "serialize.errors:SerializationError",
        "DeserializationError": "serialize.errors:DeserializationError",
        "ControllerError": "executors.old_errors:ControllerError",
        "InsufficientMPIRanks": "executors.old_errors:InsufficientMPIRanks",
    },
)
