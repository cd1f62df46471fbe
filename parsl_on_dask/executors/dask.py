"""Apps on a Dask cluster that exists already."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from parsl_on_dask.arguments import need, short, wrong_type
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.lane_executor import LaneExecutor, refuse_keys
from parsl_on_dask.utils import RepresentationMixin


class DaskExecutor(LaneExecutor, RepresentationMixin):
    """Runs apps on a Dask cluster that exists already.

    The cluster is left running at the end, and its workers need nothing of this package installed. This executor is
    this package's own. ``parsl_resource_specification`` takes ``priority`` (the lowest runs first),
    ``resources`` (a dict of Dask's abstract resources, which the workers have to offer) and ``workers`` (addresses or
    names of the workers that may run the call).

    Parameters
    ----------
    address : str, optional
        The scheduler's address, for example ``"tcp://10.0.0.1:8786"``.
    label : str
        Name of the executor in its Config. Default ``"dask"``.
    client : distributed.Client, optional
        A client that is connected.
    cluster : optional
        A cluster object: ``LocalCluster``, ``SLURMCluster``, …
    scheduler_file : path, optional
        The file that ``dask scheduler --scheduler-file`` writes.
    security : distributed.security.Security, optional
        Certificates for ``tls://`` addresses.
    working_dir : str, optional
        Where staged files go.
    storage_access : list of Staging, optional
        How files get to the apps. Default: the usual ways; an empty list: none.
    remote_monitoring_radio : optional
        How apps report to monitoring, when there is any.
    batching, max_batch, in_flight, inline_limit
        See :class:`~parsl_on_dask.executors.lane_executor.LaneExecutor`.

    Raises
    ------
    ConfigurationError
        Unless exactly one of address, client, cluster and scheduler_file is given.

    Examples
    --------
    >>> DaskExecutor("tcp://10.0.0.1:8786").label
    'dask'
    """

    kind: ClassVar[str] = "existing"

    def __init__(
        self,
        address: str | None = None,
        *,
        label: str = "dask",
        client: Any = None,
        cluster: Any = None,
        scheduler_file: str | os.PathLike[str] | None = None,
        security: Any = None,
        working_dir: str | None = None,
        storage_access: list[Any] | None = None,
        remote_monitoring_radio: Any = None,
        batching: bool = True,
        max_batch: int = 512,
        in_flight: int | None = None,
        inline_limit: int = 65536,
    ) -> None:
        super().__init__()
        self._describe(label, working_dir, storage_access, batching, max_batch, in_flight, inline_limit)
        self.address = address
        self.client = client
        self.cluster = cluster
        self.scheduler_file = scheduler_file
        self.security = security
        self.remote_monitoring_radio = remote_monitoring_radio
        self.validate()

    def validate(self) -> None:
        super().validate()
        owner = type(self).__name__
        _check_address(owner, self.address)
        ways = {name: getattr(self, name) for name in ("address", "client", "cluster", "scheduler_file")}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) != 1:
            raise ConfigurationError(
                f"{owner}: give exactly one of address, client, cluster and scheduler_file"
                f" (given: {', '.join(given) or 'none'}). Write for example DaskExecutor('tcp://10.0.0.1:8786')."
            )
        if self.address is not None and ":" not in self.address:
            raise ConfigurationError(
                f"{owner}({self.address!r}): this is no address with a port. Write for example "
                f"DaskExecutor('tcp://{self.address or '10.0.0.1'}:8786')."
            )
        if self.security is not None and given[0] in ("client", "cluster"):
            raise ConfigurationError(f"{owner}: a {given[0]} has its own security. Leave security= out.")
        need(owner, "scheduler_file", self.scheduler_file, str, os.PathLike, type(None), hint="Write a path.")

    @property
    def workers_per_node(self) -> int:
        """How many calls the largest node runs at a time; 1 while the cluster is not joined."""
        return max((node["worker_count"] for node in self.connected_managers()), default=1)

    def validate_resource_spec(self, resource_specification: Mapping[str, Any] | None) -> None:
        """Raise for keys or values that Dask has no use for.

        Raises
        ------
        InvalidResourceSpecification
        """
        refuse_keys(self, resource_specification, ("priority", "resources", "workers"))
        for name, value in (resource_specification or {}).items():
            problem = _problem(name, value)
            if problem:
                raise InvalidResourceSpecification({name}, f"{name}={short(value)}: {problem}.")


def _check_address(owner: str, address: Any) -> None:
    if address is None or isinstance(address, str):
        return
    word = "client" if hasattr(address, "gather") else "cluster"
    hint = f"A {word} is given by name: DaskExecutor({word}=...)."
    raise wrong_type(owner, "address", address, "a str such as 'tcp://10.0.0.1:8786'", hint)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _problem(name: str, value: Any) -> str | None:
    if name == "priority":
        return None if _is_number(value) else "write a number, the lowest runs first"
    if name == "resources":
        fits = isinstance(value, Mapping) and all(isinstance(k, str) and _is_number(v) for k, v in value.items())
        return None if fits else "write a dict such as {'GPU': 1}"
    if name == "workers":
        names = [value] if isinstance(value, str) else value
        fits = isinstance(names, (list, tuple, set)) and all(isinstance(n, str) for n in names)
        return None if fits else "write a worker's address or name, or a list of them"
    return None
