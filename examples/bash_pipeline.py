"""A pipeline of shell commands that hand files on: generate, sort, merge, count.

    python examples/bash_pipeline.py [--parts 4] [--numbers 20000] [--directory out]

No step waits for the others to end: each starts when the files that it reads are there.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.executors import HighThroughputExecutor


@bash_app
def generate(seed: int, numbers: int, outputs: list[File] = []) -> str:
    """Pseudo-random numbers, one a line, the same for the same seed."""
    return f"awk 'BEGIN {{ srand({seed}); for (i = 0; i < {numbers}; i++) print int(rand() * 1000) }}' > {outputs[0]}"


@bash_app
def sort(inputs: list[DataFuture] = [], outputs: list[File] = []) -> str:
    return f"sort -n {inputs[0]} > {outputs[0]}"


@bash_app
def merge(inputs: list[DataFuture] = [], outputs: list[File] = []) -> str:
    return f"sort -n -m {' '.join(str(i) for i in inputs)} > {outputs[0]}"


@bash_app
def count(inputs: list[DataFuture] = [], stdout: Any = None, stderr: Any = parsl.AUTO_LOGNAME) -> str:
    """How often each number occurs, the most frequent first."""
    return f"uniq -c {inputs[0]} | sort -k1,1nr -k2,2n"


@python_app
def first_lines(report: File, n: int) -> list[str]:
    with open(report) as f:
        return [" ".join(line.split()) for line, _ in zip(f, range(n), strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=4, help="files to generate (default: 4)")
    parser.add_argument("--numbers", type=int, default=20_000, help="numbers a file (default: 20000)")
    parser.add_argument("--directory", type=Path, default=None, help="keep the files there (default: a temporary one)")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        directory = (options.directory or Path(temporary)).absolute()
        directory.mkdir(parents=True, exist_ok=True)

        def file(name: str) -> File:
            return File(str(directory / name))

        with parsl.load(Config(executors=[HighThroughputExecutor(max_workers_per_node=2)])):
            parts = []
            for i in range(options.parts):
                raw = generate(i, options.numbers, outputs=[file(f"raw{i}.txt")])
                parts.append(sort(inputs=[raw.outputs[0]], outputs=[file(f"sorted{i}.txt")]).outputs[0])
            merged = merge(inputs=parts, outputs=[file("merged.txt")])
            counted = count(inputs=[merged.outputs[0]], stdout=file("counts.txt"))
            top = first_lines(counted.stdout, 5)

            print(f"{options.parts} files of {options.numbers} numbers; the five most frequent (how often, which):")
            for line in top.result():
                print("  ", line)
            with open(merged.outputs[0].result()) as f:
                lines = sum(1 for _ in f)
            print(f"{lines} lines in the merged file")


if __name__ == "__main__":
    main()
