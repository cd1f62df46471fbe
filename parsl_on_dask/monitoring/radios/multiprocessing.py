"""Messages put into a queue. Where the behaviour comes from: Parsl's ``parsl.monitoring.radios.multiprocessing``."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.monitoring.radios.base import MonitoringRadioReceiver, MonitoringRadioSender, RadioConfig
from parsl_on_dask.utils import RepresentationMixin


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
            from parsl_on_dask.monitoring.errors import MonitoringRouterStartError

            raise MonitoringRouterStartError("this radio has no receiver: call create_receiver(...) first")
        return MultiprocessingQueueRadioSender(self._queue)

    def create_receiver(self, *, run_dir: str, resource_msgs: Any) -> MonitoringRadioReceiver:
        self._queue = resource_msgs
        return MultiprocessingQueueRadioReceiver()


class MultiprocessingQueueRadioReceiver(MonitoringRadioReceiver):
    """Has nothing to do: the queue is read anyway."""

    def shutdown(self) -> None:
        """Nothing is open."""
