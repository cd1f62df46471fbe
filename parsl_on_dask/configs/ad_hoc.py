"""Hosts that ssh reaches; Parsl had this until 2024."""

from __future__ import annotations

from parsl_on_dask.old_spellings.legacy import refused

__getattr__ = refused(
    __name__,
    {"config": "AdHocProvider is gone. Write Config(executors=[DaskExecutor(hosts=['node1', 'me@node2'])])."},
)
