"""Workers on virtual machines of Microsoft's Azure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parsl_on_dask.arguments import need
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.providers.cloud import CloudProvider, refuse, set_environment, without_secrets

_CREDENTIALS = ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")
_IMAGE = ("publisher", "offer", "sku", "version")


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
