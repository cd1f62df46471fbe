"""dask-jobqueue's job classes: the only place that imports it.

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
    "lsf_detect_units",
    "lsf_format_bytes_ceil",
    "pbs_format_bytes_ceil",
    "quote_arguments",
    "quote_environment",
    "slurm_format_bytes_ceil",
]
