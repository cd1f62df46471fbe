"""Messages on the connection that a worker has anyway: what every executor of this package uses.

Where the name comes from: Parsl's ``parsl.monitoring.radios.htex``.
"""

from __future__ import annotations

from typing import Any

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


class HTEXRadio(RadioConfig, RepresentationMixin):
    """A radio on the workers' own connections."""

    def create_sender(self) -> MonitoringRadioSender:
        return HTEXRadioSender()

    def create_receiver(self, *, run_dir: str, resource_msgs: Any) -> MonitoringRadioReceiver:
        return HTEXRadioReceiver()


class HTEXRadioReceiver(MonitoringRadioReceiver):
    """Has nothing to do: reports are read anyway."""

    def shutdown(self) -> None:
        """Nothing is open."""
