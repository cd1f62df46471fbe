"""The radios of ``parsl.monitoring.radios`` before 2024.12: one class was both, and it was the sender.

Whoever made one named a hub by its URL. Hubs have none here, so what is sent takes the way that
:func:`~parsl_on_dask.monitoring.radios.sending.deliver` finds; the arguments are accepted. Files go where they went:
the hub reads the ``monitor-fs-radio`` of its run.

The names of these classes have since been given to descriptions of radios (``parsl.monitoring.radios.udp.UDPRadio``
and relatives). Called with what only a description takes, ``UDPRadio(address=...)`` or ``HTEXRadio()``, they give one.
"""

from __future__ import annotations

from typing import Any

from parsl_on_dask.common.arguments import passed_on
from parsl_on_dask.monitoring.radios import connected, filesystem, udp
from parsl_on_dask.monitoring.radios.base import MonitoringRadioSender
from parsl_on_dask.monitoring.radios.sending import deliver
from parsl_on_dask.old_spellings.legacy import note_once


class MonitoringRadio(MonitoringRadioSender):
    """The base class of all of them, for ``isinstance`` and for subclasses of one's own."""


class _Named(MonitoringRadio):
    """A sender that was told where a hub is."""

    def _note(self, **given: Any) -> None:
        for name, value in given.items():
            note_once(
                f"{type(self).__name__}.{name}",
                f"{type(self).__name__}({name}={value!r}) means nothing: messages go on Dask's connections",
            )

    def send(self, message: object) -> None:
        """Have a message recorded.

        Raises
        ------
        RuntimeError
            When nobody would record it.
        """
        deliver(message)


class HTEXRadioSender(_Named):
    """Sends messages from wherever it is. The arguments are Parsl's; they mean nothing."""

    def __init__(self, monitoring_url: Any = None, timeout: int = 10, source_id: Any = None) -> None:
        self._note(monitoring_url=monitoring_url)


class UDPRadioSender(HTEXRadioSender):
    """The same, under the name of the sender by UDP."""


class ZMQRadioSender(_Named):
    """The same, under the name of the sender by ZMQ. The arguments are Parsl's; they mean nothing."""

    def __init__(self, hub_address: Any = None, hub_zmq_port: Any = None, cert_dir: Any = None) -> None:
        self._note(hub_address=hub_address)


class HTEXRadio(_Named):
    """Sends messages; without arguments, today's :class:`~parsl_on_dask.monitoring.radios.connected.HTEXRadio`.

    The arguments are Parsl's; they mean nothing.
    """

    def __new__(cls, monitoring_url: Any = None, source_id: Any = None, timeout: int = 10) -> Any:
        if monitoring_url is None and source_id is None:
            return connected.HTEXRadio()
        made = super().__new__(cls)
        made._note(monitoring_url=monitoring_url)
        return made


class UDPRadio(_Named):
    """Sends messages; called as today's :class:`~parsl_on_dask.monitoring.radios.udp.UDPRadio`, that.

    The positional arguments are Parsl's and mean nothing, those by name are today's.
    """

    def __new__(
        cls,
        monitoring_url: Any = None,
        source_id: Any = None,
        timeout: int = 10,
        *,
        port: int | None = None,
        atexit_timeout: int = 3,
        address: Any = None,
        debug: bool = False,
        hmac_digest: str = "sha512",
    ) -> Any:
        if monitoring_url is None:
            return udp.UDPRadio(**passed_on(locals(), "cls", "monitoring_url", "source_id", "timeout"))
        made = super().__new__(cls)
        made._note(monitoring_url=monitoring_url)
        return made


class FilesystemRadio(MonitoringRadio):
    """Writes messages as files; without ``run_dir``, today's description of a radio of that name.

    Parameters
    ----------
    monitoring_url, source_id, timeout : optional
        Of Parsl's; they mean nothing.
    run_dir : str
        The directory of the run. Its hub reads what is written there.
    """

    _files: filesystem.FilesystemRadioSender

    def __new__(
        cls, *, monitoring_url: Any = None, source_id: Any = None, timeout: int = 10, run_dir: str | None = None
    ) -> Any:
        if run_dir is None:
            return filesystem.FilesystemRadio()
        made = super().__new__(cls)
        made._files = filesystem.FilesystemRadioSender(run_dir=run_dir)
        return made

    def send(self, message: object) -> None:
        """Write a message."""
        self._files.send(message)


class MultiprocessingQueueRadio(MonitoringRadio):
    """Puts messages into a queue; without one, today's description of a radio of that name.

    Parameters
    ----------
    queue : queue
        Anything with ``put``.
    """

    queue: Any

    def __new__(cls, queue: Any = None) -> Any:
        if queue is None:
            return connected.MultiprocessingQueueRadio()
        made = super().__new__(cls)
        made.queue = queue
        return made

    def send(self, message: object) -> None:
        """Put a message into the queue."""
        self.queue.put(message)
