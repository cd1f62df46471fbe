"""Losses of workers and nodes. Where names and texts come from: Parsl's ``parsl.executors.high_throughput.errors``."""

from __future__ import annotations

import time

from parsl_on_dask.errors import ConfigurationError


class WorkerLost(Exception):
    """The worker that ran a task has died.

    Parameters
    ----------
    worker_id : object
        The worker, as its cluster knows it.
    hostname : str
    note : str, optional
        What else is known: what it ran, how its process ended, and which file tells more.

    Examples
    --------
    >>> print(WorkerLost("block-0-1", "node7", "it ran app 'mesh', task 3"))
    Task failure due to loss of worker block-0-1 on host node7: it ran app 'mesh', task 3
    """

    def __init__(self, worker_id: object, hostname: str, note: str = "") -> None:
        super().__init__(worker_id, hostname, *([note] if note else []))
        self.worker_id = worker_id
        self.hostname = hostname
        self.note = note

    def __str__(self) -> str:
        text = f"Task failure due to loss of worker {self.worker_id} on host {self.hostname}"
        return f"{text}: {self.note}" if self.note else text


class AppExit(WorkerLost):
    """An app asked for the end of its process, with ``sys.exit`` or with an exception that is no ``Exception``.

    Only the call ends: its worker goes on. In Parsl it is the worker that ends, which is why this is a WorkerLost.

    Parameters
    ----------
    worker_id, hostname
        As of :class:`WorkerLost`.
    note : str
        What the app did.

    Examples
    --------
    >>> print(AppExit("block-0-1", "node7", "app 'stop' called sys.exit(3)"))
    app 'stop' called sys.exit(3)
    """

    def __str__(self) -> str:
        return self.note


class MemoryLimitExceeded(WorkerLost):
    """A call had more memory than it was allowed, so its worker was ended, and replaced.

    A limit is the ``memory`` (MB) of a call's ``parsl_resource_specification``, or the executor's ``memory_limit``.

    Parameters
    ----------
    worker_id, hostname
        As of :class:`WorkerLost`.
    note : str
        Which app it was, what it had and what it was allowed.

    Examples
    --------
    >>> print(
    ...     MemoryLimitExceeded(
    ...         "block-0-1", "node7", "app 'mesh', task 3 had 5.1 GiB of memory, and was allowed 4.0 GiB"
    ...     )
    ... )
    app 'mesh', task 3 had 5.1 GiB of memory, and was allowed 4.0 GiB (worker block-0-1 on host node7)
    """

    def __str__(self) -> str:
        return f"{self.note} (worker {self.worker_id} on host {self.hostname})"


class ManagerLost(Exception):
    """All workers of one node of a block were lost together."""

    def __init__(self, manager_id: bytes, hostname: str) -> None:
        super().__init__(manager_id, hostname)
        self.manager_id = manager_id
        self.hostname = hostname
        self.tstamp = time.time()

    def __str__(self) -> str:
        name = self.manager_id.decode() if isinstance(self.manager_id, bytes) else self.manager_id
        return f"Task failure due to loss of manager {name} on host {self.hostname}"


class VersionMismatch(Exception):
    """Workers and the submitting side run versions that do not go together.

    Parameters
    ----------
    interchange_version : str
        What runs on the submitting side.
    manager_version : str
        What runs on the workers.
    """

    def __init__(self, interchange_version: str, manager_version: str) -> None:
        super().__init__(interchange_version, manager_version)
        self.interchange_version = interchange_version
        self.manager_version = manager_version

    def __str__(self) -> str:
        return (
            f"Manager version info {self.manager_version} does not match "
            f"interchange version info {self.interchange_version}"
        )


class CommandClientTimeoutError(Exception):
    """A question to the scheduler was not answered in time."""


class CommandClientBadError(Exception):
    """A question could not be asked, since an earlier one was never answered."""


class UnknownMPILauncher(ConfigurationError, ValueError):
    """``mpi_launcher`` names a program that is not known here. Parsl raises a bare ``ValueError``."""
