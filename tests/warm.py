"""Worker processes that several kernels use one after the other, where a test is about something else than them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parsl_on_dask.clusters.base import connected
from parsl_on_dask.clusters.local import LocalCluster
from parsl_on_dask.clusters.started import StartedCluster


class WarmCluster(LocalCluster):
    """Workers that run already, for one more executor; they stay when it leaves."""

    def __init__(self, executor: Any, owner: LocalCluster) -> None:
        StartedCluster.__init__(self, executor)
        self.owner, self.scratch, self.blocks = owner, owner.scratch, owner.blocks
        self.ends, self.news = owner.ends, owner.news
        self._begin()

    def _start(self) -> None:
        self.client = connected(self.label, self.owner.address, self.owner.client.security)

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
