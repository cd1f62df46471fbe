"""Expanse (SDSC, USA): CPU nodes, and nodes with four V100 each. Slurm.

Not run on the machine itself.

To change: the account and the environment. "compute" gives whole nodes; what is not asked for of the memory is not
given, and 0 asks for all of it. "shared" and "gpu-shared" give parts of nodes.

Sources:

- https://access-ci.atlassian.net/wiki/spaces/ACCESSdocumentation/pages/467111296 and
  https://sdsc.edu/services/hpc/hpc_systems.html: nodes. Read as stored copies.
- https://github.com/radical-cybertools/radical.pilot, resource_access.json: partition, cores. Read as of 2026.
- https://www.sdsc.edu/systems/expanse/user_guide.html: memory, the module slurm, the partition "gpu". From memory.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

ACCOUNT = "abc123"
WORKER_INIT = "module load slurm; source $HOME/my_environment/bin/activate"

config = Config(
    executors=[
        HighThroughputExecutor(
            label="compute",
            provider=SlurmProvider(
                partition="compute",
                account=ACCOUNT,
                nodes_per_block=2,
                cores_per_node=128,
                scheduler_options="#SBATCH --mem=0",
                walltime="01:00:00",
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
                partition="gpu",
                account=ACCOUNT,
                nodes_per_block=1,
                cores_per_node=40,
                gpus_per_node=4,
                scheduler_options="#SBATCH --mem=0",
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
