"""A checkpoint with very many small results: how long it takes to open, and what memory it needs meanwhile.

`layout` says what is opened: "parsl" is a ``tasks.pkl`` for every system, "own" is what each system itself writes.
"""

from __future__ import annotations

import hashlib
import importlib
import multiprocessing
import os
import pickle
import tempfile
import time
from typing import Any

from benchmarks.script import main
from benchmarks.sizes import peak, settled
from benchmarks.systems import System

LAYOUTS = ("own", "parsl")


def key_of(i: int) -> str:
    return hashlib.md5(str(i).encode()).hexdigest()


def make_tasks_pkl(directory: str, n: int) -> None:
    with open(os.path.join(directory, "tasks.pkl"), "wb") as file:
        for i in range(n):
            pickle.dump({"hash": key_of(i), "exception": None, "result": i}, file)


def make_segments(directory: str, n: int) -> None:
    from parsl_on_dask.checkpoint import Store

    with Store(directory) as store:
        for i in range(n):
            parts = [("function", "0123456789ab", "noop"), ("argument 0 (i)", "0123456789ab", str(i))]
            store.put(key_of(i), i, app="noop", parts=parts)


def opened(memoizer: Any, n: int) -> bool:
    """Whether all results are there; asked of whichever table the memoizer has."""
    table = memoizer.memo_lookup_table
    return n == (len(table) if table else len(memoizer.recording))


def measure(system: System, n: int, layout: str) -> dict[str, float]:
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r}: write one of {', '.join(LAYOUTS)}")
    make = make_segments if layout == "own" and system.module == "parsl_on_dask" else make_tasks_pkl
    with tempfile.TemporaryDirectory() as directory:
        # In a process of its own: memory that this one has had before would hide what opening takes.
        maker = multiprocessing.get_context("spawn").Process(target=make, args=(directory, n))
        maker.start()
        maker.join()
        assert maker.exitcode == 0
        memoization = importlib.import_module(f"{system.module}.dataflow.memoization")
        memoizer = memoization.BasicMemoizer(checkpoint_files=[directory])
        before = settled()
        begin = time.perf_counter()
        memoizer.start(run_dir=os.path.join(directory, "run"), config_run_dir=directory)
        seconds = time.perf_counter() - begin
        highest = peak(os.getpid()) - before
        kept = settled() - before
        assert opened(memoizer, n)
    return {"seconds": seconds, "peak_mb": highest / 1e6, "kept_mb": kept / 1e6}


if __name__ == "__main__":
    main(measure, started=False)
