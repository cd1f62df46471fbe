"""Pickles functions by value, for workers on which this package is not installed."""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle


class Launch:
    """A picklable function that rebuilds from bytes made once."""

    def __init__(self, blob: bytes) -> None:
        self.blob = blob

    def __reduce__(self) -> tuple[Any, ...]:
        return (pickle.loads, (self.blob,))

    def __call__(self, *args: Any) -> Any:
        return pickle.loads(self.blob)(*args)


def by_value(function: Any) -> Launch:
    """A function that is made inside of another one, to be sent to where its module is not installed."""
    # or cloudpickle would refer to the module by name
    function.__module__ = "__main__"
    return Launch(cloudpickle.dumps(function))
