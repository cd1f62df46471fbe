"""Recursion with join apps: a merge sort whose calls make more calls, as deep as the data asks for.

    python examples/join_recursion.py [--length 20000] [--leaf 2500]

A join app's body runs in the script's own process and returns futures; nobody waits for them on a worker, so
the recursion may be deeper than there are workers.
"""

from __future__ import annotations

import argparse
import random
from concurrent.futures import Future

import parsl_on_dask as parsl
from parsl_on_dask import join_app, python_app
from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor


@python_app
def sort_leaf(numbers: list[int]) -> list[int]:
    return sorted(numbers)


@python_app
def merge(left: list[int], right: list[int]) -> list[int]:
    import heapq

    return list(heapq.merge(left, right))


@join_app
def merge_sort(numbers: list[int], leaf: int) -> Future[list[int]]:
    """Sort in parallel: halves until they are short, then merges all the way up."""
    if len(numbers) <= leaf:
        return sort_leaf(numbers)
    middle = len(numbers) // 2
    return merge(merge_sort(numbers[:middle], leaf), merge_sort(numbers[middle:], leaf))


@python_app
def add(a: int, b: int) -> int:
    return a + b


@python_app
def same(n: int) -> int:
    return n


@join_app
def fibonacci(n: int) -> Future[int]:
    return same(n) if n < 2 else add(fibonacci(n - 1), fibonacci(n - 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=20_000, help="how many numbers to sort (default: 20000)")
    parser.add_argument("--leaf", type=int, default=2_500, help="up to this length in one call (default: 2500)")
    parser.add_argument("--fibonacci", type=int, default=12, help="which Fibonacci number to compute (default: 12)")
    options = parser.parse_args()

    numbers = random.Random(1).sample(range(10**6), options.length)
    with parsl.load(Config(executors=[HighThroughputExecutor(max_workers_per_node=2)])) as kernel:
        result = merge_sort(numbers, options.leaf).result()
        print(f"sorted {len(result)} numbers in {kernel.task_count} calls: {result == sorted(numbers)}")
        before = kernel.task_count
        value = fibonacci(options.fibonacci).result()
        print(f"fibonacci({options.fibonacci}) = {value} in {kernel.task_count - before} calls")


if __name__ == "__main__":
    main()
