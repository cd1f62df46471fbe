"""The interface of executors: what the kernel asks of one, whoever wrote it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, TypeVar

from parsl_on_dask.executors.old_names import OldNames
from parsl_on_dask.old_spellings.legacy import warn_once

Self = TypeVar("Self", bound="ParslExecutor")


class ParslExecutor(OldNames, ABC):
    """Abstract base of executors; subclass it to bring one of your own.

    A subclass sets ``label``, and implements :meth:`submit` and :meth:`shutdown`, and :meth:`start` when it has
    something to start. It may have ``storage_access`` and ``working_dir``, which file staging reads. The kernel
    sets ``run_dir`` and ``run_id`` before it calls :meth:`start`. An executor is a context manager that shuts
    down at the end of the block. The behaviour is that of Parsl's ``parsl.executors.base``.

    Parameters
    ----------
    monitoring_messages : queue, optional
        Where monitoring messages go; the kernel sets it.
    run_dir : str
        Directory for what belongs to this run. Default is the current one.
    run_id : str, optional
        Identifier of the run; the kernel sets it.
    hub_address, hub_port, hub_zmq_port, monitoring_radio, submit_monitoring_radio : optional
        Of Parsl's releases until 2025: reported once, and not used. Monitoring finds its way alone.

    Examples
    --------
    >>> class Inline(ParslExecutor):
    ...     label = "inline"
    ...
    ...     def submit(self, func, resource_specification, *args, **kwargs):
    ...         future = Future()
    ...         future.set_result(func(*args, **kwargs))
    ...         return future
    ...
    ...     def shutdown(self):
    ...         super().shutdown()
    >>> with Inline() as executor:
    ...     executor.submit(max, {}, 3, 4).result()
    4
    """

    label: str = "undefined"

    # Class attributes stand in when a subclass does not call this constructor, which Parsl's early
    # releases did not ask of it.
    monitoring_messages: Any = None
    monitoring_receiver: Any = None
    remote_monitoring_radio: Any = None
    log_config: Any = None
    _run_id: str | None = None
    #: Keys of a resource specification that :func:`parsl_on_dask.options` may set here.
    option_keys: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        monitoring_messages: Any = None,
        run_dir: str = ".",
        run_id: str | None = None,
        hub_address: Any = None,
        hub_port: Any = None,
        hub_zmq_port: Any = None,
        monitoring_radio: Any = None,
        submit_monitoring_radio: Any = None,
    ) -> None:
        for name, value in (
            ("hub_address", hub_address),
            ("hub_port", hub_port),
            ("hub_zmq_port", hub_zmq_port),
            ("monitoring_radio", monitoring_radio),
            ("submit_monitoring_radio", submit_monitoring_radio),
        ):
            if value is not None:
                warn_once(
                    f"ParslExecutor.{name}", f"executors take no {name}= any more: monitoring finds its way alone."
                )
        self.monitoring_messages = monitoring_messages
        self.monitoring_receiver = None
        self.remote_monitoring_radio = None
        self.log_config = None
        self.run_dir = os.path.abspath(run_dir)
        self.run_id = run_id

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> Literal[False]:
        self.shutdown()
        return False

    def start(self) -> None:  # an executor may have nothing to start
        """Make the executor ready for :meth:`submit`."""

    @abstractmethod
    def submit(
        self, func: Callable[..., Any], resource_specification: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Run ``func(*args, **kwargs)`` and return a future for its outcome.

        Parameters
        ----------
        func : callable
        resource_specification : dict
            What the call needs; the executor raises
            :class:`~parsl_on_dask.executors.errors.InvalidResourceSpecification` for keys that it does not know.
        """

    def with_limits(
        self, func: Callable[..., Any], specification: Mapping[str, Any]
    ) -> tuple[Callable[..., Any], Mapping[str, Any]]:
        """Return a function that keeps to the limits of a resource specification, and what else that asks for."""
        return func, specification

    @abstractmethod
    def shutdown(self) -> None:
        """Stop, and give back what :meth:`start` took; subclasses call ``super().shutdown()`` at their end."""
        if self.monitoring_receiver is not None:
            self.monitoring_receiver.shutdown()

    def monitor_resources(self) -> bool:
        """Whether the use of memory and processor time can be watched for each task of this executor."""
        return True

    @property
    def run_dir(self) -> str:
        """The directory of the run that this executor belongs to."""
        return str(self.__dict__.get("_run_dir", os.path.abspath(".")))

    @run_dir.setter
    def run_dir(self, value: str) -> None:
        self.__dict__["_run_dir"] = value

    @property
    def run_id(self) -> str | None:
        """The identifier of the run that this executor belongs to."""
        return self._run_id

    @run_id.setter
    def run_id(self, value: str | None) -> None:
        self._run_id = value
