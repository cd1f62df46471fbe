"""Radios that need no way of their own: workers' connections, which are there anyway, and queues.

Where the names come from: Parsl's ``parsl.monitoring.radios.htex`` and ``parsl.monitoring.radios.multiprocessing``.
"""

from __future__ import annotations

from typing import Any

from parsl_on_dask.monitoring.errors import MonitoringRouterStartError
from parsl_on_dask.monitoring.radios.base import MonitoringRadioReceiver, MonitoringRadioSender, RadioConfig
from parsl_on_dask.monitoring.radios.sending import deliver
from parsl_on_dask.utils import RepresentationMixin


class HTEXRadioSender(MonitoringRadioSender):
    """Sends messages from a call that runs on a worker, or from the script."""

    def send(self, message: object) -> None:
        """Send a message with the reports of the call that runs in this thread; in the script's process, to its hub.

        Raises
        ------
        RuntimeError
            When monitoring is off.
        """
        deliver(message)


class HTEXRadioReceiver(MonitoringRadioReceiver):
    """Has nothing to do: reports are read anyway."""

    def shutdown(self) -> None:
        """Nothing is open."""


class HTEXRadio(RadioConfig, RepresentationMixin):
    """A radio on the workers' own connections: what every executor of this package uses."""

    def create_sender(self) -> MonitoringRadioSender:
        return HTEXRadioSender()

    def create_receiver(self, *, run_dir: str, resource_msgs: Any) -> MonitoringRadioReceiver:
        return HTEXRadioReceiver()


class MultiprocessingQueueRadioSender(MonitoringRadioSender, RepresentationMixin):
    """Puts messages into a queue.

    Parameters
    ----------
    queue : queue
        Anything with ``put``.

    Examples
    --------
    >>> from queue import Queue
    >>> queue = Queue()
    >>> MultiprocessingQueueRadioSender(queue).send("hello")
    >>> queue.get()
    'hello'
    """

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    def send(self, message: object) -> None:
        self.queue.put(message)


class MultiprocessingQueueRadio(RadioConfig):
    """A radio for senders that can reach the queue itself, such as threads of the script's process."""

    _queue: Any = None

    def create_sender(self) -> MonitoringRadioSender:
        """Make a sender.

        Raises
        ------
        MonitoringRouterStartError
            When there is no receiver yet.
        """
        if self._queue is None:
            raise MonitoringRouterStartError("this radio has no receiver: call create_receiver(...) first")
        return MultiprocessingQueueRadioSender(self._queue)

    def create_receiver(self, *, run_dir: str, resource_msgs: Any) -> MonitoringRadioReceiver:
        self._queue = resource_msgs
        return MultiprocessingQueueRadioReceiver()


class MultiprocessingQueueRadioReceiver(HTEXRadioReceiver):
    """Has nothing to do: the queue is read anyway."""
