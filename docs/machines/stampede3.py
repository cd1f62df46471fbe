"""Stampede3 (TACC, USA): CPU nodes of three generations. Slurm.

Not run on the machine itself.

To change: partition, account and environment. "skx" has nodes of 48 cores, "icx" of 80, "spr" of 112; "skx-dev" is
for tests. A user may have so many jobs at a time: 40 in skx, 12 in icx, 24 in spr. Nodes are always whole, and memory
need not be asked for. An account is needed by those who have several.

Sources:

- https://docs.tacc.utexas.edu/hpc/stampede3/: all of it. Read in its repository, https://github.com/TACC/TACC-Docs,
  as of August 2026. It starts MPI programs with ibrun; workers are one process a node, for which srun is enough.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="skx",
            provider=SlurmProvider(
                partition="skx",
                account="MY_PROJECT",
                nodes_per_block=2,
                cores_per_node=48,
                exclusive=False,  # nodes are whole anyway
                walltime="01:00:00",
                worker_init="source $WORK/my_environment/bin/activate",
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=4,
            ),
        )
    ],
    retries=1,
)
