"""Very many calls from one loop, whose futures are all held: does it end, and what do the processes grow to."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from benchmarks.script import PROGRESS, main
from benchmarks.sizes import listener, peak
from benchmarks.systems import System

EVERY = 10.0
"""Seconds from one line of progress to the next."""
SAMPLE = 500
"""One future of so many is looked at for the progress."""
TOGETHER = 10_000
"""So many are waited for at once: the sets that ``wait()`` makes of all of them are no part of what is measured."""


def noop(i: int) -> int:
    return i


class Watch(threading.Thread):
    """Follow the peaks of the processes' memory, and say how far the calls are.

    Parameters
    ----------
    n : int
        How many calls there will be.
    futures : list
        Theirs; it grows meanwhile.
    scheduler : int or None
        The scheduler's process, when it is known.
    """

    def __init__(self, n: int, futures: list[Any], scheduler: int | None) -> None:
        super().__init__(daemon=True)
        self.n = n
        self.futures = futures
        self.scheduler = scheduler
        self.peaks: dict[int, int] = {}
        self.ended = threading.Event()
        self.begin = time.monotonic()

    def run(self) -> None:
        told = self.begin
        while not self.ended.wait(1.0):
            self.look()
            if time.monotonic() - told >= EVERY:
                told = time.monotonic()
                print(PROGRESS + self.progress(), file=sys.stderr, flush=True)

    def look(self) -> None:
        import psutil

        for pid in [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]:
            try:
                self.peaks[pid] = max(self.peaks.get(pid, 0), peak(pid))
            except (OSError, psutil.Error):
                continue

    def progress(self) -> str:
        sample = self.futures[::SAMPLE]
        finished = sum(future.done() for future in sample) / max(1, len(sample)) * len(self.futures)
        memory = ", ".join(f"{name[:-3].replace('_', ' ')} {value:.0f} MB" for name, value in self.figures().items())
        return (
            f"{time.monotonic() - self.begin:.0f} s: {len(self.futures):,} of {self.n:,} calls submitted, "
            f"about {finished:,.0f} finished; peaks: {memory}"
        )

    def figures(self) -> dict[str, float]:
        """The peaks, in MB. Without a known scheduler nothing is said about it, and all others count as one group."""
        peaks = dict(self.peaks)
        found = {"client_mb": peaks.pop(os.getpid(), 0) / 1e6}
        if self.scheduler in peaks:
            found["scheduler_mb"] = peaks.pop(self.scheduler) / 1e6
            found["largest_worker_mb"] = max(peaks.values(), default=0) / 1e6
        else:
            found["largest_other_mb"] = max(peaks.values(), default=0) / 1e6
        return found

    def end(self) -> None:
        self.ended.set()
        self.join()
        self.look()


def measure(system: System, n: int) -> dict[str, float]:
    app = system.app(noop)
    port = system.scheduler_port()
    futures: list[Any] = []
    watch = Watch(n, futures, None if port is None else listener(port))
    watch.start()
    begin = time.perf_counter()
    for i in range(n):
        futures.append(app(i))
    submitted = time.perf_counter()
    for first in range(0, n, TOGETHER):
        system.wait(futures[first : first + TOGETHER])
    end = time.perf_counter()
    watch.end()
    assert system.result(futures[-1]) == n - 1
    return {"seconds": end - begin, "submit_seconds": submitted - begin, **watch.figures()}


if __name__ == "__main__":
    main(measure)
