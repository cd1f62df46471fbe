"""Apps that run a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec

from parsl_on_dask.app.base import AppBase, Executors
from parsl_on_dask.remote.shell import WithWalltime, run_bash
from parsl_on_dask.remote.walltime import checked_seconds

if TYPE_CHECKING:
    from parsl_on_dask.checkpoint.policy import Cache
    from parsl_on_dask.dataflow.dflow import DataFlowKernel

P = ParamSpec("P")

#: Parsl's name for the function that runs commands on workers.
remote_side_bash_executor = run_bash


class BashApp(AppBase[P, int]):
    """What :func:`~parsl_on_dask.app.app.bash_app` makes of a function.

    Parameters
    ----------
    func : callable
        Returns the command line. It is called on the worker.
    data_flow_kernel, cache, executors, ignore_for_cache, walltime
        As of :class:`~parsl_on_dask.app.app.AppBase`.

    Examples
    --------
    >>> app = BashApp(lambda text, times=2: f"for i in $(seq {times}); do echo {text}; done")
    >>> app.kwargs
    {'times': 2}
    """

    decorator = "bash_app"
    all_defaults = True

    def __init__(
        self,
        func: Callable[P, str],
        data_flow_kernel: DataFlowKernel | None = None,
        cache: bool | Cache = False,
        executors: Executors = "all",
        ignore_for_cache: Sequence[str] | None = None,
        *,
        walltime: float | None = None,
    ) -> None:
        super().__init__(func, data_flow_kernel, executors, cache, ignore_for_cache, walltime=walltime)
        self.wrapped_remote_function = partial(run_bash, self.func)
        # The kernel shows this name. The module stays that of partial: keys of cached results depend on it.
        self.wrapped_remote_function.__name__ = self.__name__  # type: ignore[attr-defined]

    def _task(self, kwargs: dict[str, Any]) -> Callable[..., Any]:
        walltime = kwargs.get("walltime")
        if walltime is not None and not isinstance(walltime, Future):  # a future's value is looked at on the worker
            checked_seconds(self.__name__, walltime)
        if walltime is None and self.options is not None and self.options.walltime is not None:
            return WithWalltime(self.wrapped_remote_function, self.options.walltime)
        return self.wrapped_remote_function
