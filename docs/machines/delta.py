"""Delta (NCSA, USA): nodes with four A100 each, and CPU nodes. Slurm.

Not run on the machine itself.

To change: the account and the environment. Accounts end in "-delta-gpu" and "-delta-cpu". A job has little memory
unless it asks for some. The constraint names the file systems that have to be there.

Sources:

- https://docs.ncsa.illinois.edu/systems/delta/en/latest/user_guide/architecture.html: nodes, no hardware threads.
  Read as a stored copy.
- https://row.readthedocs.io/en/latest/clusters/built-in.html: little memory by default. Read in its repository,
  https://github.com/glotzerlab/row, as of 2026.
- https://docs.ncsa.illinois.edu/systems/delta/en/latest/user_guide/running_jobs.html: partitions, 208 GB, constraint.
  From memory; public job scripts agree.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

PROJECT = "bbka"
WORKER_INIT = "source $HOME/my_environment/bin/activate"

config = Config(
    executors=[
        HighThroughputExecutor(
            label="a100",
            available_accelerators=4,
            max_workers_per_node=4,
            cpu_affinity="block",
            provider=SlurmProvider(
                partition="gpuA100x4",
                account=f"{PROJECT}-delta-gpu",
                constraint="scratch",
                nodes_per_block=1,
                cores_per_node=64,
                mem_per_node=208,
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
            provider=SlurmProvider(
                partition="cpu",
                account=f"{PROJECT}-delta-cpu",
                constraint="scratch",
                nodes_per_block=2,
                cores_per_node=128,
                mem_per_node=208,
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
