"""Methods for programs that drive a HighThroughputExecutor themselves, without a kernel."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from parsl_on_dask import version
from parsl_on_dask.executors.lane_executor import LaneExecutor, manager_of
from parsl_on_dask.importing.lazily import by_name
from parsl_on_dask.old_spellings.legacy import warn_once
from parsl_on_dask.serialize.facade import execute_task


class DirectUse(LaneExecutor):
    """Methods of Parsl's ``HighThroughputExecutor`` beyond those that all executors have."""

    #: Blocks that start() asked for and that scale_out_facade() has not returned yet.
    _first_blocks: deque[str]

    def _forget_run(self) -> None:
        super()._forget_run()
        self._first_blocks = deque()

    def start(self) -> None:
        super().start()
        lane: Any = self.lane
        provider = getattr(lane.executor, "provider", None)
        if provider is not None:
            # a cluster of the user's may have had more blocks before
            self._first_blocks.extend(list(lane.status())[: provider.init_blocks])
        self.initialize_scaling()

    def initialize_scaling(self) -> None:
        """Called at the end of :meth:`start`, for subclasses to override. The first blocks are asked for by then."""

    def scale_out_facade(self, n: int) -> list[str]:
        """Ask for ``n`` more blocks, and return the ids of those that were asked for.

        Without a kernel, Parsl's :meth:`start` starts no blocks: programs ask for the first ones by this method. Here
        :meth:`start` has asked for ``init_blocks`` already. So these are returned first, each of them once unless it
        has ended, and only what goes beyond them is asked for.
        """
        lane = self.lane
        if lane is None:
            return []
        first: list[str] = []
        if not lane.in_kernel:
            states = lane.status()
            with suppress(IndexError):  # all of them were returned
                while len(first) < n:
                    block = self._first_blocks.popleft()
                    if block in states and not states[block].terminal:
                        first.append(block)
        return first + super().scale_out_facade(n - len(first))

    @property
    def _task_counter(self) -> int:
        """Number of calls so far, where the endpoint of Globus Compute reads it for its reports."""
        return self._task_ids.count

    def submit_payload(self, context: Mapping[str, Any], buffer: bytes) -> Future[Any]:
        """Run a call that is packed already, and return a future for its outcome.

        Parameters
        ----------
        context : mapping
            ``resource_spec``, the call's resource specification; and ``task_executor``, which names the function that
            is to run the buffer on the worker: ``{"f": "package.module.function", "a": (args...), "k": {kwargs...}}``.
            It is called with the buffer and these arguments. Both may be left out.
        buffer : bytes
            The call. Without ``task_executor``, as :func:`parsl_on_dask.serialize.pack_apply_message` makes it.

        Raises
        ------
        InvalidResourceSpecification
            When this executor does not take ``resource_spec``.
        ExecutorError
            When it is not started.
        """
        return self.submit(run_payload, context.get("resource_spec"), buffer, context.get("task_executor"))

    def connected_managers_packages(self) -> dict[str, dict[str, str]]:
        """Return names and versions of the packages that are installed where workers run, by manager.

        The managers are those of :meth:`connected_managers`.
        """
        lane: Any = self.lane
        first: dict[str, str] = {}
        for worker in () if lane is None else lane.workers():
            first.setdefault(manager_of(worker), worker["address"])
        if not first:
            return {}
        found = by_name("lanes.worker_control:packages")(lane, list(first.values()))
        # this package takes the place of the release of Parsl that it has the API of
        parsl = {"parsl": version.VERSION}
        return {manager: parsl | found[address] for manager, address in first.items() if address in found}

    def hold_worker(self, worker_id: str) -> None:
        """Give the workers of a node no more calls; what they run goes on. Parsl removed it in 2025.

        Parameters
        ----------
        worker_id : str
            A ``manager`` of :meth:`connected_managers`.

        Raises
        ------
        ValueError
            When there is none of this name.
        """
        warn_once("HighThroughputExecutor.hold_worker", "hold_worker() is gone; scale_in() gives whole blocks back.")
        lane: Any = self.lane
        known = [] if lane is None else lane.workers()
        chosen = [worker for worker in known if manager_of(worker) == worker_id]
        if not chosen:
            listed = ", ".join(sorted({manager_of(worker) for worker in known})) or "none"
            raise ValueError(f"hold_worker({worker_id!r}): there is no such manager. Connected managers: {listed}")
        by_name("lanes.worker_control:hold")(lane, chosen)


def run_payload(buffer: bytes, task_executor: Mapping[str, Any] | None = None) -> Any:
    """Run a packed call in this thread, by the function that ``task_executor`` names."""
    if not task_executor:
        return execute_task(buffer)
    module, _, name = task_executor["f"].rpartition(".")
    run: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return run(buffer, *task_executor.get("a", ()), **task_executor.get("k", {}))
