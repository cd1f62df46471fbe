"""A reduction tree: each inner call adds up the values of `arity` calls below it."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.script import main
from benchmarks.systems import System


def leaf(i: int) -> int:
    return i


def add(*values: int) -> int:
    return sum(values)


def reduce_tree(system: System, leaves: int, arity: int) -> tuple[int, float]:
    make_leaf, join = system.app(leaf), system.app(add)
    begin = time.perf_counter()
    level: list[Any] = [make_leaf(i) for i in range(leaves)]
    calls = leaves
    while len(level) > 1:
        level = [join(*level[i : i + arity]) for i in range(0, len(level), arity)]
        calls += len(level)
    assert system.result(level[0]) == leaves * (leaves - 1) // 2
    return calls, time.perf_counter() - begin


def measure(system: System, leaves: int, arity: int) -> dict[str, float]:
    reduce_tree(system, arity, arity)
    calls, seconds = reduce_tree(system, leaves, arity)
    return {"calls_per_second": calls / seconds, "seconds": seconds}


if __name__ == "__main__":
    main(measure)
