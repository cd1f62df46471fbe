"""Very many calls from one loop, whose futures are all held: does it end, and what do the processes grow to."""

from __future__ import annotations

import threading
import time

from benchmarks.script import main
from benchmarks.systems import System


def noop(i: int) -> int:
    return i


class Watch(threading.Thread):
    """Follow the memory of this process and the largest of those below it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.client = self.other = 0
        self._end = threading.Event()

    def run(self) -> None:
        import psutil

        me = psutil.Process()
        while not self._end.wait(1.0):
            self.client = max(self.client, me.memory_info().rss)
            for child in me.children(recursive=True):
                try:
                    self.other = max(self.other, child.memory_info().rss)
                except psutil.Error:
                    continue

    def end(self) -> None:
        self._end.set()
        self.join()


def measure(system: System, n: int) -> dict[str, float]:
    app = system.app(noop)
    watch = Watch()
    watch.start()
    begin = time.perf_counter()
    futures = [app(i) for i in range(n)]
    submitted = time.perf_counter()
    system.wait(futures)
    end = time.perf_counter()
    watch.end()
    assert system.result(futures[-1]) == n - 1
    return {
        "seconds": end - begin,
        "submit_seconds": submitted - begin,
        "client_mb": watch.client / 1e6,
        "largest_other_mb": watch.other / 1e6,
    }


if __name__ == "__main__":
    main(measure)
