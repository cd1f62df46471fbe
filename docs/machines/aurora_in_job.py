"""Aurora (ALCF, USA): all nodes of the job that the script runs in. PBS Pro, mpiexec of PALS.

Not run on the machine itself.

The script is part of a job:

    #!/bin/bash -l
    #PBS -A MY_PROJECT
    #PBS -q debug
    #PBS -l select=2
    #PBS -l place=scatter
    #PBS -l walltime=00:30:00
    #PBS -l filesystems=home:flare
    export TMPDIR=/tmp
    cd $PBS_O_WORKDIR
    source $HOME/my_environment/bin/activate
    python -m parsl_on_dask workflow.py

Polaris is used the same way, with the accelerators and cores of polaris.py.

Sources:

- https://docs.alcf.anl.gov/aurora/workflows/parsl/, "Run Parsl Workflow within a single PBS Job": all of it. Read in
  its repository, https://github.com/argonne-lcf/user-guides, as of August 2026.
"""

import os

from parsl.addresses import address_by_interface
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import MpiExecLauncher
from parsl.providers import LocalProvider

# the cores next to each tile, without those of the operating system
CORES = (
    "list:1-8,105-112:9-16,113-120:17-24,121-128:25-32,129-136:33-40,137-144:41-48,145-152"
    ":53-60,157-164:61-68,165-172:69-76,173-180:77-84,181-188:85-92,189-196:93-100,197-204"
)
TILES = [f"{gpu}.{tile}" for gpu in range(6) for tile in range(2)]


def nodes_of_the_job() -> int:
    """How many nodes PBS has given to this job; 1 outside of one."""
    listed = os.environ.get("PBS_NODEFILE")
    if listed is None:
        return 1
    with open(listed) as file:
        return len(set(file.read().split()))


config = Config(
    executors=[
        HighThroughputExecutor(
            label="tiles",
            address=address_by_interface("hsn0"),
            available_accelerators=TILES,
            max_workers_per_node=12,
            cpu_affinity=CORES,
            provider=LocalProvider(
                nodes_per_block=nodes_of_the_job(),
                launcher=MpiExecLauncher(bind_cmd="--cpu-bind", overrides="--ppn 1"),
                init_blocks=1,
                max_blocks=1,
            ),
        )
    ],
)
