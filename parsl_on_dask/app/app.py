"""The decorators that make a function into an app."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from parsl_on_dask.app.base import INTERNAL, AppBase, Executors
from parsl_on_dask.app.bash import BashApp
from parsl_on_dask.app.old import App, old_executors, old_join
from parsl_on_dask.app.python import PythonApp
from parsl_on_dask.common.misspelt import explains
from parsl_on_dask.dataflow.futures import AppFuture

if TYPE_CHECKING:
    from parsl_on_dask.checkpoint.policy import Cache
    from parsl_on_dask.dataflow.dflow import DataFlowKernel

__all__ = ["App", "AppBase", "AppFuture", "bash_app", "join_app", "python_app"]

P = ParamSpec("P")
R = TypeVar("R")


class PythonDecorator(Protocol):
    """What ``python_app(...)`` without a function gives."""

    def __call__(self, function: Callable[P, R], /) -> PythonApp[P, R]: ...


class JoinDecorator(Protocol):
    """What ``join_app(...)`` without a function gives."""

    @overload
    def __call__(self, function: Callable[P, Future[R]], /) -> PythonApp[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, Sequence[Future[R]]], /) -> PythonApp[P, list[R]]: ...

    @overload
    def __call__(self, function: Callable[P, Any], /) -> PythonApp[P, Any]: ...


class BashDecorator(Protocol):
    """What ``bash_app(...)`` without a function gives."""

    def __call__(self, function: Callable[P, str], /) -> BashApp[P]: ...


@overload
def python_app(
    function: Callable[P, R],
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    executors: Executors = "all",
    ignore_for_cache: Sequence[str] | None = None,
    *,
    walltime: float | None = None,
    join: bool = False,
    check_outputs: bool = False,
) -> PythonApp[P, R]: ...


@overload
def python_app(
    function: None = None,
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    executors: Executors = "all",
    ignore_for_cache: Sequence[str] | None = None,
    *,
    walltime: float | None = None,
    join: bool = False,
    check_outputs: bool = False,
) -> PythonDecorator: ...


@explains
def python_app(
    function: Callable[..., Any] | None = None,
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    executors: Executors = "all",
    ignore_for_cache: Sequence[str] | None = None,
    *,
    walltime: float | None = None,
    join: bool = False,
    check_outputs: bool = False,
) -> Any:
    """Make a function into an app: a call runs it on a worker and returns an ``AppFuture`` at once.

    Any argument may be a future; the task waits for it and gets its result. The parameters ``inputs``,
    ``outputs``, ``stdout``, ``stderr``, ``walltime`` (seconds, also in the call) and
    ``parsl_resource_specification`` are special. (Parsl's page on apps.)

    Parameters
    ----------
    function : callable, optional
        A function, lambda, partial or other callable; left out in ``@python_app(cache=True)``. Not an async function.
    data_flow_kernel : DataFlowKernel, optional
        Default: the one that is loaded when the app is called.
    cache : bool or Cache, default False
        Whether a call with the same arguments may be answered with an earlier result.
    executors : list of str or 'all', default 'all'
        Labels of the executors that may run it.
    ignore_for_cache : sequence of str, optional
        Parameters that do not count as arguments for the cache.
    walltime : int, optional
        Refused: it is a parameter of the function, or of its call.
    join : bool, default False
        Of releases up to 2023.8; today's spelling is :func:`join_app`.
    check_outputs : bool, default False
        Whether the files of ``outputs`` have to be there when the function has returned; one that is not is a
        ``MissingOutputs``. ``Config(check_outputs=True)`` says so for all apps.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used; for a wrong type this is a ``TypeError``, too.

    Examples
    --------
    >>> @python_app
    ... def double(x: int) -> int:
    ...     "Twice as much."
    ...     return 2 * x
    >>> double.__name__, double.__doc__
    ('double', 'Twice as much.')
    >>> remote_max = python_app(max, executors=["cpu"])
    """
    old_join("python_app", join)

    def decorate(f: Callable[..., Any]) -> PythonApp[..., Any]:
        where: Executors = [INTERNAL] if join else executors
        return PythonApp(
            f,
            data_flow_kernel,
            cache,
            where,
            ignore_for_cache,
            bool(join),
            walltime=walltime,
            check_outputs=check_outputs,
        )

    return decorate if function is None else decorate(function)


@overload
def join_app(
    function: Callable[P, Future[R]],
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    ignore_for_cache: Sequence[str] | None = None,
    *,
    executors: Executors | None = None,
) -> PythonApp[P, R]: ...


@overload
def join_app(
    function: Callable[P, Sequence[Future[R]]],
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    ignore_for_cache: Sequence[str] | None = None,
    *,
    executors: Executors | None = None,
) -> PythonApp[P, list[R]]: ...


@overload
def join_app(
    function: None = None,
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    ignore_for_cache: Sequence[str] | None = None,
    *,
    executors: Executors | None = None,
) -> JoinDecorator: ...


@overload
def join_app(
    function: Callable[P, Any],
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    ignore_for_cache: Sequence[str] | None = None,
    *,
    executors: Executors | None = None,
) -> PythonApp[P, Any]: ...


@explains
def join_app(
    function: Callable[..., Any] | None = None,
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    ignore_for_cache: Sequence[str] | None = None,
    *,
    executors: Executors | None = None,
) -> Any:
    """Make a function that calls apps into an app, whose result is that of the future which the function returns.

    The function runs in a thread of the submitting process and returns a future, or a list of futures for a
    list of results. (Parsl's page on join apps.)

    Parameters
    ----------
    function : callable, optional
        Left out in ``@join_app(cache=True)``. Not an async function.
    data_flow_kernel : DataFlowKernel, optional
        Default: the one that is loaded when the app is called.
    cache : bool or Cache, default False
        Whether a call with the same arguments may be answered with an earlier result.
    ignore_for_cache : sequence of str, optional
        Parameters that do not count as arguments for the cache.
    executors : list of str or 'all', optional
        Of releases up to 2023.8. The function runs in the submitting process in any case.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used; for a wrong type this is a ``TypeError``, too.

    Examples
    --------
    >>> @python_app
    ... def add(x: int, y: int) -> int:
    ...     return x + y
    >>> @join_app
    ... def fibonacci(n: int):
    ...     return add(n, 0) if n < 2 else add(fibonacci(n - 1), fibonacci(n - 2))
    """
    old_executors(executors)

    def decorate(f: Callable[..., Any]) -> PythonApp[..., Any]:
        return PythonApp(f, data_flow_kernel, cache, [INTERNAL], ignore_for_cache, True)

    return decorate if function is None else decorate(function)


@overload
def bash_app(
    function: Callable[P, str],
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    executors: Executors = "all",
    ignore_for_cache: Sequence[str] | None = None,
    *,
    walltime: float | None = None,
) -> BashApp[P]: ...


@overload
def bash_app(
    function: None = None,
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    executors: Executors = "all",
    ignore_for_cache: Sequence[str] | None = None,
    *,
    walltime: float | None = None,
) -> BashDecorator: ...


@explains
def bash_app(
    function: Callable[..., Any] | None = None,
    data_flow_kernel: DataFlowKernel | None = None,
    cache: bool | Cache = False,
    executors: Executors = "all",
    ignore_for_cache: Sequence[str] | None = None,
    *,
    walltime: float | None = None,
) -> Any:
    """Make a function that returns a command line into an app which runs that command on a worker.

    The result is 0; another exit code is a ``BashExitFailure``. The special parameters are those of
    :func:`python_app`: ``stdout`` and ``stderr`` are paths, tuples (path, mode), Files or ``AUTO_LOGNAME``;
    the files of ``outputs`` must be there afterwards; when ``walltime`` (seconds) is over, the command and
    all that it has started are ended. (Parsl's page on apps; Parsl leaves the command running.)

    Parameters
    ----------
    function : callable, optional
        Left out in ``@bash_app(cache=True)``. Not an async function.
    data_flow_kernel : DataFlowKernel, optional
        Default: the one that is loaded when the app is called.
    cache : bool or Cache, default False
        Whether a call with the same arguments may be answered with an earlier result.
    executors : list of str or 'all', default 'all'
        Labels of the executors that may run it.
    ignore_for_cache : sequence of str, optional
        Parameters that do not count as arguments for the cache.
    walltime : int, optional
        Refused: it is a parameter of the function, or of its call.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used; for a wrong type this is a ``TypeError``, too.

    Examples
    --------
    >>> @bash_app
    ... def sort_file(source, stdout="sorted.txt", walltime=60):
    ...     return f"sort {source}"
    >>> sort_file.kwargs
    {'stdout': 'sorted.txt', 'walltime': 60}
    """

    def decorate(f: Callable[..., Any]) -> BashApp[...]:
        return BashApp(f, data_flow_kernel, cache, executors, ignore_for_cache, walltime=walltime)

    return decorate if function is None else decorate(function)
