"""Aurora (ALCF, USA): nodes with six GPUs of two tiles each. PBS Pro, mpiexec of PALS.

Not run on the machine itself.

To change: account, queue and environment. The script runs on a login node and submits jobs. "debug" takes one job of
one or two nodes; "capacity" up to 16 nodes for up to a week; "prod" begins at 256 nodes. aurora_in_job.py is for
scripts that run inside of a job. TMPDIR is short because paths of sockets have to be.

Sources:

- https://docs.alcf.anl.gov/aurora/workflows/parsl/ and https://docs.alcf.anl.gov/aurora/running-jobs-aurora/: all of
  it. Read in their repository, https://github.com/argonne-lcf/user-guides, as of August 2026.
"""

from parsl.addresses import address_by_interface
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import MpiExecLauncher
from parsl.providers import PBSProProvider

# the cores next to each tile, without those of the operating system
CORES = (
    "list:1-8,105-112:9-16,113-120:17-24,121-128:25-32,129-136:33-40,137-144:41-48,145-152"
    ":53-60,157-164:61-68,165-172:69-76,173-180:77-84,181-188:85-92,189-196:93-100,197-204"
)
TILES = [f"{gpu}.{tile}" for gpu in range(6) for tile in range(2)]

config = Config(
    executors=[
        HighThroughputExecutor(
            label="tiles",
            address=address_by_interface("hsn0"),
            available_accelerators=TILES,
            max_workers_per_node=12,
            cpu_affinity=CORES,
            provider=PBSProProvider(
                account="MY_PROJECT",
                queue="debug",
                nodes_per_block=1,
                cpus_per_node=208,
                walltime="00:30:00",
                scheduler_options="#PBS -l filesystems=home:flare\n#PBS -l place=scatter",
                worker_init="export TMPDIR=/tmp; source $HOME/my_environment/bin/activate; cd $PBS_O_WORKDIR",
                launcher=MpiExecLauncher(bind_cmd="--cpu-bind", overrides="--ppn 1"),
                init_blocks=0,
                max_blocks=1,
            ),
        )
    ],
    retries=1,
)
