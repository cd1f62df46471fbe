"""How far a run without a terminal is: a small file in its run directory, for ``ps`` and ``attach``."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from parsl_on_dask.common import run_records
from parsl_on_dask.monitoring import counts
from parsl_on_dask.monitoring.counts import AppCounts, Pace
from parsl_on_dask.remote.sidefiles import replacing_file

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel

logger = logging.getLogger("parsl.monitoring.published")

#: The file, and seconds between two looks at the kernel.
FILE = "progress.json"
PERIOD = 1.0

_newest: Published | None = None
_lock = threading.Lock()


class Standing(NamedTuple):
    """How far a run is.

    - `apps`: counts of the tasks of each app.
    - `blocks`: number of blocks by state, ``"running"`` and ``"pending"``.
    - `passed`: seconds since the kernel was loaded.
    """

    apps: Sequence[AppCounts]
    blocks: Mapping[str, int]
    passed: float


class Published:
    """Writes how far a kernel is, once a second, if something has changed.

    Of several kernels in one process the newest does.
    """

    def __init__(self, kernel: Kernel) -> None:
        global _newest
        self.kernel = kernel
        self.pace = Pace()
        self.last: Any = None
        self.ended = threading.Event()
        with _lock:
            before, _newest = _newest, self
        if before is not None:
            before.close()
        run_records.note_run_dirs(kernel.run_dir)
        self.thread = threading.Thread(target=self._follow, name="parsl-published", daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        while True:
            ended = self.ended.wait(PERIOD)
            self._write()
            if ended:
                return

    def close(self) -> None:
        """Write a last time."""
        self.ended.set()
        self.thread.join(10)

    def _write(self) -> None:
        try:
            executors = [self.kernel.executors[label] for label in self.kernel.labels()]
            now: Any = {"apps": counts.of_kernel(self.kernel), "blocks": blocks_of(executors)}
            if now == self.last:
                return
            publish(self.kernel.run_dir, **now, passed=self.pace.passed)
            self.last = now
        except Exception:  # the run goes on without
            logger.debug("progress could not be written", exc_info=True)


def publish(run_dir: str, apps: Sequence[AppCounts], blocks: Mapping[str, int], passed: float) -> None:
    """Say how far the run of a run directory is."""
    with replacing_file(os.path.join(run_dir, FILE), sync=False) as file:
        file.write(json.dumps({"apps": apps, "blocks": blocks, "passed": round(passed, 1)}).encode())


def standing(run_dir: str) -> Standing | None:
    """How far the run of a run directory is, or was when it ended; None when that is not known."""
    with suppress(OSError, ValueError, TypeError, KeyError), open(os.path.join(run_dir, FILE)) as file:
        found = json.load(file)
        return Standing([AppCounts(*row) for row in found["apps"]], found["blocks"], found["passed"])
    return None


def blocks_of(executors: Iterable[Any]) -> dict[str, int]:
    """How many blocks there are by state, as executors know without asking."""
    found: dict[str, int] = {}
    for executor in executors:
        if getattr(executor, "lane", None) is None or getattr(executor, "provider", None) is None:
            continue
        for status in executor.status().values():
            if not status.terminal:
                word = "running" if status.status_name == "RUNNING" else "pending"
                found[word] = found.get(word, 0) + 1
    return found
