"""Where ``parsl.launchers.errors`` was until 2023."""

from __future__ import annotations

from parsl_on_dask.old_spellings.legacy import moved

__getattr__ = moved(__name__, {"BadLauncher": "launchers.errors:BadLauncher"})
