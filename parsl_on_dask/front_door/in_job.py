"""``run --in-job``: a script that is itself in a batch job."""

from __future__ import annotations

import shutil
import sys

from parsl_on_dask.common import run_records
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.front_door import jobs_of_runs
from parsl_on_dask.front_door.cli import Invocation
from parsl_on_dask.front_door.detached import new_record, tell
from parsl_on_dask.providers.errors import ExecutionProviderException

#: What a batch system is known by: commands that only it has.
_COMMANDS = {
    "slurm": ("sbatch",),
    "lsf": ("bsub",),
    "htcondor": ("condor_submit",),
    "oar": ("oarsub",),
    "moab": ("msub",),
    "sge": ("qsub", "qhost"),
    "pbs": ("qsub", "pbsnodes"),
}


def start(call: Invocation) -> int:
    """Ask for a job for what a command line names, and say how to follow it. Returns an exit code."""
    try:
        system = call.in_job or (call.cluster and call.cluster.jobqueue) or system_here()
        record = new_record(call, kind="job", host="", boot="", system=system, config_name=call.config_name, life=1)
    except (ConfigurationError, OSError, ValueError) as e:
        print(f"parsl_on_dask: {getattr(e, 'strerror', None) or e}", file=sys.stderr)
        return 2
    try:
        job = jobs_of_runs.submit(record, life=1)
    except (ConfigurationError, ExecutionProviderException, OSError) as e:
        run_records.remove(record.name, where=record.folder)
        print(f"parsl_on_dask: --in-job: {e}", file=sys.stderr)
        return 1
    record = run_records.update(record.name, where=record.folder, job=job)
    tell(record, f"waits in {system} job {job}")
    return 0


def system_here() -> str:
    """The batch system whose commands are here.

    Raises ConfigurationError when there is none, or more than one.
    """
    found = [name for name, commands in _COMMANDS.items() if all(map(shutil.which, commands))]
    if len(found) == 1:
        return found[0]
    there = f"those of {' and of '.join(found)} are here" if found else "no batch system's are here"
    raise ConfigurationError(f"--in-job goes by the commands of batch systems, and {there}: write --in-job=slurm")
