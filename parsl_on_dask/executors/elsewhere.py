"""Executors of Parsl that hand calls to another system, which Dask takes the place of here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NoReturn

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.base import ParslExecutor


class ElsewhereExecutor(ParslExecutor):
    """Base of executors that can be named and not be made: constructing one says what to use instead."""

    #: What to use instead.
    instead = ""

    def refuse(self) -> NoReturn:
        """Raise the error that names the alternative."""
        raise ConfigurationError(f"{type(self).__name__}: {self.instead}")

    def submit(
        self, func: Callable[..., Any], resource_specification: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Never reached, since none can be constructed."""
        self.refuse()

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        """Nothing was started."""
