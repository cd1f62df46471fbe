"""How messages about tasks travel. Names: Parsl's ``parsl.monitoring.radios``.

Executors of this package report on the Dask connections that they have anyway, whichever radio they are given; a radio
is taken, kept and shown. It is used by an executor of somebody else's making, as Parsl's contract says, and by whoever
calls it.
"""

from __future__ import annotations

import importlib
from typing import Any

from parsl_on_dask.importing.lazily import lazily
from parsl_on_dask.old_spellings.legacy import warn_once

#: Where a name that was here is, and where its successor is.
_MOVED = {
    "FilesystemRadio": ("old", "filesystem.FilesystemRadio"),
    "FilesystemRadioSender": ("filesystem", "filesystem.FilesystemRadio, and call its create_sender()"),
    "HTEXRadio": ("old", "htex.HTEXRadio"),
    "HTEXRadioSender": ("old", "htex.HTEXRadioSender"),
    "MonitoringRadio": ("old", "base.MonitoringRadioSender"),
    "MonitoringRadioSender": ("base", "base.MonitoringRadioSender"),
    "MultiprocessingQueueRadio": ("old", "multiprocessing.MultiprocessingQueueRadio"),
    "MultiprocessingQueueRadioSender": ("connected", "multiprocessing.MultiprocessingQueueRadioSender"),
    "UDPRadio": ("old", "udp.UDPRadio"),
    "UDPRadioSender": ("old", "htex.HTEXRadioSender, which needs no address"),
    "ZMQRadioSender": ("old", "htex.HTEXRadioSender, which needs no address"),
}


_submodule, __dir__ = lazily(__name__)


def __getattr__(name: str) -> Any:
    """Hand out a name of before 2024.12, as it was then, or a submodule."""
    if name not in _MOVED:
        return _submodule(name)
    module, today = _MOVED[name]
    warn_once(
        f"moved:monitoring.radios.{name}",
        f"parsl.monitoring.radios.{name} has moved: write parsl.monitoring.radios.{today}.",
    )
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
