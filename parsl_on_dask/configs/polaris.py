"""Nodes with four GPUs each of Polaris (Argonne)."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import MpiExecLauncher
from parsl_on_dask.providers import PBSProProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            available_accelerators=4,
            cpu_affinity="alternating",
            prefetch_capacity=0,
            provider=PBSProProvider(
                account="YOUR_ACCOUNT",
                worker_init="module load conda; conda activate YOUR_ENV",
                walltime="01:00:00",  # what the queue allows
                queue="prod",
                scheduler_options="#PBS -l filesystems=home:eagle",
                launcher=MpiExecLauncher(bind_cmd="--cpu-bind", overrides="--depth=64 --ppn 1"),
                select_options="ngpus=4",
                nodes_per_block=128,
                min_blocks=0,
                max_blocks=1,
                cpus_per_node=64,
            ),
        )
    ],
)
