"""dask-jobqueue's job classes, and private parts of theirs: the only place that imports it.

Its import replaces the handler of SIGINT by one that exits the process, and fails in any thread but the main one,
which may not set handlers (``dask_jobqueue.runner``, 0.9.0). Blocks may be asked for from any thread, and Ctrl-C
is the script's. So what that module alone does to handlers is left out while it is imported.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()


@contextmanager
def _handlers_untouched() -> Iterator[None]:
    real = signal.signal

    def set_handler(number: Any, handler: Any) -> Any:
        if sys._getframe(1).f_globals.get("__name__") == "dask_jobqueue.runner":
            return signal.getsignal(number)
        return real(number, handler)

    with _lock:
        signal.signal = set_handler  # type: ignore[assignment]
        try:
            yield
        finally:
            signal.signal = real


with _handlers_untouched():
    from dask_jobqueue.core import Job
    from dask_jobqueue.htcondor import HTCondorJob, quote_arguments, quote_environment
    from dask_jobqueue.lsf import LSFJob, lsf_detect_units, lsf_format_bytes_ceil
    from dask_jobqueue.moab import MoabJob
    from dask_jobqueue.oar import OARJob
    from dask_jobqueue.pbs import PBSJob, pbs_format_bytes_ceil
    from dask_jobqueue.sge import SGEJob
    from dask_jobqueue.slurm import SLURMJob, slurm_format_bytes_ceil

__all__ = [
    "HTCondorJob",
    "Job",
    "LSFJob",
    "MoabJob",
    "OARJob",
    "PBSJob",
    "SGEJob",
    "SLURMJob",
    "apply_specification",
    "condor_template",
    "job_id_in",
    "lsf_detect_units",
    "lsf_format_bytes_ceil",
    "pbs_format_bytes_ceil",
    "quote_arguments",
    "quote_environment",
    "slots_of_job",
    "slurm_format_bytes_ceil",
]


def job_id_in(job: Any, output: str) -> str | None:
    """The id of a job in what the submit command wrote; None when there is none.

    ``Job._job_id_from_submit_output`` knows how each batch system writes it, and is called by ``Job.start`` only.
    """
    try:
        return str(job._job_id_from_submit_output(output))
    except ValueError:
        return None


def condor_template(job: HTCondorJob) -> str:
    """The text of an HTCondor submit file, with places for its parts: ``HTCondorJob._script_template``.

    ``HTCondorJob.job_script`` fills it in with Dask's own worker as the executable.
    """
    return str(job._script_template)


def slots_of_job(cluster: Any) -> int:
    """Number of calls that one job of a cluster object can run at a time.

    A cluster knows that from its arguments and its configuration only by the job ``JobQueueCluster._dummy_job``.
    """
    job = cluster._dummy_job
    return max(1, int(job.worker_processes) * int(job.worker_process_threads or 1))


def apply_specification(cluster: Any) -> None:
    """Have a cluster object start and end jobs until they are those of its ``worker_spec``, from any thread.

    ``SpecCluster.scale`` does that too, and chooses itself which jobs end. ``SpecCluster._correct_state`` does it for
    the specification as it is.
    """
    cluster.loop.add_callback(cluster._correct_state)
