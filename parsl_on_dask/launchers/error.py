"""Where ``parsl.launchers.errors`` was until 2023."""

from __future__ import annotations

from parsl_on_dask.legacy import moved

__getattr__ = moved(__name__, {"BadLauncher": "launchers.errors:BadLauncher"})
