"""Settings that hold for the whole process, whatever Config a script loads.

The command line puts them here (``--scheduler``, ``--scheduler-file``, ``--jobqueue``, ``--linger``); the code that
opens an executor's cluster asks for them. They are a module of their own so that neither side needs the other.
"""

from __future__ import annotations

import importlib
import os
import threading
from dataclasses import dataclass
from typing import Any

__all__ = ["ClusterOverride", "cluster_override", "set_cluster_override"]


@dataclass(frozen=True)
class ClusterOverride:
    """Where every executor of this process runs: on one Dask cluster, or in jobs of one batch system.

    - `address`: address of a running Dask scheduler, for example ``"tcp://10.0.0.1:8786"``.
    - `scheduler_file`: path of the file that ``dask scheduler --scheduler-file`` writes.
    - `jobqueue`: a batch system, for example ``"slurm"``, with the settings of ``jobqueue.yaml``. Each executor has
      jobs of its own.
    - `config_name`: the section of ``jobqueue.yaml``, when it is not named as the batch system.
    - `max_blocks`: jobs of an executor at the most. None: as the executor's provider says.

    Raises ValueError unless exactly one of address, scheduler_file and jobqueue is given.

    Examples
    --------
    >>> str(ClusterOverride(address="tcp://10.0.0.1:8786"))
    '--scheduler tcp://10.0.0.1:8786'
    >>> str(ClusterOverride(jobqueue="slurm", max_blocks=4))
    '--jobqueue slurm --max-blocks 4'
    """

    address: str | None = None
    scheduler_file: str | None = None
    jobqueue: str | None = None
    config_name: str | None = None
    max_blocks: int | None = None

    def __post_init__(self) -> None:
        if [bool(self.address), bool(self.scheduler_file), bool(self.jobqueue)].count(True) != 1:
            raise ValueError(
                "ClusterOverride needs exactly one of address, scheduler_file and jobqueue: "
                f"got address={self.address!r}, scheduler_file={self.scheduler_file!r}, jobqueue={self.jobqueue!r}"
            )
        if not self.jobqueue and (self.config_name is not None or self.max_blocks is not None):
            raise ValueError("ClusterOverride: config_name and max_blocks go with jobqueue")

    def __str__(self) -> str:
        """Spell it as on the command line, for messages that say where a setting came from."""
        options = {
            "--scheduler": self.address,
            "--scheduler-file": self.scheduler_file,
            "--jobqueue": self.jobqueue,
            "--config-name": self.config_name,
            "--max-blocks": self.max_blocks,
        }
        return " ".join(f"{name} {value}" for name, value in options.items() if value is not None)


#: Whether every kernel shows on stderr how far its tasks are: ``--progress``.
show_progress = False

#: The variable by which the processes of a script that is checked know of that. It names the file for the findings.
CHECKING = "PARSL_ON_DASK_CHECKING"

#: The variable by which a script learns which record is about it: the path of that. Only the runner reads it.
RUN = "PARSL_ON_DASK_RUN"

_lock = threading.Lock()
_current: ClusterOverride | None = None
_linger: float | None = None
_run: tuple[str, int] | None = None


def cluster_override() -> ClusterOverride | None:
    """Return the cluster that every executor of this process has to use, None when there is none."""
    return _current


def set_cluster_override(override: ClusterOverride | None) -> ClusterOverride | None:
    """Set the cluster that every executor started from now on uses, and return the setting before.

    - `override`: the cluster, or None to let each executor use what its own arguments say. Executors that already run
      are not moved.

    Examples
    --------
    >>> before = set_cluster_override(ClusterOverride(scheduler_file="/scratch/scheduler.json"))
    >>> cluster_override().scheduler_file
    '/scratch/scheduler.json'
    >>> _ = set_cluster_override(before)
    """
    global _current
    with _lock:
        before, _current = _current, override
    return before


def linger_override() -> float | None:
    """For how many seconds blocks outlive this process, as ``--linger`` says; None when it says nothing."""
    return _linger


def set_linger_override(seconds: float | None) -> None:
    """Set for how many seconds the blocks of kernels that are loaded from now on outlive this process."""
    global _linger
    _linger = seconds


def adopt_run() -> None:
    """Take the record that this process was started with for its own. What it starts is told nothing of that."""
    global _run
    path = os.environ.pop(RUN, "")
    _run = (path, os.getpid()) if path else None


def run_record() -> tuple[str, str] | None:
    """Name and folder of the record that is about this process; None when there is none, and in forks of it."""
    if _run is None or _run[1] != os.getpid():
        return None
    folder, name = os.path.split(_run[0])
    return name.removesuffix(".json"), folder


def checking() -> bool:
    """Whether this process belongs to a script that is checked, and no kernel is to start in it."""
    return CHECKING in os.environ


def config_reached(config: Any) -> None:
    """Write down what a Config becomes, for the check that this process belongs to, and end the process."""
    # by name: what checks a script knows all of the package, and nothing of that knows the check
    importlib.import_module("parsl_on_dask.check.trial").reached(config)
