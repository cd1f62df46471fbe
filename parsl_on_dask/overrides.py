"""Settings that hold for the whole process, whatever Config a script loads.

The command line puts them here (``--scheduler``, ``--scheduler-file``); the code that opens an
executor's cluster asks for them. They are a module of their own so that neither side needs the other.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

__all__ = ["ClusterOverride", "cluster_override", "set_cluster_override"]


@dataclass(frozen=True)
class ClusterOverride:
    """The one Dask cluster on which every executor of this process runs.

    Parameters
    ----------
    address
        Address of a running Dask scheduler, for example ``"tcp://10.0.0.1:8786"``.
    scheduler_file
        Path of the file that ``dask scheduler --scheduler-file`` writes.

    Raises
    ------
    ValueError
        When both are given, or neither.

    Examples
    --------
    >>> str(ClusterOverride(address="tcp://10.0.0.1:8786"))
    '--scheduler tcp://10.0.0.1:8786'
    """

    address: str | None = None
    scheduler_file: str | None = None

    def __post_init__(self) -> None:
        if bool(self.address) == bool(self.scheduler_file):
            raise ValueError(
                "ClusterOverride needs exactly one of address and scheduler_file: "
                f"got address={self.address!r}, scheduler_file={self.scheduler_file!r}"
            )

    def __str__(self) -> str:
        """Spell it as on the command line, for messages that say where a setting came from."""
        if self.address:
            return f"--scheduler {self.address}"
        return f"--scheduler-file {self.scheduler_file}"


_lock = threading.Lock()
_current: ClusterOverride | None = None


def cluster_override() -> ClusterOverride | None:
    """Return the cluster that every executor of this process has to use, None when there is none."""
    return _current


def set_cluster_override(override: ClusterOverride | None) -> ClusterOverride | None:
    """Set the cluster that every executor started from now on uses, and return the setting before.

    Parameters
    ----------
    override
        The cluster, or None to let each executor use what its own arguments say. Executors that
        already run are not moved.

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
