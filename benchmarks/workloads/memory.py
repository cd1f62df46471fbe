"""Memory of the client for each finished call whose future is still held."""

from __future__ import annotations

import gc

from benchmarks.script import main
from benchmarks.sizes import resident
from benchmarks.systems import System


def noop(i: int) -> int:
    return i


def measure(system: System, n: int) -> dict[str, float]:
    app = system.app(noop)
    held = [app(-i) for i in range(1, 501)]
    system.wait(held)
    gc.collect()
    before = resident()
    held += [app(i) for i in range(n)]
    system.wait(held)
    gc.collect()
    return {"kib_per_call": (resident() - before) / n / 1024}


if __name__ == "__main__":
    main(measure)
