"""Errors about launchers."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.common.arguments import short
from parsl_on_dask.providers.errors import ExecutionProviderException


class BadLauncher(ExecutionProviderException, TypeError):
    """Something that is no launcher was given as ``launcher=``.

    Parameters
    ----------
    launcher : object
    """

    def __init__(self, launcher: Any, reason: str = "") -> None:
        super().__init__(launcher, reason)
        self.launcher = launcher
        self.reason = reason

    def __str__(self) -> str:
        from parsl_on_dask import launchers
        from parsl_on_dask.common.mistakes import not_a_launcher

        hint = self.reason or not_a_launcher(self.launcher, launchers.__all__)
        return f"Bad Launcher provided: {short(self.launcher)}; {hint}"
