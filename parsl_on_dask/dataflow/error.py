"""Where ``parsl.dataflow.errors`` was until 2023."""

from __future__ import annotations

from parsl_on_dask.old_spellings.legacy import moved

__getattr__ = moved(
    __name__,
    {
        "BadCheckpoint": "dataflow.errors:BadCheckpoint",
        "ConfigurationError": "errors:ConfigurationError",
        "DataFlowException": "dataflow.errors:DataFlowException",
        "DependencyError": "dataflow.errors:DependencyError",
        "DuplicateTaskError": "dataflow.old_errors:DuplicateTaskError",
    },
)
