"""Bridges-2 (PSC, USA): CPU nodes, and nodes with eight V100 each. Slurm.

Not run on the machine itself.

To change: the account and the environment. "RM" and "GPU" give whole nodes with all their memory; "RM-shared" and
"GPU-shared" give parts. GPUs are asked for by their kind, for the whole job.

Sources:

- https://www.psc.edu/resources/bridges-2/: nodes. Read as a stored copy.
- https://github.com/radical-cybertools/radical.pilot, resource_access.json: partition. Read as of 2026.
- https://www.psc.edu/resources/bridges-2/user-guide/: whole nodes, memory, GPUs. From memory; public job scripts
  agree.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

ACCOUNT = "abc000000p"
WORKER_INIT = "module load anaconda3; conda activate my_environment"

config = Config(
    executors=[
        HighThroughputExecutor(
            label="rm",
            provider=SlurmProvider(
                partition="RM",
                account=ACCOUNT,
                nodes_per_block=2,
                cores_per_node=128,
                exclusive=False,  # nodes of this partition are whole anyway
                walltime="01:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=2,
            ),
        ),
        HighThroughputExecutor(
            label="gpu",
            available_accelerators=8,
            max_workers_per_node=8,
            cpu_affinity="block",
            provider=SlurmProvider(
                partition="GPU",
                account=ACCOUNT,
                nodes_per_block=1,
                cores_per_node=40,
                scheduler_options="#SBATCH --gpus=v100-32:8",
                exclusive=False,
                walltime="01:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=1,
            ),
        ),
    ],
    retries=1,
)
