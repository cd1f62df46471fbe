"""Perlmutter (NERSC, USA): nodes with four A100 each, and CPU nodes. Slurm.

Not run on the machine itself.

To change: ACCOUNT, and the environment that worker_init loads. The names of GPU projects end in "_g". Jobs of less
than a node are for the QOS "shared". Run the script on a login node, or in the QOS "workflow".

Sources:

- https://docs.nersc.gov/jobs/ and https://docs.nersc.gov/jobs/workflow/workflow-queue/: read as stored copies.
- https://github.com/BLAST-WarpX/warpx/tree/development/Tools/machines/perlmutter-nersc: constraint, QOS, whole nodes
  with 4 GPUs and 128 CPUs, GPUs in the opposite order of the cores. Read as of July 2026.
- https://docs.nersc.gov/systems/perlmutter/architecture/: 256 CPUs of a CPU node. From memory.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

ACCOUNT = "m0000"
WORKER_INIT = "module load python; conda activate my_environment"

config = Config(
    executors=[
        HighThroughputExecutor(
            label="gpu",
            available_accelerators=4,
            max_workers_per_node=4,
            # the cores next to each GPU, with both hardware threads: those of the first GPU are the last ones
            cpu_affinity="list:48-63,112-127:32-47,96-111:16-31,80-95:0-15,64-79",
            provider=SlurmProvider(
                account=f"{ACCOUNT}_g",
                qos="regular",
                constraint="gpu",
                nodes_per_block=2,
                cores_per_node=128,
                gpus_per_node=4,
                walltime="01:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(overrides="--gpu-bind=none"),
                init_blocks=0,
                max_blocks=2,
            ),
        ),
        HighThroughputExecutor(
            label="cpu",
            cores_per_worker=2,  # two hardware threads of a core
            provider=SlurmProvider(
                account=ACCOUNT,
                qos="regular",
                constraint="cpu",
                nodes_per_block=2,
                cores_per_node=256,
                walltime="01:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=2,
            ),
        ),
    ],
    retries=1,
)
