"""Where ``parsl.providers.base`` was until 2022."""

from __future__ import annotations

from parsl_on_dask.old_spellings.legacy import moved

__getattr__ = moved(
    __name__,
    {
        "ExecutionProvider": "providers.base:ExecutionProvider",
        "JobState": "jobs.states:JobState",
        "JobStatus": "jobs.states:JobStatus",
        "Channeled": "channels.base:Channeled",
        "MultiChanneled": "channels.base:MultiChanneled",
    },
)
