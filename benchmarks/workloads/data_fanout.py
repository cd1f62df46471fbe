"""A large value that is made by one call and used by many; only the lengths that these find come to the client."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.script import main
from benchmarks.systems import System


def make_value(megabytes: int, payload: str) -> Any:
    # Random, so that no compression on the way makes it small.
    import os

    block = os.urandom(1_000_000)
    if payload == "numpy":
        import numpy

        return numpy.tile(numpy.frombuffer(block, dtype="uint8"), megabytes)
    return block * megabytes


def length(value: Any, i: int) -> int:
    return len(value) + i


def spread(system: System, megabytes: int, consumers: int, payload: str) -> float:
    begin = time.perf_counter()
    value = system.submit(make_value, megabytes, payload)
    found = system.gather([system.submit(length, value, i) for i in range(consumers)])
    assert found == [megabytes * 1_000_000 + i for i in range(consumers)]
    return time.perf_counter() - begin


def measure(system: System, megabytes: int, consumers: int, payload: str) -> dict[str, float]:
    spread(system, 1, 4, payload)
    return {"seconds": spread(system, megabytes, consumers, payload)}


if __name__ == "__main__":
    main(measure)
