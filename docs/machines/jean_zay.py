"""Jean Zay (IDRIS, France): nodes with eight A100 each, and CPU nodes. Slurm.

Not run on the machine itself.

To change: the project and the environment. Hours belong to a kind of node, which the account names: "@a100", "@v100",
"@h100", "@cpu". Memory comes with the cores and cannot be asked for. Compute nodes do not reach the internet.

Sources:

- http://www.idris.fr/en/docs/jean-zay/slurm/slurm_partitions_gpu and
  http://www.idris.fr/en/docs/jean-zay/slurm/slurm_partitions_cpu: partitions and constraints. Read as stored copies.
- https://github.com/jean-zay-users/jean-zay-doc: no hardware threads, GPUs by --gres, 40 cores of a CPU node. Read as
  of November 2025.
- http://www.idris.fr/eng/jean-zay/cpu/jean-zay-cpu-hw-eng.html: 64 cores of an A100 node; memory. From memory.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

PROJECT = "abc"
WORKER_INIT = "module load miniforge; conda activate my_environment"

config = Config(
    executors=[
        HighThroughputExecutor(
            label="a100",
            available_accelerators=8,
            max_workers_per_node=8,
            cpu_affinity="block",
            provider=SlurmProvider(
                account=f"{PROJECT}@a100",
                constraint="a100",
                nodes_per_block=1,
                cores_per_node=64,
                gres="gpu:8",
                scheduler_options="#SBATCH --hint=nomultithread",
                walltime="02:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=2,
            ),
        ),
        HighThroughputExecutor(
            label="cpu",
            provider=SlurmProvider(
                partition="cpu_p1",
                account=f"{PROJECT}@cpu",
                nodes_per_block=2,
                cores_per_node=40,
                scheduler_options="#SBATCH --hint=nomultithread",
                walltime="02:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=2,
            ),
        ),
    ],
    retries=1,
)
