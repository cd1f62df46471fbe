"""Endpoints of Globus Compute, which is refused here."""

from __future__ import annotations

from parsl_on_dask.legacy import refused

__getattr__ = refused(
    __name__,
    {
        "config": "tasks run on Dask clusters here, not on endpoints of Globus Compute. Start a Dask cluster there and "
        "write Config(executors=[DaskExecutor('tls://host:8786', security=...)])."
    },
)
