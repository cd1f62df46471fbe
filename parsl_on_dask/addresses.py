"""Ways to find an address of this machine, for arguments such as ``HighThroughputExecutor(address=...)``.

Which one suits depends on the network between the submitting machine and the workers. None of them asks a
service on the internet. In a file that is only checked (``python -m parsl_on_dask check``), which may be for another
machine, a name stands for an address that cannot be found. The behaviour is that of Parsl's
``parsl.addresses``.
"""

from __future__ import annotations

import ipaddress
import logging
import platform
import socket
from collections.abc import Callable

from parsl_on_dask.common import check_notes
from parsl_on_dask.common.overrides import checking
from parsl_on_dask.old_spellings.legacy import warn_once

logger = logging.getLogger("parsl.addresses")


def address_by_route() -> str:
    """Return the IPv4 address of the interface that traffic to the outside leaves by.

    Nothing is sent: the operating system is only asked which way it would go.

    Raises
    ------
    OSError
        When this machine has no route to the outside.
    """
    return _found("address_by_route()", "this-machine", _by_route)


def _by_route() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("8.8.8.8", 80))
        return str(probe.getsockname()[0])


def _found(call: str, name: str, find: Callable[[], str]) -> str:
    """What ``find`` returns; where a file is only checked, a name in the place of an address that is not here."""
    try:
        return find()
    except OSError as error:
        if not checking():
            raise
        return check_notes.address(call, name, error)


def address_by_query(timeout: float = 30) -> str:
    """Return the address of the outside route; unlike Parsl's, no internet service is asked for it.

    Parsl asks a public web service under which address this machine is seen. That fails without internet
    access, leaks the machine's name to a third party, and behind NAT gives an address at which nothing listens.
    Here the answer is :func:`address_by_route`'s, or else :func:`address_by_hostname`'s, and a ``UserWarning``
    says so once. Workers that have to come in through a public address need it given as ``address="..."``.

    Parameters
    ----------
    timeout : float
        Seconds; kept for Parsl's signature, nothing here waits for a reply.

    Raises
    ------
    OSError
        When this machine has neither a route to the outside nor a host name that resolves.
    """
    if timeout <= 0:
        raise ValueError(f"address_by_query(timeout={timeout!r}): the timeout is in seconds and must be positive.")
    warn_once(
        "addresses.address_by_query",
        "address_by_query() asks no internet service here and returns the address of the outside route. "
        "Write address_by_route() or address_by_interface('eth0'), or give a public address as address='...'.",
        category=UserWarning,
    )
    try:
        return address_by_route()
    except OSError:
        return address_by_hostname()


def address_by_hostname() -> str:
    """Return the IPv4 address that this machine's own host name resolves to.

    Raises
    ------
    OSError
        When the host name does not resolve.

    Examples
    --------
    >>> address_by_hostname().count(".")
    3
    """
    return _found("address_by_hostname()", "this-machine", _by_hostname)


def _by_hostname() -> str:
    return socket.gethostbyname(platform.node())


def address_by_interface(ifname: str) -> str:
    """Return the IPv4 address of one network interface.

    Parameters
    ----------
    ifname : str
        Name of the interface, for example ``"eth0"``, ``"ib0"`` or ``"lo"``.

    Raises
    ------
    OSError
        When there is no such interface or it has no IPv4 address; the text lists the interfaces there are.

    Examples
    --------
    >>> address_by_interface("lo")
    '127.0.0.1'
    """
    return _found(f"address_by_interface({ifname!r})", ifname, lambda: find_interface(ifname))


def find_interface(ifname: str) -> str:
    """The same as :func:`address_by_interface`, also an error where a file is only checked."""
    import psutil

    interfaces = psutil.net_if_addrs()
    for entry in interfaces.get(ifname, ()):
        if entry.family == socket.AF_INET:
            return str(entry.address)
    problem = "it has no IPv4 address here" if ifname in interfaces else "there is no such interface"
    raise OSError(f"address_by_interface({ifname!r}): {problem}. Interfaces of this machine: {', '.join(interfaces)}.")


def _by_interfaces() -> list[str]:
    import psutil

    entries = [entry for of_one in psutil.net_if_addrs().values() for entry in of_one]
    return [str(entry.address) for entry in entries if entry.family == socket.AF_INET]


def get_all_addresses() -> set[str]:
    """Return every IPv4 address of this machine that interfaces, host name and routing table tell of.

    Examples
    --------
    >>> "127.0.0.1" in get_all_addresses()
    True
    """
    addresses = set(_by_interfaces())
    finders: tuple[Callable[[], str], ...] = (_by_hostname, _by_route)
    for finder in finders:
        try:
            addresses.add(finder())
        except OSError as error:
            logger.debug("%s found nothing: %s", finder.__name__, error)
    return addresses


def get_any_address() -> str:
    """Return one IPv4 address of this machine, the first that an interface has.

    Raises
    ------
    OSError
        When this machine has no address at all.
    """
    for address in _by_interfaces():
        return address
    return address_by_hostname()


def tcp_url(address: str, port: str | int | None = None) -> str:
    """Write a ``tcp://`` URL, with brackets around an IPv6 address that is followed by a port.

    Parameters
    ----------
    address : str
        An IPv4 or IPv6 address, or ``"*"`` for all of them.
    port : str or int, optional
        Left out of the URL when it is not given.

    Raises
    ------
    ValueError
        When ``address`` is a name and not an address.

    Examples
    --------
    >>> tcp_url("127.0.0.1", 8786)
    'tcp://127.0.0.1:8786'
    >>> tcp_url("::1", 8786)
    'tcp://[::1]:8786'
    >>> tcp_url("*")
    'tcp://*'
    """
    if not port:
        if address != "*":
            _checked_address(address)
        return f"tcp://{address}"
    if address != "*" and _checked_address(address).version == 6:
        return f"tcp://[{address}]:{port}"
    return f"tcp://{address}:{port}"


def _checked_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address)
