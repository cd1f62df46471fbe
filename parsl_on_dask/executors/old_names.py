"""Attributes that executors had in earlier releases of Parsl, for programs that read them or subclass executors."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from parsl_on_dask.old_spellings.legacy import warn_once

logger = logging.getLogger("parsl.executors.old_names")

S = TypeVar("S")
T = TypeVar("T")


class _Gone:
    """An attribute that is constant now. Subclasses and instances may set another value, which is theirs."""

    def __init__(self, value: Callable[[], Any], instead: str) -> None:
        self.value = value
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        warn_once(f"executor.{self.name}", f"executors have no {self.name} any more: {self.instead}.")
        return self.value()


class _Count(int):
    """A number that can be called, which counts again."""

    _again: Callable[[], int]

    def __call__(self) -> int:
        return self._again()

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


class _Listing(list[Any]):
    """A list that can be called, which makes a new one."""

    _again: Callable[[], list[Any]]

    def __call__(self) -> list[Any]:
        return self._again()

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Any]]]:
        return list, (list(self),)


class ReadOrCalled:
    """Descriptor of a method that was a property in earlier releases: an int or a list that can be called, too."""

    def __init__(self, method: Callable[[Any], Any]) -> None:
        functools.update_wrapper(self, method)
        self.method = method

    def __call__(self, instance: Any) -> Any:
        return self.method(instance)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        again = functools.partial(self.method, instance)
        value = again()
        both: Any = _Listing(value) if isinstance(value, list) else _Count(value)
        both._again = again
        return both


def read_or_called(method: Callable[[S], T]) -> Callable[[S], T]:
    """Let scripts of earlier releases read what is a method today.

    Examples
    --------
    >>> class Executor:
    ...     @read_or_called
    ...     def outstanding(self):
    ...         return 3
    >>> Executor().outstanding, Executor().outstanding(), Executor().outstanding <= 5
    (3, 3, True)
    """
    return cast(Callable[[S], T], ReadOrCalled(method))


class OldNames:
    """Attributes that Parsl's ``ParslExecutor`` had until 2025, and what they are by now."""

    hub_address = cast(Any, _Gone(lambda: None, "monitoring finds its way alone"))
    hub_port = cast(Any, _Gone(lambda: None, "monitoring finds its way alone"))
    monitoring_radio = cast(Any, _Gone(lambda: None, "give remote_monitoring_radio= to the constructor"))
    radio_mode = cast(Any, _Gone(lambda: "htex", "give remote_monitoring_radio= to the constructor"))
    bad_state_is_set = cast(Any, _Gone(lambda: False, "only those with a provider have it"))
    executor_exception = cast(Any, _Gone(lambda: None, "only those with a provider have it"))
    status_polling_interval = cast(Any, _Gone(lambda: 0, "only those with a provider have it"))
    tasks = cast(Any, _Gone(dict, "only those with a provider have it"))

    @read_or_called
    def scaling_enabled(self) -> bool:
        """Return False, whatever there is: scaling is the provider's matter."""
        text = "executors have no scaling_enabled any more: an executor with a provider scales."
        warn_once("executor.scaling_enabled", text)
        return False

    # Parsl asked every executor for these until 2023. One that has blocks has its own.

    def status(self) -> dict[str, Any]:
        """Return an empty dict: there are no blocks."""
        return {}

    def scale_out(self, blocks: int = 1) -> list[str]:
        """Return an empty list: there are no blocks."""
        warn_once("executor.scale_out", f"{type(self).__name__} has no blocks: scale_out() does nothing.")
        return []

    def scale_in(self, blocks: int) -> list[str]:
        """Return an empty list: there are no blocks."""
        warn_once("executor.scale_in", f"{type(self).__name__} has no blocks: scale_in() does nothing.")
        return []

    def handle_errors(self, status: Any, *, error_handler: Any = None) -> Any:
        """Return False: without blocks, nothing was wrong with them."""
        return False

    def set_bad_state_and_fail_all(self, exception: Exception) -> None:
        """Log the error; only executors with blocks can be given up."""
        logger.error("Executor %s: %s", getattr(self, "label", self), exception)


def _constant(value: Callable[[], Any], doc: str) -> Any:
    return property(lambda self: value(), doc=doc)


class NoStatusHandling:
    """What ``NoStatusHandlingExecutor`` added: an executor without blocks."""

    _tasks: dict[object, Future[Any]]

    bad_state_is_set = _constant(lambda: False, "False: without blocks there is nothing that could go bad.")
    executor_exception = _constant(lambda: None, "None.")
    status_polling_interval = _constant(lambda: -1, "-1: there are no blocks to ask after.")
    provider = _constant(lambda: None, "None.")

    @property
    def tasks(self) -> dict[object, Future[Any]]:
        """What the subclass keeps in it."""
        return self.__dict__.setdefault("_tasks", {})  # type: ignore[no-any-return]

    def status(self) -> dict[str, Any]:
        """Return an empty dict."""
        return {}

    def set_bad_state_and_fail_all(self, exception: Exception) -> None:
        """Do nothing."""

    def handle_errors(self, error_handler: Any, status: Mapping[str, Any]) -> bool:
        """Return False: nothing was wrong."""
        return False

    def scale_out(self, blocks: int = 1) -> list[str]:
        """Return an empty list: there are no blocks."""
        return []

    def scale_in(self, blocks: int) -> list[str]:
        """Return an empty list: there are no blocks."""
        return []
