"""Which identifiers does Python's own standard library use most? A map-reduce over every file of it.

    python examples/mapreduce_identifiers.py
    python examples/mapreduce_identifiers.py --executor threads
    python examples/mapreduce_identifiers.py --executor tcp://127.0.0.1:8786

Each map call tokenizes a handful of files and counts their identifiers; the counts are merged in a tree of
reduce calls, which get theirs straight from the worker that made them.
"""

from __future__ import annotations

import argparse
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor


@python_app
def count_identifiers(paths: list[str]) -> tuple[int, Counter[str]]:
    """Number of lines, and how often each identifier occurs in these files."""
    import keyword
    import tokenize

    lines, counts = 0, Counter()
    for path in paths:
        try:
            with tokenize.open(path) as source:
                for token in tokenize.generate_tokens(source.readline):
                    if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                        counts[token.string] += 1
                lines += token.end[0]
        except (SyntaxError, UnicodeDecodeError, tokenize.TokenError):
            continue  # the library keeps a few broken files to test itself with
    return lines, counts


@python_app
def merge(inputs: list[tuple[int, Counter[str]]] = []) -> tuple[int, Counter[str]]:
    """The sum of several partial counts."""
    total = Counter()
    for _, counts in inputs:
        total.update(counts)
    return sum(lines for lines, _ in inputs), total


def source_files() -> list[str]:
    """Every Python file of the standard library, largest first, so that no long call starts last."""
    library = Path(sysconfig.get_path("stdlib"))
    files = [p for p in library.rglob("*.py") if not {"site-packages", "dist-packages"} & set(p.parts)]
    return [str(p) for p in sorted(files, key=lambda p: (-p.stat().st_size, p))]


def dealt(items: list[Any], hands: int) -> list[list[Any]]:
    """`items` dealt like cards: hands of about equal weight when the heavy ones come first."""
    return [items[i::hands] for i in range(min(hands, len(items)))]


def groups(items: list[Any], size: int) -> Iterator[list[Any]]:
    for i in range(0, len(items), size):
        yield items[i : i + size]


def executor(name: str) -> Any:
    """An executor by its short name, or the one for the Dask scheduler at this address."""
    if name == "threads":
        return ThreadPoolExecutor(max_threads=2)
    if name == "processes":
        return HighThroughputExecutor(max_workers_per_node=2)
    return DaskExecutor(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", default="processes", help="threads, processes (default) or an address")
    parser.add_argument("--files", type=int, default=None, help="only so many of the files (default: all)")
    parser.add_argument("--calls", type=int, default=64, help="number of map calls (default: 64)")
    parser.add_argument("--top", type=int, default=20, help="how many identifiers to print (default: 20)")
    options = parser.parse_args()

    files = source_files()[: options.files]
    began = time.perf_counter()
    with parsl.load(Config(executors=[executor(options.executor)])):
        loaded = time.perf_counter()
        partial = [count_identifiers(paths) for paths in dealt(files, options.calls)]
        while len(partial) > 1:
            partial = [merge(inputs=group) for group in groups(partial, 8)]
        lines, counts = partial[0].result()
        ended = time.perf_counter()

    print(f"{sum(counts.values()):,} identifiers, {len(counts):,} different ones,", end=" ")
    print(f"in {lines:,} lines of {len(files):,} files")
    ranking = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    for place, (name, count) in enumerate(ranking[: options.top], start=1):
        print(f"{place:4}  {name:<20} {count:>8,}")
    print(f"start {loaded - began:.2f} s, map and reduce {ended - loaded:.2f} s on {options.executor}")


if __name__ == "__main__":
    main()
