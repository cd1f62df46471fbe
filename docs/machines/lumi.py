"""LUMI (CSC, Finland, EuroHPC): nodes with eight graphics dies (GCDs) each, and CPU nodes. Slurm.

Not run on the machine itself.

To change: the project and the environment. "standard-g" and "standard" give whole nodes only; "small-g" and "small"
give parts. One core of each eight is the system's on GPU nodes, and jobs that ask for 64 never run. Each worker has
the seven cores next to its GCD. The site recommends Python
in a container.

Sources:

- https://docs.lumi-supercomputer.eu/runjobs/scheduled-jobs/partitions/ and
  https://docs.lumi-supercomputer.eu/runjobs/scheduled-jobs/lumig-job/: partitions, cores, binding. Read in their
  repository, https://github.com/Lumi-supercomputer/lumi-userguide, as of October 2024.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

PROJECT = "project_465000000"
WORKER_INIT = "export PATH=/projappl/project_465000000/my_environment/bin:$PATH"

config = Config(
    executors=[
        HighThroughputExecutor(
            label="gcds",
            available_accelerators=8,
            max_workers_per_node=8,
            cpu_affinity="list:49-55:57-63:17-23:25-31:1-7:9-15:33-39:41-47",
            provider=SlurmProvider(
                partition="standard-g",
                account=PROJECT,
                nodes_per_block=2,
                cores_per_node=56,
                gpus_per_node=8,
                exclusive=False,  # the partition gives whole nodes anyway
                walltime="01:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(overrides="--gpu-bind=none"),
                init_blocks=0,
                max_blocks=2,
            ),
        ),
        HighThroughputExecutor(
            label="cores",
            provider=SlurmProvider(
                partition="standard",
                account=PROJECT,
                nodes_per_block=2,
                cores_per_node=128,
                exclusive=False,
                walltime="01:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(overrides="--hint=nomultithread"),
                init_blocks=0,
                max_blocks=2,
            ),
        ),
    ],
    retries=1,
)
