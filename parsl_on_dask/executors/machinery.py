"""What starts the things that executors describe.

Executors are descriptions, and know nothing of lanes and clusters. What they need of these is found by name, when
something is started.
"""

from __future__ import annotations

import importlib
from typing import Any


def machinery(place: str) -> Any:
    """A function or a class of the rooms above.

    Parameters
    ----------
    place : str
        ``"module:name"``, the module below this package.

    Examples
    --------
    >>> machinery("lanes:open_lane").__name__
    'open_lane'
    """
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"parsl_on_dask.{module}"), name)
