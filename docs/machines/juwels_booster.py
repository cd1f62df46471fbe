"""JUWELS Booster (JSC, Germany): nodes with four A100 each. Slurm.

Not run on the machine itself.

To change: the budget and the environment. Nodes are always whole: 48 cores with two hardware threads each, which
Slurm counts as 96 CPUs. "develbooster" is for tests. Compute nodes do not reach the internet.

Sources:

- https://apps.fz-juelich.de/jsc/hps/juwels/batchsystem.html: whole nodes, threads as CPUs. Read as a stored copy.
- https://github.com/BLAST-WarpX/warpx/tree/development/Tools/machines/juwels-jsc: partition and GPUs in a job script.
  Read as of July 2026.
- https://apps.fz-juelich.de/jsc/hps/juwels/configuration.html: cores of a node, and which are
  next to which GPU. From memory.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="booster",
            available_accelerators=4,
            max_workers_per_node=4,
            # a quarter of the cores with the NUMA domain next to each GPU, with both hardware threads
            cpu_affinity="list:12-23,60-71:0-11,48-59:36-47,84-95:24-35,72-83",
            provider=SlurmProvider(
                partition="booster",
                account="my_budget",
                nodes_per_block=2,
                cores_per_node=96,
                gres="gpu:4",
                exclusive=False,  # nodes are whole anyway
                walltime="01:00:00",
                worker_init="module load Stages GCC Python; source $PROJECT/my_environment/bin/activate",
                launcher=SrunLauncher(overrides="--cpu-bind=none"),
                init_blocks=0,
                max_blocks=2,
            ),
        )
    ],
    retries=1,
)
