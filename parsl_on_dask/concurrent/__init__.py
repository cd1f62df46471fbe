"""The interface of the standard library's ``concurrent.futures`` over a kernel."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar
from weakref import WeakSet

from parsl_on_dask.common.raising import hide_this_frame

if TYPE_CHECKING:
    from parsl_on_dask.app.python import PythonApp
    from parsl_on_dask.config import Config
    from parsl_on_dask.dataflow.dflow import DataFlowKernel

P = ParamSpec("P")
T = TypeVar("T")


class ParslPoolExecutor(Executor, AbstractContextManager["ParslPoolExecutor"]):
    """Runs functions on a kernel, for programs that are written for ``concurrent.futures``.

    The futures are AppFutures: one can be an argument of another call, here or of an app. (Parsl's
    ParslPoolExecutor.)

    Parameters
    ----------
    config : Config, optional
        Loaded now, and cleaned up by :meth:`shutdown`.
    dfk : DataFlowKernel, optional
        A kernel that is
        already loaded, and stays so. Give exactly one of the two.
    executors : list of str or "all", default "all"
        Labels of the executors to use.

    Raises
    ------
    ValueError
        When both or none of `config` and `dfk` are given.

    Examples
    --------
    >>> ParslPoolExecutor()
    Traceback (most recent call last):
        ...
    ValueError: Must specify one of config or dfk: write ParslPoolExecutor(Config(...)) or ParslPoolExecutor(dfk=...)
    """

    def __init__(
        self,
        config: Config | None = None,
        dfk: DataFlowKernel | None = None,
        executors: Literal["all"] | list[str] = "all",
    ) -> None:
        if config is not None and dfk is not None:
            raise ValueError("Specify only one of config or dfk: a kernel that is loaded already has its Config")
        if config is None and dfk is None:
            raise ValueError(
                "Must specify one of config or dfk: write ParslPoolExecutor(Config(...)) or ParslPoolExecutor(dfk=...)"
            )
        self.executors = executors
        self._owns_kernel = config is not None
        self._apps: dict[Callable[..., Any], Any] = {}
        self._futures: WeakSet[Future[Any]] = WeakSet()
        self._dfk: DataFlowKernel | None = dfk
        if config is not None:
            from parsl_on_dask.dataflow.dflow import DataFlowKernelLoader

            self._dfk = DataFlowKernelLoader.load(config)

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:  # named as in Parsl
        if self._owns_kernel:
            self.shutdown(wait=True)

    @property
    def app_count(self) -> int:
        """Number of different functions submitted so far."""
        return len(self._apps)

    def get_app(self, fn: Callable[P, T]) -> PythonApp[P, T]:
        """The app for a function; the same one each time.

        Raises
        ------
        RuntimeError
            After :meth:`shutdown`.
        """
        if self._dfk is None:
            raise RuntimeError("Executor has been shut down. Make a new ParslPoolExecutor for more calls")
        try:
            known: PythonApp[P, T] | None = self._apps.get(fn)
        except TypeError:  # a callable without a hash
            return self._new_app(fn)
        if known is None:
            known = self._apps[fn] = self._new_app(fn)
        return known

    def _new_app(self, fn: Callable[P, T]) -> PythonApp[P, T]:
        from parsl_on_dask.app.python import PythonApp

        app: PythonApp[P, T] = PythonApp(fn, data_flow_kernel=self._dfk, executors=self.executors)
        app._shape.binding = None  # arguments that do not fit fail in the future, as the standard library's do
        return app

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn(*args, **kwargs)`` on an executor.

        Returns
        -------
        AppFuture

        Raises
        ------
        RuntimeError
            After :meth:`shutdown`.
        """
        future: Future[T] = self.get_app(fn)(*args, **kwargs)
        self._futures.add(future)
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Like the built-in map, with the calls running at the same time. Results come in the order of the arguments.

        Parameters
        ----------
        fn : callable
            Takes one argument from each of `iterables`.
        timeout : float, optional
            Seconds, from now, in which all results have to be taken.
        chunksize : int, default 1
            Makes no difference: calls are put together into batches in any case.
        buffersize : int, optional
            How many results may be outstanding; further arguments are read only as results are taken.
            None reads and submits all of them now.

        Raises
        ------
        TimeoutError
            From the iterator, when `timeout` is over. Calls that were submitted run on.
        TypeError, ValueError
            When `buffersize` is no integer, or less than 1.
        """
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError(f"buffersize is a number of calls or None, not {buffersize!r}")
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize is {buffersize}, and has to be 1 or more, or None for no limit")
        end = None if timeout is None else time.monotonic() + timeout
        arguments = zip(*iterables, strict=False)
        pending: deque[Future[T]] = deque()

        def fill() -> None:
            while buffersize is None or len(pending) < buffersize:
                try:
                    args = next(arguments)
                except StopIteration:
                    return
                pending.append(self.submit(fn, *args))

        fill()  # now, not when the first result is asked for

        def results() -> Iterator[T]:
            while pending:
                future = pending.popleft()
                try:
                    value = future.result() if end is None else future.result(end - time.monotonic())
                except BaseException as e:
                    hide_this_frame(e)
                    raise
                del future
                if buffersize is not None:
                    fill()
                yield value

        return results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; a kernel of one's own is cleaned up.

        Parameters
        ----------
        wait : bool, default True
            Wait for the calls first. With False, cleaning up a kernel of one's own ends them.
        cancel_futures : bool, default False
            Cancel calls that have not started. Those that run cannot be stopped, about which there is a warning.
        """
        dfk, self._dfk = self._dfk, None
        if dfk is None:
            return
        futures = list(self._futures)
        if cancel_futures:
            warnings.warn("Calls that run already are not canceled, only those that have not started", stacklevel=2)
            for future in futures:
                future.cancel()
        if wait:
            for future in futures:
                if not future.cancelled():
                    with suppress(CancelledError):
                        future.exception()
            if self._owns_kernel:
                dfk.wait_for_current_tasks()
        if self._owns_kernel:
            dfk.cleanup()
