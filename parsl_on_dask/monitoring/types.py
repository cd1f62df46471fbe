"""Types of monitoring messages. Names: Parsl's ``parsl.monitoring.types``."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.monitoring.message_type import MessageType

MonitoringMessage = dict[str, Any]
TaggedMonitoringMessage = tuple[MessageType, MonitoringMessage]
#: Of Parsl's releases until 2024.
AddressedMonitoringMessage = tuple[TaggedMonitoringMessage, str | int]
