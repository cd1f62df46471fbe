"""Messages as signed datagrams, for senders that have no other way; some may get lost.

The behaviour is that of Parsl's ``parsl.monitoring.radios.udp``.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import pickle
import secrets
import socket
import threading
from typing import Any

from parsl_on_dask.common.arguments import need, need_number, wrong_value
from parsl_on_dask.monitoring.errors import MonitoringRouterStartError
from parsl_on_dask.monitoring.radios.base import MonitoringRadioReceiver, MonitoringRadioSender, RadioConfig
from parsl_on_dask.utils import RepresentationMixin

logger = logging.getLogger("parsl.monitoring.radios.udp")


class UDPRadio(RadioConfig, RepresentationMixin):
    """A radio on UDP. Each datagram is signed with a key of the run's own; others are dropped unread.

    Parameters
    ----------
    port : int, optional
        Default: a free one.
    atexit_timeout : int, default 3
        Seconds without a datagram after which the receiver ends at shutdown.
    address : str
        Of this machine, as senders see it.
    debug : bool, default False
        Log each message.
    hmac_digest : str, default "sha512"
        Of :mod:`hashlib`.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        atexit_timeout: int = 3,
        address: str,
        debug: bool = False,
        hmac_digest: str = "sha512",
    ) -> None:
        need("UDPRadio", "address", address, str, hint="Write for example address='10.0.0.1'.")
        need_number("UDPRadio", "port", port, at_least=0, optional=True, example="55055")
        need_number("UDPRadio", "atexit_timeout", atexit_timeout, kind=float, at_least=0, example="3")
        if hmac_digest not in hashlib.algorithms_available:
            raise wrong_value("UDPRadio", "hmac_digest", hmac_digest, "no such digest. Write 'sha512'.")
        self.port = port
        self.atexit_timeout = atexit_timeout
        self.address = address
        self.debug = debug
        self.hmac_digest = hmac_digest
        self.hmac_key: bytes | None = None

    def create_sender(self) -> MonitoringRadioSender:
        """Make a sender.

        Raises
        ------
        MonitoringRouterStartError
            When there is no receiver yet.
        """
        if self.port is None or self.hmac_key is None:
            raise MonitoringRouterStartError("this radio has no receiver: call create_receiver(...) first")
        return UDPRadioSender(self.address, self.port, self.hmac_key, self.hmac_digest)

    def create_receiver(self, *, run_dir: str, resource_msgs: Any) -> MonitoringRadioReceiver:
        """Begin to receive.

        Raises
        ------
        MonitoringRouterStartError
            When the port cannot be had.
        """
        self.hmac_key = secrets.token_bytes(hashlib.new(self.hmac_digest).digest_size)
        receiver = UDPRadioReceiver(self, resource_msgs)
        self.port = receiver.port
        return receiver


class UDPRadioSender(MonitoringRadioSender):
    """Sends datagrams.

    Parameters
    ----------
    address, port
        Of the receiver.
    hmac_key : bytes
    hmac_digest : str
    timeout : float, default 10
        Seconds for one message.
    """

    def __init__(self, address: str, port: int, hmac_key: bytes, hmac_digest: str, *, timeout: float = 10) -> None:
        self.target = (address, port)
        self.key = hmac_key
        self.digest = hmac_digest
        family = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0][0]
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.settimeout(timeout)

    def send(self, message: object) -> None:
        """Send a message. One that cannot be sent is logged, and lost."""
        data = pickle.dumps(message)
        try:
            self.socket.sendto(hmac.digest(self.key, data, self.digest) + data, self.target)
        except OSError as e:
            logger.error("a message to %s:%s is lost: %s", *self.target, e)


class UDPRadioReceiver(MonitoringRadioReceiver):
    """Receives datagrams, in a thread.

    Parameters
    ----------
    radio : UDPRadio
    messages : queue
        Where messages go.
    """

    def __init__(self, radio: UDPRadio, messages: Any) -> None:
        assert radio.hmac_key is not None
        self.radio = radio
        self.key = radio.hmac_key
        self.messages = messages
        try:
            family, _, _, _, place = socket.getaddrinfo(radio.address, radio.port or 0, type=socket.SOCK_DGRAM)[0]
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
            self.socket.bind(place)
        except OSError as e:
            raise MonitoringRouterStartError(f"{radio!r} cannot receive there: {e}") from e
        self.port = int(self.socket.getsockname()[1])
        self.socket.settimeout(0.2)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, name="parsl-udp-radio", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        quiet = 0.0
        size = hashlib.new(self.radio.hmac_digest).digest_size
        while not self.ended.is_set() or quiet < min(1.0, self.radio.atexit_timeout):
            try:
                data = self.socket.recv(65_536)
            except TimeoutError:
                quiet += 0.2
                continue
            quiet = 0.0
            signature, body = data[:size], data[size:]
            if not hmac.compare_digest(signature, hmac.digest(self.key, body, self.radio.hmac_digest)):
                logger.warning("a datagram without this run's signature is dropped")
                continue
            try:
                message = pickle.loads(body)
                if self.radio.debug:
                    logger.debug("received %r", message)
                self.messages.put(message)
            except Exception:
                logger.exception("a datagram holds no message")
        self.socket.close()

    def shutdown(self) -> None:
        """Take what is on its way, and end the thread."""
        self.ended.set()
        self.thread.join()
