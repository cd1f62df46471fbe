"""Calls that sleep, alone and in units of fan-out and fan-in: how many run at a time, and when units are done."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from benchmarks.script import main
from benchmarks.systems import System

PARTS = 3
"""How many calls of a unit wait for its first one; the last one waits for these."""
BUSY = "while True: pass"

Span = tuple[float, float]


def alone(ms: float, i: int) -> list[Span]:
    import time

    begin = time.time()
    time.sleep(ms / 1e3)
    return [(begin, time.time())]


def part(ms: float, first: list[Span], k: int) -> list[Span]:
    import time

    begin = time.time()
    time.sleep(ms / 1e3)
    return [(begin, time.time())] + (first if k == 0 else [])


def final(ms: float, *parts: list[Span]) -> list[Span]:
    import time

    begin = time.time()
    time.sleep(ms / 1e3)
    return [(begin, time.time()), *[span for spans in parts for span in spans]]


def at_a_time(spans: list[Span]) -> float:
    """How many calls ran at a time, on average."""
    return sum(end - begin for begin, end in spans) / (max(s[1] for s in spans) - min(s[0] for s in spans))


def done_at(units: list[list[Span]], share: float) -> float:
    """Which part of the units, in percent, is done when a share of their time is over."""
    begin = min(span[0] for spans in units for span in spans)
    ends = [max(span[1] for span in spans) for spans in units]
    return 100 * sum(end <= begin + share * (max(ends) - begin) for end in ends) / len(units)


def measure(system: System, units: int, ms: float, load: int) -> dict[str, float]:
    run, join, end = system.app(alone), system.app(part), system.app(final)
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(load)]
    try:
        system.gather([run(ms, i) for i in range(4)])
        flat = [span for spans in system.gather([run(ms, i) for i in range(3 * units)]) for span in spans]
        lasts: list[Any] = []
        for i in range(units):
            first = run(ms, i)
            lasts.append(end(ms, *[join(ms, first, k) for k in range(PARTS)]))
        found = system.gather(lasts)
    finally:
        for process in others:
            process.kill()
            process.wait()
    return {
        "flat": at_a_time(flat),
        "fan": at_a_time([span for spans in found for span in spans]),
        "early": done_at(found, 0.5),
        "quarter": done_at(found, 0.25),
        "three_quarters": done_at(found, 0.75),
    }


if __name__ == "__main__":
    main(measure)
