"""A pipeline over files on workers that share nothing: no disk with each other, none with this script.

    python examples/files_nothing_shared.py [--scheduler tcp://SCHEDULER] [--parts 4] [--numbers 50000]

The numbers in ``unsorted.txt`` are sorted in parts and merged. The parts stay on the workers, which send them to each
other; only the result comes back. Without a scheduler's address, a cluster of two workers is started on this machine,
each in a directory of its own, and they take nothing from each other's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.dask_transfer import DaskTransferStaging
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.executors import DaskExecutor


@bash_app
def sort_part(part: int, parts: int, inputs: list[File] = [], outputs: list[File] = []) -> str:
    """Every so manieth line, sorted."""
    return f"awk 'NR % {parts} == {part}' '{inputs[0]}' | sort -n > '{outputs[0]}'"


@bash_app
def merge(inputs: list[DataFuture] = [], outputs: list[File] = []) -> str:
    return "sort -n -m " + " ".join(f"'{each}'" for each in inputs) + f" > '{outputs[0]}'"


@python_app
def where(file: File) -> tuple[str, str]:
    """Which worker has a file now, and under which path."""
    from distributed import get_worker

    return str(get_worker().name), file.filepath


@contextlib.contextmanager
def two_workers() -> Iterator[str]:
    """Address of a scheduler with two workers, each in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as processes:
        file = Path(directory) / "scheduler.json"

        def start(*command: str, cwd: Path) -> None:
            cwd.mkdir()
            args = [sys.executable, "-m", *command, "--scheduler-file", str(file), "--host", "127.0.0.1"]
            process = processes.enter_context(
                subprocess.Popen([*args, "--no-dashboard"], cwd=cwd, stderr=subprocess.DEVNULL)
            )
            processes.callback(process.terminate)

        start("distributed.cli.dask_scheduler", "--port", "0", cwd=Path(directory) / "scheduler")
        for name in ("alice", "bob"):
            own = Path(directory) / name
            # they run on one machine, and are told to behave as if they did not
            options = ["--no-nanny", "--nthreads", "1", "--name", name, "--local-directory", str(own / "scratch")]
            start("distributed.cli.dask_worker", *options, cwd=own)
        while not file.exists() or not file.read_text().endswith("}"):
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scheduler", default=None, help="address of a Dask cluster (default: start one)")
    parser.add_argument("--parts", type=int, default=4, help="parts to sort (default: 4)")
    parser.add_argument("--numbers", type=int, default=50_000, help="numbers in all (default: 50000)")
    options = parser.parse_args()

    with open("unsorted.txt", "w") as f:
        f.writelines(f"{random.randrange(10**9)}\n" for _ in range(options.numbers))

    with contextlib.ExitStack() as stack:
        address = options.scheduler or stack.enter_context(two_workers())
        executor = DaskExecutor(address, storage_access=[DaskTransferStaging(links=bool(options.scheduler))])
        stack.enter_context(parsl.load(Config(executors=[executor])))
        parts = [
            sort_part(i, options.parts, inputs=[File("unsorted.txt")], outputs=[File(f"worker:part{i}.txt")])
            for i in range(options.parts)
        ]
        merged = merge(inputs=[part.outputs[0] for part in parts], outputs=[File("sorted.txt")])
        merged.result()
        for part in parts:
            name, path = where(part.outputs[0]).result()
            print(f"{os.path.basename(path)} is on {name}")

    with open("sorted.txt") as f:
        numbers = [int(line) for line in f]
    print(f"{len(numbers)} numbers came back, sorted: {numbers == sorted(numbers)}")


if __name__ == "__main__":
    main()
