"""How messages about tasks travel. Names: Parsl's ``parsl.monitoring.radios``.

Executors of this package report on the Dask connections that they have anyway, whichever radio they are given; a radio
is taken, kept and shown. It is used by an executor of somebody else's making, as Parsl's contract says, and by whoever
calls it.
"""

from __future__ import annotations

from parsl_on_dask.legacy import moved

__getattr__ = moved(
    __name__,
    {
        "FilesystemRadio": "monitoring.radios.filesystem:FilesystemRadio",
        "FilesystemRadioSender": "monitoring.radios.filesystem:FilesystemRadioSender",
        "HTEXRadio": "monitoring.radios.htex:HTEXRadio",
        "HTEXRadioSender": "monitoring.radios.htex:HTEXRadioSender",
        "MonitoringRadio": "monitoring.radios.base:MonitoringRadioSender",
        "MonitoringRadioSender": "monitoring.radios.base:MonitoringRadioSender",
        "MultiprocessingQueueRadio": "monitoring.radios.multiprocessing:MultiprocessingQueueRadio",
        "MultiprocessingQueueRadioSender": "monitoring.radios.multiprocessing:MultiprocessingQueueRadioSender",
        "UDPRadio": "monitoring.radios.udp:UDPRadio",
        "UDPRadioSender": "monitoring.radios.udp:UDPRadioSender",
    },
)
