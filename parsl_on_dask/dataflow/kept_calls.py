"""What it takes to run a failed call again, kept in the run's directory.

A file holds a header, which any Python can read, and the call, which needs the modules of its function. Another one has
the executors. See :mod:`parsl_on_dask.common.failed_calls`, which reads them.
"""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import platform
import re
import sys
import threading
from collections.abc import Mapping
from typing import Any

from parsl_on_dask import version
from parsl_on_dask.common.failed_calls import EXECUTORS, FOLDER, command
from parsl_on_dask.common.task_errors import PropagatedException
from parsl_on_dask.dataflow.surroundings import Surroundings, surroundings
from parsl_on_dask.dataflow.taskrecord import TaskRecord
from parsl_on_dask.executors.specifications import MEGABYTE
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.remote.packing import Pickler
from parsl_on_dask.remote.sidefiles import write_private

logger = logging.getLogger("parsl.dataflow.kept_calls")

#: Names of environment variables whose values are left out.
SECRET = re.compile(r"TOKEN|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|(^|_)KEY($|_)|APIKEY|PRIVATE|SESSION", re.IGNORECASE)


class TooLarge(Exception):
    """A call takes more room than there is."""


class KeptCalls:
    """Keeps the failed calls of one run.

    - `per_call`, `per_run`: megabytes.
    - `executors`: those of the run, by label.
    - `began`: what there was when the kernel started: workers keep that.
    """

    def __init__(
        self, run_dir: str, per_call: float, per_run: float, executors: Mapping[str, Any], began: Surroundings
    ) -> None:
        self.run_dir = run_dir
        self.folder = os.path.join(run_dir, FOLDER)
        self.per_call = int(per_call * MEGABYTE)
        self.left = int(per_run * MEGABYTE)
        self.began = began
        self.threads = {label for label, executor in executors.items() if getattr(executor, "kind", "") == "threads"}
        self.executors: Mapping[str, Any] | None = executors
        self.lock = threading.Lock()

    def wants(self, record: TaskRecord, error: BaseException) -> bool:
        """Whether a call is worth being kept, and there is room."""
        return self.left > 0 and not record.join and not isinstance(error, PropagatedException)

    def keep(self, record: TaskRecord, error: BaseException) -> None:
        """Write a call to its file, and note on its exception how to run it again. What cannot be kept is logged.

        It pickles what belongs to the user.
        """
        try:
            call = self._pickled((record.func, record.args, record.kwargs))
            text = json.dumps(self._header(record, error)).encode() + b"\n"
            with self.lock:
                if len(text) + len(call) > self.left:
                    raise TooLarge(f"{len(call)} bytes, and {self.left} are left for this run")
                self.left -= len(text) + len(call)
                executors, self.executors = self.executors, None
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            if executors is not None:
                write_private(os.path.join(self.folder, EXECUTORS), self._described(executors))
            write_private(os.path.join(self.folder, f"{record.id}.call"), text + call)
        except BaseException as e:  # whatever a pickle of the user's raises: the call has failed anyway
            logger.info("Task %s cannot be kept to be run again: %s: %s", record.id, type(e).__name__, e)
            return
        note = f"To run this call again, here and alone: {command(self.run_dir, record.id)}"
        if hasattr(error, "add_note") and not any("parsl_on_dask replay" in n for n in getattr(error, "__notes__", ())):
            error.add_note(note)

    def _pickled(self, value: Any) -> bytes:
        class Fetching(Pickler):
            def reducer_override(self, obj: Any) -> Any:
                if type(obj) is RemoteValue:
                    if obj.size > limit:
                        raise TooLarge(f"an argument of {obj.size} bytes")
                    return _same, (obj.fetch(),)
                return super().reducer_override(obj)

        limit = min(self.per_call, self.left)
        target = _Limited(limit)
        Fetching(target).dump(value)
        return target.getvalue()

    def _header(self, record: TaskRecord, error: BaseException) -> dict[str, Any]:
        around = surroundings() if record.executor in self.threads else self.began
        return {
            "task": record.id,
            "app": record.func_name,
            "executor": record.executor,
            "error": [type(error).__module__, type(error).__qualname__, str(error)],
            "directory": around.directory,
            "path": [os.path.abspath(entry) for entry in sys.path],
            "environment": {k: v for k, v in around.environment.items() if not SECRET.search(k)},
            "python": platform.python_version(),
            "package": version.PACKAGE_VERSION,
        }

    def _described(self, executors: Mapping[str, Any]) -> bytes:
        found = {}
        for label, executor in executors.items():
            try:
                found[label] = self._pickled(executor)
            except Exception as e:  # somebody else's, or with a provider of the user's that holds a lock
                logger.info("Executor %s cannot be kept for running calls again: %s: %s", label, type(e).__name__, e)
        return pickle.dumps(found)


class _Limited(io.BytesIO):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > self.limit:
            raise TooLarge(f"more than {self.limit} bytes")
        return super().write(data)


def _same(value: Any) -> Any:
    return value
