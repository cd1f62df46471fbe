"""What a radio is; plug-ins subclass these. Names: Parsl's ``parsl.monitoring.radios.base``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class MonitoringRadioSender(ABC):
    """The sending end."""

    @abstractmethod
    def send(self, message: object) -> None:
        """Send a message, ``(MessageType, dict)``."""


class MonitoringRadioReceiver(ABC):
    """The receiving end, in the script's process."""

    @abstractmethod
    def shutdown(self) -> None:
        """Pass on what has come in, and end."""


class RadioConfig(ABC):
    """Describes a radio; given to an executor as ``remote_monitoring_radio``.

    The kernel calls :meth:`create_receiver` once; then the radio can be pickled, and :meth:`create_sender` called
    wherever it gets to.
    """

    @abstractmethod
    def create_receiver(self, *, run_dir: str, resource_msgs: Any) -> MonitoringRadioReceiver:
        """Begin to receive.

        Parameters
        ----------
        run_dir : str
            Directory of the run.
        resource_msgs : queue
            Where messages go, with ``put``.
        """

    @abstractmethod
    def create_sender(self) -> MonitoringRadioSender:
        """Make a sender for the receiver that was created."""
