"""Providers of systems that are gone, and Parsl's thread that looks after blocks: each says what to use instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parsl_on_dask.channels.ssh_channels import SSHChannel
from parsl_on_dask.common.refused_classes import refused_class
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.cluster_provider import ClusterProvider


def _hosts(channels: Sequence[Any] = (), *args: Any, **kwargs: Any) -> str:
    hosts = [channel.host for channel in channels if isinstance(channel, SSHChannel)]
    return (
        "Parsl removed it, and its channels, in 2024. Write the executor "
        f"DaskExecutor(hosts={hosts or ['node1', 'me@node2']!r}) for hosts that ssh reaches without a "
        "password, and HighThroughputExecutor() for this machine."
    )


AdHocProvider = refused_class(
    __name__,
    "AdHocProvider",
    _hosts,
    "channels=(), worker_init='', cmd_timeout=30, parallelism=1, move_files=None",
    (ExecutionProvider,),
)

CobaltProvider = refused_class(
    __name__,
    "CobaltProvider",
    "Cobalt is gone, from Parsl in 2024.11 and from the machines that had it. Write PBSProProvider(...), which has "
    "the same arguments; scheduler_options takes lines of '#PBS'.",
    "channel=None, nodes_per_block=1, init_blocks=0, min_blocks=0, max_blocks=1, parallelism=1, walltime='00:10:00', "
    "account=None, queue=None, scheduler_options='', worker_init='', launcher=None, cmd_timeout=10",
    (ClusterProvider,),
)

JetstreamProvider = refused_class(
    __name__,
    "JetstreamProvider",
    "that cloud is gone, and Parsl removed the provider in 2020. On Jetstream2, start a Dask cluster (dask-kubernetes, "
    "or `dask scheduler` and `dask worker` on its machines) and write DaskExecutor('tls://host:8786', security=...).",
    "config=None, poolname=None",
    status_polling_interval=60,
)

JobStatusPoller = refused_class(
    __name__,
    "JobStatusPoller",
    "each executor's cluster looks after its own blocks. Give Config strategy=, strategy_period= and max_idletime=; "
    "read states with executor.status(), and scale with executor.scale_out_facade(n).",
    "*, strategy, max_idletime, strategy_period, dfk=None",
    methods={"poll": "", "add_executors": "executors", "make_callback": "kind=None", "close": "timeout=None"},
)
