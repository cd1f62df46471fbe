"""Narval (Digital Research Alliance of Canada): CPU nodes, and nodes with four A100 each. Slurm.

Not run on the machine itself.

To change: the account and the environment. No partition is named: Slurm finds it. --mem=0 asks for all memory of
whole nodes. Jobs should take an hour at least, and a user has 1000 of them at the most. Compute nodes do not reach
the internet. fir.py has the same for Fir; Rorqual and Nibi take other numbers of cores.

Sources:

- https://docs.alliancecan.ca/wiki/Narval/en, https://docs.alliancecan.ca/wiki/Advanced_MPI_scheduling/en and
  https://docs.alliancecan.ca/wiki/Using_GPUs_with_Slurm/en: all of it. Read in a copy,
  https://github.com/ualberta-rcg/ragflow-wiki-data, as of April 2026.
- https://docs.alliancecan.ca/wiki/Narval/en: 48 cores of a GPU node. From memory.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

ACCOUNT = "def-someuser"
WORKER_INIT = "module load python; source $HOME/my_environment/bin/activate"

config = Config(
    executors=[
        HighThroughputExecutor(
            label="cpu",
            provider=SlurmProvider(
                account=ACCOUNT,
                nodes_per_block=2,
                cores_per_node=64,
                scheduler_options="#SBATCH --mem=0",
                exclusive=False,
                walltime="03:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=2,
            ),
        ),
        HighThroughputExecutor(
            label="gpu",
            available_accelerators=4,
            max_workers_per_node=4,
            cpu_affinity="block",
            provider=SlurmProvider(
                account=ACCOUNT,
                nodes_per_block=1,
                cores_per_node=48,
                scheduler_options="#SBATCH --mem=0\n#SBATCH --gpus-per-node=a100:4",
                exclusive=False,
                walltime="03:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=1,
            ),
        ),
    ],
    retries=1,
)
