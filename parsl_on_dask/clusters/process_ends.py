"""Signals that end the processes of a cluster, the exit codes of these processes, and the names of workers."""

from __future__ import annotations

import signal

#: Signals by which a batch system tells a job that it is about to end: at preemption, at its time limit (SIGTERM), or
#: as long before that as a user has asked for.
NOTICES = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
#: Exit code of a worker or scheduler that an error ended.
FAILED = 77
#: Exit code of a worker that lost the connection to its scheduler.
CUT_OFF = 78
#: Exit code of a worker that was told to leave. Not 0: a call may end its process with that.
LEFT = 79


def worker_name(name: str, life: int) -> str:
    """Name of a worker in its n-th life; a replacement must not be taken for the one that died."""
    return name if life == 0 else f"{name}.{life}"
