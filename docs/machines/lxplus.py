"""lxplus (CERN): slots of the batch service. HTCondor.

Not run on the machine itself.

To change: cores, time and environment. One block is one slot; memory comes with the cores. Run the script in a
directory on AFS, which the slots see, too. +MaxRuntime is in seconds; +JobFlavour names one of CERN's classes
instead. The ports 10000 to 10100 are those that CERN's own package for Dask uses between lxplus and the slots.

Sources:

- https://batchdocs.web.cern.ch/local/submit.html and https://batchdocs.web.cern.ch/concepts/dataflow.html: universe,
  file systems, time. Read as stored copies.
- https://github.com/cernops/dask-lxplus: ports, memory of a core. Read as of August 2025.
"""

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SimpleLauncher
from parsl.providers import CondorProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="slots",
            worker_port_range=(10000, 10100),
            provider=CondorProvider(
                nodes_per_block=1,
                cores_per_slot=4,
                # CERN's own package does not have output streamed either
                scheduler_options="stream_output = false\nstream_error = false\n+MaxRuntime = 7200",
                walltime="02:00:00",
                worker_init="source $HOME/my_environment/bin/activate",
                launcher=SimpleLauncher(),
                init_blocks=0,
                max_blocks=10,
            ),
        )
    ],
    retries=1,
)
