"""Apps that run a Python function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from parsl_on_dask.app.base import AppBase, Executors
from parsl_on_dask.common.arguments import need
from parsl_on_dask.remote.shell import Checked
from parsl_on_dask.remote.walltime import timeout

if TYPE_CHECKING:
    from parsl_on_dask.checkpoint.policy import Cache
    from parsl_on_dask.dataflow.dflow import DataFlowKernel

__all__ = ["PythonApp", "timeout"]

P = ParamSpec("P")
R = TypeVar("R")


class PythonApp(AppBase[P, R]):
    """What :func:`~parsl_on_dask.app.app.python_app` and :func:`~parsl_on_dask.app.app.join_app` make of a function.

    Parameters
    ----------
    func : callable
    data_flow_kernel, cache, executors, ignore_for_cache, walltime
        As of :class:`~parsl_on_dask.app.app.AppBase`.
    join : bool, default False
        Whether the result is that of the future, or list of futures, which the function returns.
    check_outputs : bool, default False
        Whether the files of ``outputs`` have to be there when the function has returned.

    Examples
    --------
    >>> app = PythonApp(lambda x, inputs=(): x)
    >>> app.__name__, app.kwargs, app.join
    ('<lambda>', {'inputs': ()}, False)
    """

    decorator = "python_app"
    check_outputs = False

    def __init__(
        self,
        func: Callable[P, Any],
        data_flow_kernel: DataFlowKernel | None = None,
        cache: bool | Cache = False,
        executors: Executors = "all",
        ignore_for_cache: Sequence[str] | None = None,
        join: bool = False,
        *,
        walltime: float | None = None,
        check_outputs: bool = False,
    ) -> None:
        self.join = join
        if join:
            self.decorator = "join_app"
        super().__init__(func, data_flow_kernel, executors, cache, ignore_for_cache, walltime=walltime)
        if check_outputs is not False:
            need(self.decorator, "check_outputs", check_outputs, bool, hint=f"Write True for app {self.__name__!r}.")
            self.check_outputs = check_outputs

    @functools.cached_property
    def _checked(self) -> Checked:
        return Checked(self.func)

    def _task(self, kwargs: dict[str, Any]) -> Callable[..., Any]:
        func: Callable[..., Any] = self._checked if self.check_outputs else self.func
        walltime = kwargs.get("walltime")
        if walltime is None and self.options is not None:
            walltime = self.options.walltime
        return func if walltime is None else timeout(func, walltime)
