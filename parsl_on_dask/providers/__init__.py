"""Providers say where blocks of workers come from."""

from __future__ import annotations

from parsl_on_dask.importing.lazily import lazily
from parsl_on_dask.providers.condor.condor import CondorProvider
from parsl_on_dask.providers.grid_engine.grid_engine import GridEngineProvider
from parsl_on_dask.providers.local.local import LocalProvider
from parsl_on_dask.providers.lsf.lsf import LSFProvider
from parsl_on_dask.providers.pbspro.pbspro import PBSProProvider
from parsl_on_dask.providers.slurm.slurm import SlurmProvider
from parsl_on_dask.providers.torque.torque import TorqueProvider

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
        "GoogleCloudProvider": "providers.clouds",
        "KubernetesProvider": "providers.kubernetes.kube",
        "JetstreamProvider": "providers.refused",
    },
)
