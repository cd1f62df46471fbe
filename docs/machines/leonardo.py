"""Leonardo (CINECA, Italy, EuroHPC): Booster nodes with four A100 each. Slurm.

Not run on the machine itself.

To change: the account and the environment. A node has 32 cores, and 494000 MB that can be asked for. Compute nodes do
not reach the internet.

Sources:

- https://docs.hpc.cineca.it/hpc/leonardo.html: nodes and partitions. Read as a stored copy.
- https://github.com/BLAST-WarpX/warpx/tree/development/Tools/machines/leonardo-cineca: partition, memory, GPUs in a
  job script. Read as of July 2026.
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
            cpu_affinity="block",
            provider=SlurmProvider(
                partition="boost_usr_prod",
                account="MY_PROJECT",
                nodes_per_block=2,
                cores_per_node=32,
                gres="gpu:4",
                scheduler_options="#SBATCH --mem=494000",
                exclusive=False,
                walltime="02:00:00",
                worker_init="module load python; source $WORK/my_environment/bin/activate",
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=2,
            ),
        )
    ],
    retries=1,
)
