"""Providers say where blocks of workers come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsl_on_dask.importing.lazily import lazily

if TYPE_CHECKING:
    from parsl_on_dask.providers.condor_provider import CondorProvider
    from parsl_on_dask.providers.grid_engine_provider import GridEngineProvider
    from parsl_on_dask.providers.local_provider import LocalProvider
    from parsl_on_dask.providers.lsf_provider import LSFProvider
    from parsl_on_dask.providers.pbspro_provider import PBSProProvider
    from parsl_on_dask.providers.slurm_provider import SlurmProvider
    from parsl_on_dask.providers.torque_provider import TorqueProvider

__all__ = [
    "CondorProvider",
    "GridEngineProvider",
    "LSFProvider",
    "LocalProvider",
    "PBSProProvider",
    "SlurmProvider",
    "TorqueProvider",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "AWSProvider": "providers.clouds",
        "AdHocProvider": "providers.refused",
        "AzureProvider": "providers.clouds",
        "CobaltProvider": "providers.refused",
        "CondorProvider": "providers.condor_provider",
        "GoogleCloudProvider": "providers.clouds",
        "GridEngineProvider": "providers.grid_engine_provider",
        "JetstreamProvider": "providers.refused",
        "KubernetesProvider": "providers.kubernetes_provider",
        "LSFProvider": "providers.lsf_provider",
        "LocalProvider": "providers.local_provider",
        "PBSProProvider": "providers.pbspro_provider",
        "SlurmProvider": "providers.slurm_provider",
        "TorqueProvider": "providers.torque_provider",
    },
)
