"""Where ``parsl.providers.errors`` was until 2023."""

from __future__ import annotations

from parsl_on_dask.old_spellings.legacy import moved

__getattr__ = moved(
    __name__,
    {
        "ChannelRequired": "channels.errors:ChannelRequired",
        "ExecutionProviderException": "providers.errors:ExecutionProviderException",
        "OptionalModuleMissing": "errors:OptionalModuleMissing",
        "ScaleOutFailed": "providers.errors:ScaleOutFailed",
        "SchedulerMissingArgs": "providers.errors:SchedulerMissingArgs",
        "ScriptPathError": "providers.errors:ScriptPathError",
        "SubmitException": "providers.errors:SubmitException",
    },
)
