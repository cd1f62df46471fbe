"""Workers on virtual machines of Amazon's EC2, of Microsoft's Azure, and of Google's cloud."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parsl_on_dask.common.arguments import need
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.providers.cloud import CloudProvider, credentials_in, refuse, set_environment, without_secrets

_CREDENTIALS = ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")
_IMAGE = ("publisher", "offer", "sku", "version")


@dataclass(eq=False, repr=False)
class AWSProvider(CloudProvider):
    """Describes an ``EC2Cluster`` of ``dask_cloudprovider``: a machine is a block.

    Constructing it asks nothing of the network. The parameters are Parsl's. It was never tried against EC2 itself.

    Parameters
    ----------
    image_id : str
        The machines' image.
    key_name : str
        The key pair that lets you in by ssh.
    init_blocks, min_blocks, max_blocks : int
        Machines at the start, at the least when idle, at the most.
    nodes_per_block : int
        Must be 1.
    parallelism : float
    worker_init : str
        Shell commands that are run when a machine has started.
    instance_type, region : str
    spot_max_bid : float
        More than 0: spot machines, at the price of the day.
    key_file : str, optional
        JSON file with ``AWSAccessKeyId`` and ``AWSSecretKey``. Default: Amazon's own settings.
    profile : str, optional
        Which of Amazon's profiles is used.
    iam_instance_profile_arn : str
    state_file, walltime, launcher
        Accepted, without effect: machines end with the kernel.
    linger : bool
        Must be False.

    Raises
    ------
    ConfigurationError
        When an argument cannot be honoured.
    """

    package = "dask_cloudprovider.aws"
    cluster_class = "EC2Cluster"
    extra = "aws"

    _unused = ("state_file", "walltime", "launcher")
    _unused_why = "has no effect: machines end with the kernel"

    image_id: str
    key_name: str
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 10
    nodes_per_block: int = 1
    parallelism: float = 1
    worker_init: str = ""
    instance_type: str = "t2.small"
    region: str = "us-east-2"
    spot_max_bid: float = 0
    key_file: str | None = None
    profile: str | None = None
    iam_instance_profile_arn: str = ""
    state_file: str | None = None
    walltime: str = "01:00:00"
    linger: bool = False
    launcher: Any = None

    def __post_init__(self) -> None:
        owner = type(self).__name__
        need(owner, "image_id", self.image_id, str, hint="Write the id of an image, for example 'ami-0123456789'.")
        need(owner, "key_name", self.key_name, str)
        refuse(owner, "nodes_per_block", self.nodes_per_block, 1, "a block is a machine. Write max_blocks= instead.")
        refuse(owner, "linger", self.linger, False, "machines end with the kernel. Leave it out.")
        super().__post_init__()

    def cluster_arguments(self) -> dict[str, Any]:
        if self.key_file is not None:
            names = {"AWSAccessKeyId": "AWS_ACCESS_KEY_ID", "AWSSecretKey": "AWS_SECRET_ACCESS_KEY"}
            set_environment(type(self).__name__, self.key_file, names)
        if self.profile is not None:
            if os.environ.get("AWS_PROFILE", self.profile) != self.profile:
                raise ConfigurationError(
                    f"AWSProvider(profile={self.profile!r}): AWS_PROFILE is {os.environ['AWS_PROFILE']!r} in the "
                    "environment. Leave one of them out."
                )
            os.environ["AWS_PROFILE"] = self.profile
        arguments: dict[str, Any] = {
            "region": self.region,
            "ami": self.image_id,
            "instance_type": self.instance_type,
            "key_name": self.key_name,
            "n_workers": self.first_workers(),
            "spot": self.spot_max_bid > 0,
        }
        if self.iam_instance_profile_arn:
            arguments["iam_instance_profile"] = {"Arn": self.iam_instance_profile_arn}
        if self.worker_init:
            arguments["extra_bootstrap"] = [self.worker_init]
        return arguments


@dataclass(eq=False, repr=False)
class AzureProvider(CloudProvider):
    """Describes an ``AzureVMCluster`` of ``dask_cloudprovider``: a machine is a block.

    Constructing it asks nothing of the network. The parameters are Parsl's. It was never tried against Azure itself.
    The security group is taken from Dask's configuration, ``cloudprovider.azure.azurevm.security_group``.

    Parameters
    ----------
    vm_reference : dict
        ``vm_size``, ``disk_size_gb`` and the image's ``publisher``, ``offer``, ``sku`` and ``version``;
        ``admin_username`` and ``password`` are not used.
    init_blocks, min_blocks, max_blocks : int
        Machines at the start, at the least when idle, at the most.
    parallelism : float
    worker_init : str
        Shell commands that are run when a machine has started.
    location, group_name, vnet_name : str
    key_name : str, optional
        Without effect.
    key_file : str, optional
        JSON file with ``AZURE_CLIENT_ID``, ``AZURE_CLIENT_SECRET``, ``AZURE_TENANT_ID``, ``AZURE_SUBSCRIPTION_ID``.
    linger : bool
        Must be False.
    launcher
        Without effect.

    Raises
    ------
    ConfigurationError
        When an argument cannot be honoured.
    """

    package = "dask_cloudprovider.azure"
    cluster_class = "AzureVMCluster"
    extra = "azure"

    _unused = ("key_name", "launcher")

    vm_reference: Mapping[str, Any]
    init_blocks: int = 1
    min_blocks: int = 0
    max_blocks: int = 10
    parallelism: float = 1
    worker_init: str = ""
    location: str = "westus"
    group_name: str = "parsl.group"
    key_name: str | None = None
    key_file: str | None = None
    vnet_name: str = "parsl.vnet"
    linger: bool = False
    launcher: Any = None

    def __post_init__(self) -> None:
        owner, machine = type(self).__name__, self.vm_reference
        need(owner, "vm_reference", machine, dict, hint="Write a dict with vm_size, disk_size_gb and the image.")
        missing = [name for name in ("vm_size", *_IMAGE) if name not in machine]
        if missing:
            raise ConfigurationError(f"{owner}(vm_reference=...): {', '.join(missing)} is missing in it.")
        refuse(owner, "linger", self.linger, False, "machines end with the kernel. Leave it out.")
        super().__post_init__()

    def _shown(self, name: str, value: Any) -> Any:
        return without_secrets(value) if name == "vm_reference" else value

    def cluster_arguments(self) -> dict[str, Any]:
        if self.key_file is not None:
            set_environment(type(self).__name__, self.key_file, dict(zip(_CREDENTIALS, _CREDENTIALS, strict=True)))
        arguments: dict[str, Any] = {
            "location": self.location,
            "resource_group": self.group_name,
            "vnet": self.vnet_name,
            "vm_size": self.vm_reference["vm_size"],
            "vm_image": {name: self.vm_reference[name] for name in _IMAGE},
            "n_workers": self.first_workers(),
        }
        if self.vm_reference.get("disk_size_gb"):
            arguments["disk_size"] = int(self.vm_reference["disk_size_gb"])
        if self.worker_init:
            arguments["extra_bootstrap"] = [self.worker_init]
        return arguments


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
