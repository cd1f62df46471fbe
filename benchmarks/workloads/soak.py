"""Very many calls in one kernel, of closures that a loop makes: what grows with each million, once all is warm."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from statistics import linear_regression
from typing import Any, NamedTuple

from benchmarks.script import PROGRESS, main
from benchmarks.systems import System

WARM = 0.3
"""This part of the calls comes before the first sample that counts."""
SAMPLES = 60


class Sample(NamedTuple):
    """What was in use when so many calls had ended: bytes by process, threads and descriptors of all."""

    calls: int
    memory: dict[int, int]
    threads: int
    descriptors: int


def sample(calls: int) -> Sample:
    import psutil

    gc.collect()
    me = psutil.Process()
    memory, threads, descriptors = {}, 0, 0
    for process in [me, *me.children(recursive=True)]:
        try:
            with process.oneshot():
                memory[process.pid] = process.memory_info().rss
                threads += process.num_threads()
                descriptors += process.num_fds()
        except psutil.Error:
            continue
    return Sample(calls, memory, threads, descriptors)


def per_million(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """How much something grows with each million calls."""
    return 1e6 * linear_regression([one.calls for one in samples], [of(one) for one in samples]).slope


def measure(system: System, n: int, calls_of_one: int) -> dict[str, float]:
    samples: list[Sample] = []
    begin = told = time.monotonic()
    for done in range(0, n, calls_of_one):

        def closure(i: int, add: int = done, weight: bytes = os.urandom(1000)) -> int:
            return i + add + len(weight)

        app = system.app(closure)
        futures: list[Any] = [app(i) for i in range(calls_of_one)]
        system.wait(futures)
        assert system.result(futures[-1]) == done + calls_of_one - 1 + 1000
        if done + calls_of_one >= (len(samples) + 1) * n / SAMPLES:
            del futures, app
            samples.append(sample(done + calls_of_one))
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"{PROGRESS}{done + calls_of_one:,} of {n:,} calls", file=sys.stderr, flush=True)
    seconds = time.monotonic() - begin
    warm = samples[int(WARM * len(samples)) :]
    me = os.getpid()
    others = [pid for pid in warm[0].memory if pid != me and all(pid in one.memory for one in warm)]
    return {
        "seconds": seconds,
        "client_mb": per_million(warm, lambda one: one.memory[me] / 1e6),
        "other_mb": max((per_million(warm, lambda one, pid=pid: one.memory[pid] / 1e6) for pid in others), default=0.0),
        "threads": per_million(warm, lambda one: one.threads),
        "descriptors": per_million(warm, lambda one: one.descriptors),
    }


if __name__ == "__main__":
    main(measure)
