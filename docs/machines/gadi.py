"""Gadi (NCI, Australia): CPU nodes. PBS Pro.

Not run on the machine itself.

To change: project, file systems and environment. Gadi takes cores and memory of the whole job instead of select, and
the project by -P; file systems have to be named in "storage". job_directives_skip leaves the select line out; it is a
setting of this package, which a real Parsl does not have. Compute nodes do not reach the internet.

Sources:

- https://opus.nci.org.au/spaces/Help/pages/236880942/Job+Costs... : 48 cores and 192 GiB of a node of the queue
  "normal". Read as a stored copy.
- https://github.com/nf-core/configs/blob/master/docs/nci_gadi.md: storage, queues, internet. Read as of August 2026.
- https://opus.nci.org.au/spaces/Help/pages/236880086 ("PBS directives explained" nearby): -P, ncpus, mem, jobfs. From
  memory; public dask-jobqueue settings for Gadi agree.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import MpiExecLauncher
from parsl.providers import PBSProProvider

PROJECT = "ab12"
NODES = 2

config = Config(
    executors=[
        HighThroughputExecutor(
            label="normal",
            provider=PBSProProvider(
                queue="normal",
                nodes_per_block=NODES,
                cpus_per_node=48,
                walltime="01:00:00",
                scheduler_options=(
                    f"#PBS -P {PROJECT}\n"
                    f"#PBS -l ncpus={48 * NODES}\n"
                    f"#PBS -l mem={190 * NODES}GB\n"
                    f"#PBS -l jobfs={100 * NODES}GB\n"
                    f"#PBS -l storage=gdata/{PROJECT}+scratch/{PROJECT}"
                ),
                jobqueue={"job_directives_skip": ["select="]},
                worker_init="module load python3; source $HOME/my_environment/bin/activate; module load openmpi",
                launcher=MpiExecLauncher(overrides="--map-by ppr:1:node"),
                init_blocks=0,
                max_blocks=2,
            ),
        )
    ],
    retries=1,
)
