"""Messages as files in the run directory, for workers that share nothing else with the script.

The behaviour is that of Parsl's ``parsl.monitoring.radios.filesystem``.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
import uuid
from typing import Any

from parsl_on_dask.monitoring.errors import MonitoringRouterStartError
from parsl_on_dask.monitoring.radios.base import MonitoringRadioReceiver, MonitoringRadioSender, RadioConfig
from parsl_on_dask.remote.trust import distrust_any
from parsl_on_dask.utils import RepresentationMixin

logger = logging.getLogger("parsl.monitoring.radios.filesystem")

#: Seconds between two looks for files.
PERIOD = 1.0


class FilesystemRadio(RadioConfig, RepresentationMixin):
    """A radio that writes a file for each message, in a directory that only its owner can write to."""

    run_dir: str | None = None

    def create_sender(self) -> MonitoringRadioSender:
        """Make a sender.

        Raises
        ------
        MonitoringRouterStartError
            When there is no receiver yet.
        """
        if self.run_dir is None:
            raise MonitoringRouterStartError("this radio has no receiver: call create_receiver(run_dir=...) first")
        return FilesystemRadioSender(run_dir=self.run_dir)

    def create_receiver(self, *, run_dir: str, resource_msgs: Any) -> MonitoringRadioReceiver:
        self.run_dir = os.path.abspath(run_dir)
        return FilesystemRadioReceiver(resource_msgs, self.run_dir)


class FilesystemRadioSender(MonitoringRadioSender):
    """Writes messages below ``run_dir/monitor-fs-radio``.

    Parameters
    ----------
    run_dir : str
    monitoring_url, timeout, source_id : optional
        Of Parsl's earlier releases; they mean nothing.
    """

    def __init__(self, *, run_dir: str, monitoring_url: Any = None, timeout: Any = None, source_id: Any = None) -> None:
        self.unfinished, self.finished = _folders(run_dir)

    def send(self, message: object) -> None:
        """Write a message; it is seen when it is whole."""
        name = uuid.uuid4().hex
        path = os.path.join(self.unfinished, name)
        with open(path, "wb") as file:
            pickle.dump(message, file)
        os.rename(path, os.path.join(self.finished, name))


class FilesystemRadioReceiver(MonitoringRadioReceiver):
    """Reads the files of a run's senders, in a thread.

    Parameters
    ----------
    resource_msgs : queue
        Where messages go.
    run_dir : str
    """

    def __init__(self, resource_msgs: Any, run_dir: str) -> None:
        self.messages = resource_msgs
        _, self.folder = _folders(run_dir)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, name="parsl-filesystem-radio", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            last = self.ended.wait(PERIOD)
            for name in sorted(os.listdir(self.folder)):
                path = os.path.join(self.folder, name)
                try:
                    with open(path, "rb") as file:
                        self.messages.put(pickle.load(file))
                    os.remove(path)
                except Exception:
                    logger.exception("%s holds no message, and is left there", path)
            if last:
                return

    def shutdown(self) -> None:
        """Read what is left, and end the thread."""
        self.ended.set()
        self.thread.join()


def is_written(run_dir: str) -> bool:
    """Whether somebody of this user's has begun to write messages into a run's directory.

    What others may write is not read: reading means unpickling.
    """
    folder = os.path.join(run_dir, "monitor-fs-radio", "new")
    return os.path.isdir(folder) and not distrust_any([os.path.dirname(folder), folder])


def _folders(run_dir: str) -> tuple[str, str]:
    base = os.path.join(run_dir, "monitor-fs-radio")
    # what is read there is unpickled
    os.makedirs(base, mode=0o700, exist_ok=True)
    folders = os.path.join(base, "tmp"), os.path.join(base, "new")
    for folder in folders:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    why = distrust_any([base, *folders])
    if why:
        raise PermissionError(f"messages of monitoring would be unpickled that others may write: {why}")
    return folders
