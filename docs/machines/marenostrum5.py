"""MareNostrum 5 (BSC, Spain, EuroHPC): nodes with four H100 each, and CPU nodes. Slurm.

Not run on the machine itself.

To change: account and QOS: "acc_ehpc" and "gp_ehpc" are for EuroHPC's projects, "acc_bsccs" and others for BSC's own,
and "acc_debug", "gp_debug" for tests. The QOS chooses the nodes. Memory cannot be asked for; 20 cores come with each
GPU. Neither login nor compute nodes reach the internet.

Sources:

- https://github.com/EESSI/test-suite/blob/main/config/bsc_marenostrum5.py: QOS, no --mem. Read as of 2026.
- https://www.bsc.es/supportkc/docs/MareNostrum5/intro/ and https://www.bsc.es/supportkc/docs/MareNostrum5/slurm/: 80
  cores and four GPUs of an accelerated node, 112 cores of a general one. From memory; public job scripts agree.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

ACCOUNT = "ehpc00"
WORKER_INIT = "module load miniforge; source activate my_environment"

config = Config(
    executors=[
        HighThroughputExecutor(
            label="accelerated",
            available_accelerators=4,
            max_workers_per_node=4,
            cpu_affinity="block",
            provider=SlurmProvider(
                account=ACCOUNT,
                qos="acc_ehpc",
                nodes_per_block=2,
                cores_per_node=80,
                gres="gpu:4",
                walltime="02:00:00",
                worker_init=WORKER_INIT,
                launcher=SrunLauncher(),
                init_blocks=0,
                max_blocks=2,
            ),
        ),
        HighThroughputExecutor(
            label="general",
            provider=SlurmProvider(
                account=ACCOUNT,
                qos="gp_ehpc",
                nodes_per_block=2,
                cores_per_node=112,
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
