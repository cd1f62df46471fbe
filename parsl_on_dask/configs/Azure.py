"""Virtual machines of Microsoft's Azure."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import AzureProvider

#: The machine; all of it is needed.
vm_reference = {
    "admin_username": "YOUR_ADMIN_USERNAME_FOR_INSTANCE",
    "password": "YOUR_PASSWORD_FOR_INSTANCE",
    "vm_size": "YOUR_VM_SIZE",
    "disk_size_gb": "YOUR_VM_DISK_SIZE",
    "publisher": "YOUR_IMAGE_PUBLISHER",
    "offer": "YOUR_VM_OS_OFFER",
    "sku": "YOUR_VM_OS_SKU",
    "version": "YOUR_VM_OS_VERSION",
}


config = Config(
    executors=[
        HighThroughputExecutor(
            label="azure_single_node",
            provider=AzureProvider(vm_reference=vm_reference, key_file="azure_key_file.json"),
        )
    ],
)
