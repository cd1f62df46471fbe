"""Theta (Argonne), which is gone; Parsl had this until 2024."""

from __future__ import annotations

from parsl_on_dask.old_spellings.legacy import refused

__getattr__ = refused(
    __name__,
    {
        "config": "Theta (Argonne) and its Cobalt are gone. Argonne's machines of today have PBS Pro: see "
        "parsl.configs.polaris."
    },
)
