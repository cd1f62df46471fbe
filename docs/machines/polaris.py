"""Polaris (ALCF, USA): nodes with four A100 each. PBS Pro, mpiexec of PALS.

Not run on the machine itself.

To change: account, queue and environment. "prod" takes jobs of ten nodes and more. For scripts that run inside of a
job see aurora_in_job.py. TMPDIR is short because paths of sockets have to be.

Sources:

- https://docs.alcf.anl.gov/polaris/workflows/parsl/: all of it. Read in its repository,
  https://github.com/argonne-lcf/user-guides, as of August 2026.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import MpiExecLauncher
from parsl.providers import PBSProProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="gpus",
            available_accelerators=4,
            max_workers_per_node=4,
            # the cores next to each GPU
            cpu_affinity="list:24-31,56-63:16-23,48-55:8-15,40-47:0-7,32-39",
            provider=PBSProProvider(
                account="MY_PROJECT",
                queue="debug-scaling",
                nodes_per_block=2,
                cpus_per_node=64,
                select_options="ngpus=4",
                walltime="01:00:00",
                scheduler_options="#PBS -l filesystems=home:eagle",
                worker_init="export TMPDIR=/tmp; source /eagle/MY_PROJECT/my_environment/bin/activate",
                launcher=MpiExecLauncher(bind_cmd="--cpu-bind", overrides="--depth=64 --ppn 1"),
                init_blocks=0,
                max_blocks=1,
            ),
        )
    ],
    retries=1,
)
