"""The name of Parsl's sender by ZMQ, which is not used here. Names: Parsl's ``parsl.monitoring.radios.zmq``."""

from __future__ import annotations

from parsl_on_dask.monitoring.radios.old import ZMQRadioSender

__all__ = ["ZMQRadioSender"]
