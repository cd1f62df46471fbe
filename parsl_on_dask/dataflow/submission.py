"""Makes a task of a call: its executor, its record, and the futures that it waits for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import Future
from time import time
from typing import Any

from parsl_on_dask.common.call_options import CallOptions
from parsl_on_dask.common.task_errors import RunStopped
from parsl_on_dask.dataflow import arguments, exits
from parsl_on_dask.dataflow.futures import AppFuture, record_of
from parsl_on_dask.dataflow.kept_arguments import NOTHING
from parsl_on_dask.dataflow.parts import Kernel
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.errors import ConfigurationError, NoDataFlowKernelError
from parsl_on_dask.lanes.failures import each_its_own


def choose_executor(executors: str | Sequence[str], known: Sequence[str], number: int) -> str:
    """The label of the executor of a new task; of several, one at random.

    Raises ValueError when ``executors`` is neither "all" nor a list. Raises ConfigurationError when the kernel has
    none.
    """
    if isinstance(executors, str):
        if executors.lower() != "all":
            raise ValueError(f"Task {number} supplied executors={executors!r}: write executors=[{executors!r}]")
        if not known:
            raise ConfigurationError(
                f"Task {number} has no executor to run on: the kernel was made with Config(executors=[]). Call its "
                "add_executors([...]) before apps."
            )
        executors = known
    elif not isinstance(executors, (list, tuple)):
        raise ValueError(f"Task {number} supplied invalid type for executors: {type(executors)}; write a list")
    return executors[0] if len(executors) == 1 else random.choice(executors)


def new_record(
    kernel: Kernel, number: int, executor: str, func: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> AppFuture[Any]:
    """The future of a new task, which has its record."""
    record = TaskRecord()
    record.id = number
    record.dfk = kernel
    record.func = func
    record.func_name = getattr(func, "__name__", None) or type(func).__name__
    record.args = args
    record.kwargs = dict(kwargs) if kwargs else NOTHING
    record.executor = executor
    record.resource_specification = kwargs.get("parsl_resource_specification") or NOTHING
    record.invoked = time()
    future: AppFuture[Any] = AppFuture(record)
    record.app_fu = future
    return future


def no_more_tasks(stopped: RunStopped | None) -> Exception:
    """Why a kernel takes no more tasks: it was ``stopped``, else cleaned up."""
    if stopped is not None:
        return each_its_own(stopped)
    why = exits.too_late() or "parsl.load() a Config before calling apps again"
    return NoDataFlowKernelError(f"Cannot submit to a DFK that has been cleaned up: {why}")


def take_options(record: TaskRecord, options: CallOptions) -> None:
    """Give a new task the options of its app."""
    record["options"] = options
    record.func_name = options.name or record.func_name


def prepare(kernel: Kernel, future: AppFuture[Any]) -> tuple[Sequence[Future[Any]], bool]:
    """Stage the files of a new task, and find what it waits for. Containers are taken as they are now if it waits.

    Returns
    -------
    tuple
        The futures that it waits for; and whether nothing that the caller may change is among its arguments, so that
        they can be looked at later.
    """
    record = record_of(future)
    if arguments.are_plain(record):
        return (), True
    settled = arguments.are_settled(record)
    if not settled:
        arguments.fill_in_lognames(kernel, record)
        arguments.stage_in(kernel, record)
        arguments.stage_out(kernel, future)
        arguments.adopt_dask_objects(kernel, record)
    depends = arguments.gather(kernel, record)
    if depends and not settled:
        arguments.take(kernel, record)
    return depends, False
