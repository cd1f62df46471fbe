"""Endpoints of Globus Compute at two sites. Fill in the identifiers of your own before use.

``config`` is made when it is asked for: the SDK asks for a login then.
"""

from __future__ import annotations

from typing import Any

from parsl_on_dask.configs._endpoints import config_of

perlmutter_endpoint = "YOUR_PERLMUTTER_ENDPOINT_UUID"
expanse_endpoint = "YOUR_EXPANSE_ENDPOINT_UUID"


def __getattr__(name: str) -> Any:
    if name != "config":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = config_of([("Perlmutter", perlmutter_endpoint), ("Expanse", expanse_endpoint)])
    return globals()[name]
