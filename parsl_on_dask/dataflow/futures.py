"""The future of an app call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from functools import partial
from typing import Any, Generic, TypeVar

from parsl_on_dask.common.raising import Raising, below, hide_this_frame
from parsl_on_dask.dask_internals.asking import asked_by_dask, asked_for_key
from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.lanes.call import Call
from parsl_on_dask.lanes.callbacks import Callbacks, PoliteFuture
from parsl_on_dask.lanes.dask_protocol import DaskProtocol
from parsl_on_dask.lanes.forbidden_waits import CheckedFuture
from parsl_on_dask.lanes.peeking import peeking
from parsl_on_dask.lanes.values import RemoteValue, just, pickling
from parsl_on_dask.old_spellings.legacy import MISSING, renamed
from parsl_on_dask.python_internals.futures import FINISHED, remove_callbacks
from parsl_on_dask.python_internals.light_future import lay_out
from parsl_on_dask.remote.packing import Promise
from parsl_on_dask.remote.standin import FinishedFuture

__all__ = ["AppFuture", "DataFuture", "Future"]

T = TypeVar("T")


def _wrapped(callback: Any) -> Any:
    """The arguments of a callback that ``add_done_callback`` made of asyncio's."""
    return getattr(getattr(callback, "function", None), "args", None)


def _element(value: Any, key: Any) -> Any:
    return value[key]


def _attribute(value: Any, name: str) -> Any:
    return getattr(value, name)


class AppFuture(PoliteFuture[T], Raising[T], CheckedFuture[T], DaskProtocol[T], Generic[T]):
    """What calling an app returns: the promise of its result.

    It is a ``concurrent.futures.Future``, so ``wait``, ``as_completed`` and callbacks work, and it can be awaited.
    ``future[key]`` and ``future.name`` are futures of an element and of an attribute of the result. It can be
    given to other apps, and to ``client.submit``, ``dask.delayed`` and ``dask.compute``.

    A large result stays on the worker that made it, until :meth:`result` is called or another task needs it.

    Parameters
    ----------
    task_record : TaskRecord
    task_def : TaskRecord, optional
        What it was called until 2023.

    Notes
    -----
    Parsl's page on futures; members are Parsl's, except :meth:`cancel`, which works here.
    """

    _fetched: tuple[Any] | None = None
    _outputs: Sequence[DataFuture] = ()
    _stdout_future: DataFuture | None = None
    _stderr_future: DataFuture | None = None

    def __init__(self, task_record: TaskRecord = MISSING, *, task_def: TaskRecord = MISSING) -> None:
        if task_record is MISSING or task_def is not MISSING:
            task_record = renamed("AppFuture", "task_def", "task_record", task_def, task_record)
        self._record = task_record

    # -- the result --------------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> T:
        """Wait for the task and return its result.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait for the task; None waits forever.

        Raises
        ------
        concurrent.futures.TimeoutError
            When the task is not done by then.
        concurrent.futures.CancelledError
            When it was cancelled.
        Exception
            Whatever the task failed with.
        """
        if self._state == FINISHED and self._exception is None and type(self._result) is not RemoteValue:
            return self._result  # type: ignore[no-any-return]
        try:
            value: Any = super().result(timeout)
            if type(value) is RemoteValue:
                # what was fetched is kept beside it: other tasks go on using the copy on the cluster
                if self._fetched is None:
                    self._fetched = (value.fetch(),)
                return self._fetched[0]  # type: ignore[no-any-return]
            return value  # type: ignore[no-any-return]
        except BaseException as e:
            hide_this_frame(e, below(self, e))
            raise

    def _callbacks(self) -> Callbacks:
        return getattr(self._record.dfk, "callbacks", None) or super()._callbacks()

    def peek(self) -> Any:
        """The result of a finished task, or what stands for it when it can stay on its worker. For the kernel.

        Raises
        ------
        concurrent.futures.InvalidStateError
            When the task is not done.
        """
        leaders = getattr(peeking, "leaders", None)
        if leaders is not None:
            return self._promise(leaders)
        if self._state != FINISHED and not self.done():
            raise InvalidStateError(f"task {self.tid} is not done, and what moves tasks on does not wait for it")
        if self._state != FINISHED or self._exception is not None:
            return super().result()
        value = self._result
        lane = getattr(peeking, "lane", None)
        if lane is not None and lane.accepts(value):
            return value
        return self.result()

    def _promise(self, leaders: list[Call]) -> Any:
        """The result of a finished task, or a promise of it."""
        call = self._record.current_try
        if self.done():
            if type(self._result) is RemoteValue:
                raise LookupError("the value is on a worker by now")
            return super().result()
        if not isinstance(call, Call):
            raise LookupError("the task is between two tries")
        if call not in leaders:
            leaders.append(call)
        return Promise(call.number)

    @property
    def dask_future(self) -> Any:
        """The ``distributed.Future`` that holds the result; None while there is none, or when the result is small."""
        value = self._result
        return value.dask_future() if type(value) is RemoteValue else None

    def cancel(self) -> bool:
        """Cancel the task, if it has not been handed to Dask yet.

        Returns
        -------
        bool
            True when the task will not run, and this future raises ``CancelledError``. Tasks that depend on it
            fail with a DependencyError.

        Notes
        -----
        In Parsl this always raises NotImplementedError. Code that expects it will see tasks cancelled.
        """
        return self._record.dfk.cancel_task(self._record)

    def kill(self) -> bool:
        """Cancel the task, also when a worker runs it: its process is ended then, and replaced.

        The future of a call that ran raises ``AppKilled``. It is not tried again, and what its command has started
        ends, too. Threads of the script's own process cannot be ended, and workers of an existing Dask cluster
        only where they have a nanny and a single thread.

        Returns
        -------
        bool
            True when the task was cancelled, or its end is on the way; it may still be done before that. False when it
            is done, or cannot be ended.
        """
        return self._record.dfk.cancel_task(self._record, running=True)

    def running(self) -> bool:
        """Whether the task was launched and is not done."""
        from parsl_on_dask.common.states import States

        return not self.done() and getattr(self._record, "status", None) in (States.launched, States.joining)

    # -- Parsl's members -----------------------------------------------------------------------------------

    @property
    def task_record(self) -> TaskRecord:
        """What the kernel knows about the task."""
        if isinstance(self._record, TaskRecord):  # programs make futures with records of their own
            self._record.tie(self)
        return self._record

    @property
    def tid(self) -> int:
        """The task's number."""
        return self._record.id

    @property
    def task_def(self) -> TaskRecord:
        """The task's record, under the name that it had until 2023."""
        from parsl_on_dask.old_spellings.legacy import warn_once

        warn_once("AppFuture.task_def", "AppFuture.task_def is now AppFuture.task_record")
        return self.task_record

    @property
    def stdout(self) -> Any:
        """What ``stdout`` was, with AUTO_LOGNAME replaced by the path; a DataFuture when it was a File."""
        return self._stdout_future or self._record.kwargs.get("stdout")

    @property
    def stderr(self) -> Any:
        """What ``stderr`` was, as :attr:`stdout`."""
        return self._stderr_future or self._record.kwargs.get("stderr")

    @property
    def outputs(self) -> list[DataFuture]:
        """A DataFuture for each element of ``outputs``, in order."""
        return self._outputs if isinstance(self._outputs, list) else list(self._outputs)

    def task_status(self) -> str:
        """Name of the task's state, for example ``"pending"`` or ``"exec_done"``."""
        return self._record.status.name

    # -- futures of parts of the result ----------------------------------------------------------------------

    def __getitem__(self, key: Any) -> AppFuture[Any]:
        element: Any = self._record.dfk.submit_internal(_element, (self, key))
        return element  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        # names with an underscore are probes for protocols, and the parts of a half-made object
        if name.startswith("_") or name == "task_record":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if asked_by_dask():
            if name == "key" and asked_for_key():
                from parsl_on_dask.lanes.dask_futures import dask_future_of

                return dask_future_of(self).key
            from parsl_on_dask.common.mistakes import dask_asked_for

            raise AttributeError(dask_asked_for(self._record.func_name, name))
        part: Any = self._record.dfk.submit_internal(_attribute, (self, name))
        part.__class__ = _Part
        part._of = (self._record.func_name, name)
        return part

    # iter() would otherwise try future[0], future[1], ... for ever
    __iter__ = None

    # asyncio.wait() adds and removes callbacks that belong to its loop's thread
    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Call ``fn(future)`` when the task is done; at once, if it is."""
        if getattr(fn, "__module__", None) == "asyncio.tasks":
            import asyncio

            later: Any = asyncio.get_running_loop().call_soon_threadsafe
            self.when_done(partial(later, fn))
            return
        super().add_done_callback(fn)

    def remove_done_callback(self, fn: Callable[[Future[T]], object]) -> int:
        """Remove a callback that ``asyncio.wait`` added. Returns how many there were."""
        return remove_callbacks(self, lambda callback: callback is fn or _wrapped(callback) == (fn,))

    # -- asyncio, pickle, Dask -----------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, T]:
        yield from self._until_done()
        try:
            if type(self._result) is RemoteValue:
                import asyncio

                # not here: fetching the value takes a while
                return (yield from asyncio.get_running_loop().run_in_executor(None, self.result).__await__())
            return self.result()
        except BaseException as e:
            hide_this_frame(e)
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        if getattr(pickling, "hurry", False) and not self.done():
            raise ValueError(
                f"it holds the future of task {self.tid}, which is not done, where no futures are looked for: "
                "give that to the app as an argument, or in a list, tuple, set or dict"
            )
        if "distributed" in sys.modules and not getattr(pickling, "arguments", False):
            from parsl_on_dask.lanes.dask_futures import reduced

            reference = reduced(self)
            if reference is not None:
                return reference
        value = self.result()
        if not getattr(pickling, "arguments", False):
            return just(value)
        # an app that is given a future, by a resolver that leaves it alone, finds one
        return (FinishedFuture, (value,))

    def _dask_name(self) -> str:
        return f"parsl-{self._record.func_name}-{self._record.dfk.run_id}-{self.tid}"

    def __repr__(self) -> str:
        state = self._state.lower() if self.done() else "not done"
        if self._exception is not None:
            state = f"raised {type(self._exception).__name__}"
        record = self._record
        return f"<AppFuture of task {record.id}, app {record.func_name}: {state}>"

    def _repr_html_(self) -> str:
        from parsl_on_dask.monitoring.notebook import future_html

        return future_html(self)


class _Part(AppFuture[Any]):
    """The future of an attribute of a result, which people call as if it were the result's method."""

    #: App of the whole, and the attribute's name.
    _of: tuple[str, str] = ("", "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from parsl_on_dask.common.mistakes import called_part

        whole, name = self._of
        raise TypeError(called_part(whole, name))

    # `while future.status != "finished"`, as of Dask's futures, would never end
    def __eq__(self, other: object) -> bool:
        if isinstance(other, str) and self._of[1] == "status":
            from parsl_on_dask.common.mistakes import compared_status

            raise TypeError(compared_status(self._of[0]))
        return self is other

    __hash__ = AppFuture.__hash__


def _refusing(symbol: str) -> Callable[[Any, Any], Any]:
    def refuse(self: Any, other: Any) -> Any:
        from parsl_on_dask.common.mistakes import operator_on_future

        raise TypeError(operator_on_future(self._record.func_name, symbol))

    return refuse


# Python would say no more than that the types do not fit.
_ARITHMETIC = {
    **{"add": "+", "sub": "-", "mul": "*", "truediv": "/"},
    **{"floordiv": "//", "mod": "%", "pow": "**", "matmul": "@"},
}
for _name, _symbol in _ARITHMETIC.items():
    setattr(AppFuture, f"__{_name}__", _refusing(_symbol))
    setattr(AppFuture, f"__r{_name}__", _refusing(_symbol))
for _name, _symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items():
    setattr(AppFuture, f"__{_name}__", _refusing(_symbol))


def outcome_of(future: Future[Any]) -> BaseException | None:
    """What a finished future failed with; a cancelled one failed with CancelledError."""
    try:
        return future.exception()
    except CancelledError as e:
        return e


def describe(future: Any) -> str:
    """How a future is named in errors."""
    if isinstance(future, AppFuture):
        return f"task {future.tid}"
    if isinstance(future, DataFuture):
        return f"DataFuture from task {future.tid}"
    return repr(future)


def app_names(futures: Sequence[Future[Any]], failures: Sequence[tuple[BaseException, str]]) -> list[str | None]:
    """The app of each failed future, in the order of ``failures``; None where there is no app."""
    known: dict[str, str | None] = {}
    for future in futures:
        source = future.parent if isinstance(future, DataFuture) else future
        known[describe(future)] = source._record.func_name if isinstance(source, AppFuture) else None
    return [known.get(described) for _, described in failures]


lay_out(AppFuture[None](TaskRecord()))


def record_of(future: AppFuture[Any]) -> TaskRecord:
    """The record of a future's task, for whoever does not pass it on."""
    return future._record
