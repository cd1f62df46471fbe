"""Workers on virtual machines of Google's cloud."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from parsl_on_dask.arguments import need
from parsl_on_dask.providers.cloud import CloudProvider, credentials_in


@dataclass(eq=False, repr=False)
class GoogleCloudProvider(CloudProvider):
    """Describes a ``GCPCluster`` of ``dask_cloudprovider``: a machine is a block.

    Constructing it asks nothing of the network. The parameters are Parsl's. It was never tried against Google's cloud.

    Parameters
    ----------
    project_id : str
    key_file : str
        JSON file of a service account.
    region : str
        A zone such as ``"us-central1-a"``, or a region, of which zone b is taken.
    os_project, os_family : str
        The machines' image.
    google_version : str
        Without effect.
    instance_type : str
    init_blocks, min_blocks, max_blocks : int
        Machines at the start, at the least when idle, at the most.
    launcher
        Without effect.
    parallelism : float

    Raises
    ------
    ConfigurationError
        When an argument cannot be used.
    """

    package = "dask_cloudprovider.gcp"
    cluster_class = "GCPCluster"
    extra = "google-cloud"

    _unused = ("google_version", "launcher")

    project_id: str
    key_file: str
    region: str
    os_project: str
    os_family: str
    google_version: str = "v1"
    instance_type: str = "n1-standard-1"
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 10
    launcher: Any = None
    parallelism: float = 1

    def __post_init__(self) -> None:
        for name in ("project_id", "key_file", "region"):
            need(type(self).__name__, name, getattr(self, name), str)
        super().__post_init__()

    def cluster_arguments(self) -> dict[str, Any]:
        return {
            "projectid": self.project_id,
            "zone": self.region if re.search(r"-[a-z]$", self.region) else f"{self.region}-b",
            "machine_type": self.instance_type,
            "source_image": f"projects/{self.os_project}/global/images/family/{self.os_family}",
            "service_account_credentials": credentials_in(type(self).__name__, self.key_file),
            "n_workers": self.first_workers(),
        }
