"""A large value that is made by one call and goes through a chain of others; only its length comes to the client."""

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


def pass_on(value: Any) -> Any:
    value[0], value[-1]
    return value


def length(value: Any) -> int:
    return len(value)


def through(system: System, megabytes: int, links: int, payload: str) -> float:
    begin = time.perf_counter()
    value = system.submit(make_value, megabytes, payload)
    for _ in range(links):
        value = system.submit(pass_on, value)
    assert system.result(system.submit(length, value)) == megabytes * 1_000_000
    return time.perf_counter() - begin


def measure(system: System, megabytes: int, links: int, payload: str) -> dict[str, float]:
    through(system, 1, 4, payload)
    return {"seconds": through(system, megabytes, links, payload)}


if __name__ == "__main__":
    main(measure)
