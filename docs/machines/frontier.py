"""Frontier (OLCF, USA): nodes with eight graphics dies (GCDs) of four MI250X each. Slurm.

Not run on the machine itself.

To change: the account and the environment. The file system /lustre/orion has to have the run directory. Nodes are
always whole; one core of each eight is the system's, so 56 are left. Each worker has the seven cores next to its GCD.

Sources:

- https://docs.olcf.ornl.gov/systems/frontier_user_guide.html: partition, low-noise mode, cores next to the GCDs,
  srun's options. Read in its repository, https://github.com/olcf/olcf-user-docs, as of July 2026.
- https://docs.olcf.ornl.gov/software/workflows/parsl.html: that OLCF offers Parsl. Read there, too.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="gcds",
            available_accelerators=8,
            max_workers_per_node=8,
            cpu_affinity="list:49-55:57-63:17-23:25-31:1-7:9-15:33-39:41-47",
            provider=SlurmProvider(
                partition="batch",
                account="ABC123",
                nodes_per_block=2,
                cores_per_node=56,
                gpus_per_node=8,
                exclusive=False,  # nodes are whole anyway
                walltime="01:00:00",
                worker_init="module load miniforge3; source activate my_environment",
                launcher=SrunLauncher(overrides="--gpus-per-node=8 --gpu-bind=none --threads-per-core=1"),
                init_blocks=0,
                max_blocks=2,
            ),
        )
    ],
    retries=1,
)
