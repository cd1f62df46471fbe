"""What a monitoring message is about. Names and numbers: Parsl's ``parsl.monitoring.message_type``."""

from __future__ import annotations

from enum import Enum


class MessageType(Enum):
    """First element of a message; the second one is a dict with columns of the tables as keys."""

    TASK_INFO = 0
    """A task's or a try's state."""

    RESOURCE_INFO = 1
    """What a task uses."""

    WORKFLOW_INFO = 2
    """Begin or end of a run."""

    NODE_INFO = 3
    """A node with workers."""

    BLOCK_INFO = 4
    """A list of dicts: states of blocks."""

    WORKER_TASK_INFO = 5
    """A worker has begun or ended a try."""
