"""Worker processes that several kernels use one after the other, where a test is about something else than them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parsl_on_dask.clusters.base import connected
from parsl_on_dask.clusters.local import LocalCluster


class WarmCluster(LocalCluster):
    """Workers that run already, for one more executor; they stay when it leaves."""

    def __init__(self, executor: Any, owner: LocalCluster) -> None:
        self.owner = owner
        self.executor, self.provider, self.label = executor, executor.provider, executor.label
        self.error, self.closed, self.scratch = None, False, owner.scratch
        self.blocks, self.pids, self.down = owner.blocks, owner.pids, owner.down
        self.ends, self.news = owner.ends, owner.news
        self.client = connected(self.label, owner.address, owner.client.security)

    def trouble(self) -> BaseException | None:
        self.error = self.owner.error
        return super().trouble()

    def close(self) -> None:
        self.closed = True
        self.client.close(timeout=5)


@contextmanager
def started(executor: Any, directory: Path) -> Iterator[LocalCluster]:
    """The cluster that an executor describes."""
    executor.run_dir = str(directory)
    cluster = LocalCluster(executor)
    try:
        yield cluster
    finally:
        cluster.close()
