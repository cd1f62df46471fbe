"""What happens to the arguments of a call: staging before, and values in the places of futures at launch."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.dataflow.dependency_resolvers import copied_containers, with_futures_taken
from parsl_on_dask.dataflow.futures import AppFuture, describe, record_of
from parsl_on_dask.dataflow.kept_arguments import Depended
from parsl_on_dask.dataflow.parts import Kernel
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.lanes.base import Lane
from parsl_on_dask.lanes.dask_arguments import adopt, is_dask_object
from parsl_on_dask.lanes.peeking import values_for
from parsl_on_dask.python_internals.futures import value_of
from parsl_on_dask.remote.shell import Checked, is_bash

#: Value of ``stdout=`` and ``stderr=`` that asks for a name made by the kernel.
AUTO_LOGNAME = -1

#: Classes of values in which there is nothing to look for. Exact types, so that one dict look-up decides.
PLAIN = frozenset({int, float, str, bytes, bool, complex, type(None), range, slice})


#: Classes of what a script may go on changing, or what may hold such.
CONTAINERS = (list, tuple, dict, set, frozenset, bytearray, deque)
#: Classes of what nothing is done to before the call waits, as is quickly known.
SETTLED = PLAIN | {AppFuture}

#: Keywords in which the kernel has something to look for.
SPECIAL = frozenset({"inputs", "outputs", "stdout", "stderr"})


def are_plain(record: TaskRecord) -> bool:
    """Whether there is nothing among a call's arguments that the kernel has to look at, or that can change."""
    if not PLAIN.issuperset(map(type, record.args)):
        return False
    kwargs = record.kwargs
    return not kwargs or (PLAIN.issuperset(map(type, kwargs.values())) and SPECIAL.isdisjoint(kwargs))


def fill_in_lognames(kernel: Kernel, record: TaskRecord) -> None:
    """Replace AUTO_LOGNAME by paths, for calls that use it."""
    for name in ("stdout", "stderr"):
        spec = record.kwargs.get(name)
        if type(spec) is int and spec == AUTO_LOGNAME:
            if name not in record.ignore_for_cache:
                record.ignore_for_cache = [*record.ignore_for_cache, name]
            autopath = kernel.config.std_autopath or kernel.default_std_autopath
            record.kwargs[name] = autopath(record, name)


def default_std_autopath(kernel: Kernel, record: TaskRecord, kw: str) -> str:
    """Path that AUTO_LOGNAME stands for: a thousand tasks' worth of folders below the run directory."""
    label = record.kwargs.get("label")
    name = f"task_{record.id:04d}_{record.func_name}" + ("" if label is None else f"_{label}")
    return os.path.join(kernel.run_dir, "task_logs", f"{record.id // 10000:04d}", f"{name}.{kw}")


def are_settled(record: TaskRecord) -> bool:
    """Whether a call is given only futures of tasks and plain values: then there is nothing to bring or to copy."""
    return not record.kwargs and all([type(value) in SETTLED for value in record.args])


def stage_in(kernel: Kernel, record: TaskRecord) -> None:
    """Give the executor's staging providers the Files among the arguments. The caller's lists stay as they are."""
    among = [*record.args, *record.kwargs.values()]
    inputs = record.kwargs.get("inputs")
    if isinstance(inputs, (list, tuple)):
        record.kwargs["inputs"] = list(inputs)
        among += inputs
    if not any([type(v) not in SETTLED and isinstance(v, (File, DataFuture)) for v in among]):
        return
    if record.kwargs.get("_parsl_staging_inhibit", False):
        return
    offer = kernel.data_manager.optionally_stage_in
    executor = record.executor
    func = record.func

    def staged(value: Any) -> Any:
        nonlocal func
        if isinstance(value, (File, DataFuture)):
            value, func = offer(value, func, executor)
        return value

    with kernel.data_manager.destinations.for_call(record.app_fu):
        record.args = tuple([staged(a) for a in record.args])
        for key, value in record.kwargs.items():
            if key == "inputs":
                if isinstance(value, (list, tuple)):
                    record.kwargs[key] = [staged(v) for v in value]
            elif type(value) not in PLAIN and key not in ("stdout", "stderr", "outputs"):
                record.kwargs[key] = staged(value)
    record.func = func


def stage_out(kernel: Kernel, future: AppFuture[Any]) -> None:
    """Make the DataFutures of ``outputs`` and of File ``stdout`` and ``stderr``."""
    record = record_of(future)
    kwargs = record.kwargs
    outputs = kwargs.get("outputs")
    inhibited = kwargs.get("_parsl_staging_inhibit", False)

    def promised(file: File) -> tuple[File, DataFuture]:
        if inhibited:
            return file, DataFuture(future, file, tid=record.id)
        # the staging provider may change the copy; the caller's File stays as it is
        mine = file.cleancopy()
        with kernel.data_manager.destinations.for_call(future):
            staged = kernel.data_manager.stage_out(mine, record.executor, future)
            record.func = kernel.data_manager.replace_task_stage_out(mine, record.func, record.executor)
        return mine, DataFuture(staged if staged is not None else future, file, tid=record.id)

    if outputs:
        for file in outputs:
            if not isinstance(file, File):
                instead = "its file_obj is one" if isinstance(file, DataFuture) else f"write File({str(file)!r})"
                raise TypeError(
                    f"outputs of app {record.func_name!r} must be File objects, not {type(file).__name__}: {instead}"
                )
        if kernel.config.check_outputs and not inhibited and not record.join and not is_bash(record.func):
            record.func = Checked(record.func)
        pairs = [promised(file) for file in outputs]
        kwargs["outputs"] = [p[0] for p in pairs]
        future._outputs = [p[1] for p in pairs]
    if isinstance(kwargs.get("stdout"), File):
        kwargs["stdout"], future._stdout_future = promised(kwargs["stdout"])
    if isinstance(kwargs.get("stderr"), File):
        kwargs["stderr"], future._stderr_future = promised(kwargs["stderr"])


def adopt_dask_objects(kernel: Kernel, record: TaskRecord) -> None:
    """Have Dask's futures and collections among the arguments computed on the executor's cluster."""

    if all([type(v) in SETTLED for v in (*record.args, *record.kwargs.values())]):
        return

    def adopted(value: Any) -> Any:
        if type(value) in SETTLED:
            return value
        if type(value) is list and any(is_dask_object(v) for v in value):
            return [adopted(v) for v in value]
        if not is_dask_object(value):
            return value
        lane = getattr(kernel.executors.get(record.executor), "lane", None)
        if lane is None or not hasattr(lane, "client"):
            raise TypeError(
                f"app {record.func_name!r} was given {type(value).__name__}, which has to be computed by Dask, and its "
                f"executor {record.executor!r} does not run on Dask: give its .compute() instead"
            )
        return adopt(value, lane)

    record.args = tuple([adopted(a) for a in record.args])
    for key, value in record.kwargs.items():
        if key != "outputs":
            record.kwargs[key] = adopted(value)


def gather(kernel: Kernel, record: TaskRecord) -> list[Future[Any]]:
    """The futures that a call has to wait for."""
    find = kernel.dependency_resolver.traverse_to_gather
    found: list[Future[Any]] = []
    for value in record.args:
        if type(value) not in PLAIN:
            found.extend(find(value))
    for key, value in record.kwargs.items():
        if type(value) in PLAIN:
            continue
        if key == "inputs" and isinstance(value, (list, tuple)):
            for element in value:
                if type(element) not in PLAIN:
                    found.extend(find(element))
        else:
            found.extend(find(value))
    return found


def take(kernel: Kernel, record: TaskRecord) -> None:
    """Take the containers among the arguments of a call that has to wait as they are now.

    The script may go on changing them. Those in which futures stand are taken on every executor. The others are taken
    where arguments travel; threads of this process get them by reference, then as at any other call.
    """
    if not any([type(v) not in SETTLED and isinstance(v, CONTAINERS) for v in (*record.args, *record.kwargs.values())]):
        return
    lane = getattr(kernel.executors.get(record.executor), "lane", None)
    others = lane is None or bool(lane.remote)
    find = kernel.dependency_resolver.traverse_to_gather

    def taken(value: Any) -> Any:
        if not isinstance(value, CONTAINERS):
            return value
        if others:
            value = copied_containers(value)
        return with_futures_taken(value, kernel.dependency_resolver) if find(value) else value

    record.args = tuple([taken(a) for a in record.args])
    for key, value in record.kwargs.items():
        if isinstance(value, CONTAINERS) and key != "outputs":
            record.kwargs[key] = [taken(v) for v in value] if key == "inputs" else taken(value)


def unwrap(
    kernel: Kernel, record: TaskRecord, lane: Lane | None
) -> tuple[tuple[Any, ...], dict[str, Any], list[tuple[BaseException, str]]]:
    """Arguments and keyword arguments with values in the places of futures, and the failures among these futures."""
    failures: list[tuple[BaseException, str]] = []
    replace = kernel.dependency_resolver.traverse_to_unwrap

    def value_of(value: Any) -> Any:
        if type(value) in PLAIN:
            return value
        try:
            return replace(value)
        except Exception as e:
            failures.append((e, describe(value)))
            return None

    with values_for(lane):
        args = tuple([value_of(a) for a in record.args])
        kwargs = {}
        for key, value in record.kwargs.items():
            if key == "inputs" and isinstance(value, (list, tuple)):
                kwargs[key] = [value_of(v) for v in value]
            else:
                kwargs[key] = value_of(value)
    return args, kwargs, failures


def remote_values(depends: Sequence[Future[Any]], lane: Lane | None) -> tuple[Any, ...]:
    """The results of dependencies that stay on the lane's cluster."""
    if lane is None:
        return ()
    found = []
    for future in depends:
        value = value_of(future) if isinstance(future, Future) else None
        if lane.accepts(value):
            found.append(value)
    return tuple(found)


def let_go_of(record: TaskRecord, values: Sequence[Any]) -> bool:
    """Forget the futures that a task waited for. Whether nobody else has them, and so nobody can see ``values`` again.

    Then the task may change the values, as the links of a chain do whose script keeps only the last future.
    """
    if any(type(future) is not AppFuture for future in record.depends) or any(value.shared for value in values):
        return False
    there = record.depends = Depended(map(weakref.ref, record.depends))
    return not there.shown()
