"""Where a scheduler listens, and under which addresses workers on other machines find it."""

from __future__ import annotations

import ipaddress
import logging
import random
import socket
from typing import TYPE_CHECKING, NamedTuple

from parsl_on_dask.addresses import address_by_interface, address_by_route, get_all_addresses
from parsl_on_dask.errors import ExecutorError

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor

logger = logging.getLogger("parsl.clusters.addressing")

#: How many ports of a range are tried.
ATTEMPTS = 40
ANYWHERE = "0.0.0.0"


class SchedulerAddress(NamedTuple):
    """Where a scheduler is to be.

    - `host`: the address that it listens on; ``"0.0.0.0"`` for all of the machine's.
    - `contacts`: addresses of this machine that workers try, the most promising first.
    - `ports`: ports to try, in order; 0 for any.
    """

    host: str
    contacts: list[str]
    ports: list[int]

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host != ANYWHERE and ipaddress.ip_address(self.host).is_loopback


def scheduler_address(executor: HighThroughputExecutor, interface: str | None = None) -> SchedulerAddress:
    """The place of an executor's scheduler on this machine.

    - `executor`: its ``address``, ``worker_port`` and ``worker_port_range`` decide.
    - `interface`: network interface to use when there is no ``address``.

    Raises ExecutorError when the address or the interface is not there.
    """
    address = getattr(executor, "address", None)
    ports = ports_for(executor)
    if address is not None:
        return SchedulerAddress(*_listening_at(executor, address), ports)
    if interface is not None:
        try:
            found = address_by_interface(interface)
        except OSError as e:
            raise ExecutorError(executor, f"interface {interface!r} of the site's settings: {e}") from e
        return SchedulerAddress(found, [found], ports)
    contacts = outside_addresses()
    return (
        SchedulerAddress(ANYWHERE, contacts, ports) if contacts else SchedulerAddress("127.0.0.1", ["127.0.0.1"], ports)
    )


def outside_addresses() -> list[str]:
    """The IPv4 addresses of this machine that others may know it by; that of the route to the outside first.

    Examples
    --------
    >>> "127.0.0.1" in outside_addresses()
    False
    """
    found = sorted(a for a in get_all_addresses() if not ipaddress.ip_address(a).is_loopback)
    try:
        first = address_by_route()
    except OSError:
        return found
    return [first, *(a for a in found if a != first)] if first in found else found


def ports_for(executor: HighThroughputExecutor) -> list[int]:
    """Ports to try for an executor's scheduler."""
    port, ports = getattr(executor, "worker_port", None), getattr(executor, "worker_port_range", None)
    if port is not None:
        return [port]
    if ports is None:
        return [0]
    choice = range(ports[0], ports[1] + 1)
    return random.sample(choice, min(ATTEMPTS, len(choice)))


def _listening_at(executor: HighThroughputExecutor, address: str) -> tuple[str, list[str]]:
    try:
        kind, _, _, _, (ip, *_) = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0]
    except OSError as e:
        raise ExecutorError(
            executor,
            f"address={address!r} cannot be found ({e}). Write for example address=address_by_interface('eth0')",
        ) from e
    try:
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.bind((ip, 0))
    except OSError:
        # another machine's, or one that a router maps to this one
        logger.info(
            "Executor %s: address=%r is not this machine's own, so all are listened on", executor.label, address
        )
        return ANYWHERE, [address]
    return str(ip), [address]


def url(encrypted: bool, host: str, port: int) -> str:
    """Dask's way to write an address.

    Examples
    --------
    >>> url(True, "10.0.0.1", 8786), url(False, "::1", 8786)
    ('tls://10.0.0.1:8786', 'tcp://[::1]:8786')
    """
    shown = f"[{host}]" if ":" in host else host
    return f"{'tls' if encrypted else 'tcp'}://{shown}:{port}"


def contacts_of(address: str, contacts: list[str] | None = None) -> list[str]:
    """Addresses at which a scheduler can be reached whose own address is ``address``.

    - `address`: as Dask writes it.
    - `contacts`: hosts to write in the place of the address's. Default: those of this machine if it listens on all of
      them.

    Examples
    --------
    >>> contacts_of("tls://10.0.0.1:8786", ["login1", "10.0.0.1"])
    ['tls://login1:8786', 'tls://10.0.0.1:8786']
    """
    scheme, _, rest = address.partition("://")
    port = int(rest.rpartition(":")[2])
    hosts = outside_addresses() or ["127.0.0.1"] if contacts is None else contacts
    return [url(scheme == "tls", host, port) for host in hosts]


def own_address_towards(address: str) -> str:
    """The address of this machine from which ``address`` is reached. Nothing is sent for that.

    Examples
    --------
    >>> own_address_towards("tls://127.0.0.1:8786")
    '127.0.0.1'
    """
    host = address.partition("://")[2].rpartition(":")[0].strip("[]")
    kind, _, _, _, place = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(kind, socket.SOCK_DGRAM) as probe:
        probe.connect(place)
        return str(probe.getsockname()[0])
