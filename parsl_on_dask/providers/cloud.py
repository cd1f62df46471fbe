"""Providers of clouds: descriptions of clusters that Dask's own packages for clouds make."""

from __future__ import annotations

import importlib
import json
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, NoReturn

from parsl_on_dask.errors import ConfigurationError, OptionalModuleMissing
from parsl_on_dask.jobs.states import JobStatus
from parsl_on_dask.old_spellings.legacy import note_unused
from parsl_on_dask.providers.base import ExecutionProvider
from parsl_on_dask.providers.local_provider import check_blocks
from parsl_on_dask.utils import RepresentationMixin


class CloudProvider(ExecutionProvider, RepresentationMixin):
    """Base of providers of clouds. Constructing one asks nothing of the network and needs nothing installed.

    The cluster is made when the kernel is loaded: its scheduler is in the cloud as well, and a block is a worker there.
    Where the shape comes from: ``dask_kubernetes`` and ``dask_cloudprovider``.
    """

    #: The package that makes clusters, the class in it, and the extra by which it is installed.
    package: str
    cluster_class: str
    extra: str

    init_blocks: int
    min_blocks: int
    max_blocks: int

    @abstractmethod
    def cluster_arguments(self) -> dict[str, Any]:
        """Keyword arguments of the cluster's class."""

    #: arguments without effect, and what is said about one
    _unused: ClassVar[tuple[str, ...]] = ()
    _unused_why: ClassVar[str] = "has no meaning on Dask and is not used"

    def __post_init__(self) -> None:
        ExecutionProvider.__init__(self)
        check_blocks(self)
        unused = {field.name: field.default for field in fields(self) if field.name in self._unused}  # type: ignore[arg-type]
        note_unused(type(self).__name__, self, unused, self._unused_why)

    def first_workers(self) -> int:
        """How many workers the cluster begins with."""
        return min(self.init_blocks, self.max_blocks)

    def check(self) -> type[Any]:
        """Return the cluster's class.

        Raises
        ------
        OptionalModuleMissing
            Naming the extra that installs it.
        """
        owner = type(self).__name__
        try:
            found: type[Any] = getattr(importlib.import_module(self.package), self.cluster_class)
        except ImportError as e:
            raise OptionalModuleMissing(
                [str(e.name or self.package)],
                f"{owner} makes its cluster with {self.package}: pip install 'parsl-on-dask[{self.extra}]'",
            ) from e
        return found

    def make_cluster(self) -> Any:
        """Make the Dask cluster that this describes, with as many workers as there are first blocks.

        Raises
        ------
        OptionalModuleMissing
            When what makes it is not installed.
        """
        cluster = self.check()(**self.cluster_arguments())
        if not self.min_blocks == self.first_workers() == self.max_blocks:
            cluster.adapt(minimum=self.min_blocks, maximum=self.max_blocks)
        return cluster

    def _no_jobs(self) -> NoReturn:
        owner = type(self).__name__
        raise ConfigurationError(
            f"{owner}: a cloud runs no shell commands as jobs here. Give it to HighThroughputExecutor(provider=...), "
            f"or make the cluster with {self.package}.{self.cluster_class} and write DaskExecutor(cluster=...)."
        )

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> object:
        """Raise: the cluster starts its workers itself."""
        self._no_jobs()

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        """Return an empty list: there are no jobs."""
        return []

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        """Return False for each: there are no jobs."""
        return [False for _ in job_ids]

    @property
    def label(self) -> str:
        return self.extra

    @property
    def status_polling_interval(self) -> int:
        """60 seconds."""
        return 60


#: Parts of the names of what is nobody else's business; a configuration is written to the log.
_SECRET = ("password", "passwd", "secret", "token", "credential", "private_key")


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a dict in which the values of passwords and the like cannot be read.

    Examples
    --------
    >>> without_secrets({"vm_size": "Standard_D1", "password": "xyz"})
    {'vm_size': 'Standard_D1', 'password': '***'}
    """
    return {
        name: "***" if any(part in str(name).lower() for part in _SECRET) else value for name, value in values.items()
    }


def refuse(owner: str, name: str, value: Any, default: Any, instead: str) -> None:
    """Raise when an argument that cannot be honoured is not the default."""
    if value != default:
        raise ConfigurationError(f"{owner}({name}={value!r}): {instead}")


def credentials_in(owner: str, path: str) -> dict[str, Any]:
    """Read a JSON file with credentials.

    Raises
    ------
    ConfigurationError
        When it cannot be read.
    """
    try:
        with open(os.path.expanduser(path)) as file:
            found: dict[str, Any] = json.load(file)
    except (OSError, ValueError) as e:
        raise ConfigurationError(f"{owner}(key_file={path!r}): it cannot be read: {e}") from e
    return found


def set_environment(owner: str, path: str, names: Mapping[str, str]) -> None:
    """Put credentials of a file into the environment variables that the clouds' own libraries read."""
    found = credentials_in(owner, path)
    missing = [name for name in names if name not in found]
    if missing:
        raise ConfigurationError(f"{owner}(key_file={path!r}): {', '.join(missing)} is missing in it.")
    for name, variable in names.items():
        os.environ[variable] = str(found[name])
