"""What can be wrong with monitoring. Names: Parsl's ``parsl.monitoring.errors``."""

from __future__ import annotations

from parsl_on_dask.errors import ConfigurationError, ParslError


class MonitoringHubStartError(ConfigurationError):
    """The monitoring database cannot be opened at load; the text says why, and what to write instead."""


class MonitoringRouterStartError(ParslError):
    """A radio's receiver cannot be started."""


class RadioRequiredError(ParslError):
    """Parsl's error for an executor without a radio.

    Never raised here: reports travel on the connections that an executor has anyway.
    """


class MonitoringWarning(UserWarning):
    """Records of monitoring were lost; the workflow itself is not affected."""
