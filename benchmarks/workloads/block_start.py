"""From the first line of a running job to the first call in it: what a block's workers take to get ready."""

from __future__ import annotations

from pathlib import Path

from benchmarks.script import main
from benchmarks.systems import JOB_BEGAN, System


def where_and_when() -> tuple[str, float]:
    import os
    import time

    return os.environ["SLURM_JOB_ID"], time.time()


def measure(system: System) -> dict[str, float]:
    system.start()
    # it waits for the first worker
    job, began = system.result(system.submit(where_and_when))
    seconds = began - float(Path(f"{JOB_BEGAN}{job}").read_text())
    system.stop()
    return {"seconds": seconds}


if __name__ == "__main__":
    main(measure, started=False)
