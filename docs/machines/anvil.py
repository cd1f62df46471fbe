"""Anvil (Purdue, USA): CPU nodes, and nodes with four A100 each. Slurm.

Not run on the machine itself.

To change: the account and the environment. "wholenode" wants multiples of 128 cores; memory comes with the cores and
need not be asked for. "shared" gives parts of nodes. GPU allocations are accounts of their own, whose names end in
"-gpu".

Sources:

- https://row.readthedocs.io/en/latest/clusters/built-in.html: partitions, multiples of 128 cores, memory. Read in its
  repository, https://github.com/glotzerlab/row, as of 2026.
- https://github.com/radical-cybertools/radical.pilot, resource_purdue.json: cores and GPUs. Read as of 2026.
- https://docs.rcac.purdue.edu/userguides/anvil/: names of accounts. From memory.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

ACCOUNT = "abc123456"
WORKER_INIT = "module load conda; conda activate my_environment"

config = Config(
    executors=[
        HighThroughputExecutor(
            label="wholenode",
            provider=SlurmProvider(
                partition="wholenode",
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
            available_accelerators=4,
            max_workers_per_node=4,
            cpu_affinity="block",
            provider=SlurmProvider(
                partition="gpu",
                account=f"{ACCOUNT}-gpu",
                nodes_per_block=1,
                cores_per_node=128,
                gpus_per_node=4,
                exclusive=False,
                walltime="01:00:00",
                worker_init=f"module load modtree/gpu; {WORKER_INIT}",
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=1,
            ),
        ),
    ],
    retries=1,
)
