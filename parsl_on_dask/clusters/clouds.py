"""Clusters in clouds: what executors with a provider of a cloud become."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters.existing import ExistingCluster
from parsl_on_dask.errors import ExecutorError, ParslError

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor

logger = logging.getLogger("parsl.clusters.clouds")


class CloudCluster(ExistingCluster):
    """A cluster that a provider of a cloud makes, and that ends with the kernel.

    Parameters
    ----------
    executor : HighThroughputExecutor
        With a :class:`~parsl_on_dask.providers.cloud.CloudProvider`.

    Raises
    ------
    OptionalModuleMissing
        When what makes the cluster is not installed.
    ExecutorError
        When it cannot be made.
    """

    def __init__(self, executor: HighThroughputExecutor) -> None:
        from parsl_on_dask.executors.dask import DaskExecutor

        provider: Any = executor.provider
        try:
            self.made: Any = provider.make_cluster()
        except ParslError:
            raise
        except Exception as e:
            kind = type(provider).__name__
            raise ExecutorError(executor, f"{kind} could not make its cluster: {type(e).__name__}: {e}") from e
        try:
            super().__init__(DaskExecutor(cluster=self.made, label=executor.label))
        except BaseException:
            self.made.close()
            raise

    def close(self) -> None:
        super().close()
        made, self.made = self.made, None
        if made is not None:
            made.close()
