"""Four slots of the Open Science Grid."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import CondorProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="OSG_HTEX",
            max_workers_per_node=1,
            provider=CondorProvider(
                nodes_per_block=1,
                init_blocks=4,
                max_blocks=4,
                scheduler_options='+ProjectName = "MyProject"\nRequirements = HAS_MODULES=?=TRUE',
                worker_init="module load python; python3 -m venv env; . env/bin/activate; pip install parsl-on-dask",
                walltime="00:20:00",
            ),
            worker_logdir_root="$OSG_WN_TMP",
            worker_port=31000,
        )
    ],
)
