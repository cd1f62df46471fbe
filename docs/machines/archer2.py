"""ARCHER2 (EPCC, UK): CPU nodes. Slurm.

Not run on the machine itself.

To change: the budget and the environment. Compute nodes see /work and not /home, so script, environment and run
directory have to be there. Partition and QOS have to be named; nodes are always whole, and memory need not be asked
for. The QOS "short" is for tests, "taskfarm" for many small jobs.

Sources:

- https://docs.archer2.ac.uk/user-guide/scheduler/: partitions, QOS, whole nodes, options of srun. Read in its
  repository, https://github.com/EPCCed/archer2-docs, as of January 2025.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="standard",
            provider=SlurmProvider(
                partition="standard",
                account="e000",
                qos="standard",
                nodes_per_block=2,
                cores_per_node=128,
                walltime="01:00:00",
                worker_init="source /work/e000/e000/username/my_environment/bin/activate",
                launcher=SrunLauncher(overrides="--distribution=block:block --hint=nomultithread"),
                init_blocks=0,
                max_blocks=2,
            ),
        )
    ],
    retries=1,
)
