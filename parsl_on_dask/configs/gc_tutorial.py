"""The public tutorial endpoint of Globus Compute.

``config`` is made when it is asked for: the SDK asks for a login then.
"""

from __future__ import annotations

from typing import Any

from parsl_on_dask.configs._endpoints import config_of

tutorial_endpoint = "4b116d3c-1703-4f8f-9f6f-39921e5864df"


def __getattr__(name: str) -> Any:
    if name != "config":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = config_of([("Tutorial_Endpoint_py3.11", tutorial_endpoint)])
    return globals()[name]
