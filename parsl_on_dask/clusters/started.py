"""What all clusters have in common whose scheduler, and whose workers, this process starts."""

from __future__ import annotations

import abc
import sys
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters.base import Cluster
from parsl_on_dask.clusters.blockspec import warn_of_idle_nodes
from parsl_on_dask.clusters.roster import Member, parts_of

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor

#: This process's Python; functions travel as bytecode, which differs between minor versions.
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class StartedCluster(Cluster):
    """A scheduler, and workers in blocks."""

    started_here = True
    parsl_page = True

    def __init__(self, executor: HighThroughputExecutor) -> None:
        super().__init__(executor)
        self.provider: Any = executor.provider

    def _begin(self) -> None:
        """Start it, or leave nothing behind."""
        warn_of_idle_nodes(self.executor)
        try:
            self._start()
            self.roster.begin(self.client)
        except BaseException:
            self.close()
            raise

    @abc.abstractmethod
    def _start(self) -> None:
        """Start the scheduler, ask for the first blocks, and connect :attr:`client`."""

    def block_of(self, worker: str) -> str | None:
        return parts_of(worker)[0]

    def greet(self, worker: Member) -> None:
        if worker.python not in (None, PYTHON) and self.error is None:
            self.error = (
                f"its workers run Python {worker.python}, this script Python {PYTHON}. Functions cannot be sent "
                "between them: give the provider, or the jobqueue settings, the path of a Python of this version"
            )
