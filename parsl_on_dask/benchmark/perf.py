"""The command ``perf`` (Parsl's ``parsl-perf``): how many calls of an app that does nothing run in a second.

Where the arguments and the lines of its report come from: Parsl's ``parsl.benchmark.perf``.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import runpy
import time
from collections.abc import Iterator, Sequence
from typing import Any

from parsl_on_dask.app.app import python_app
from parsl_on_dask.common.command_line import CommandParser
from parsl_on_dask.dataflow.dflow import DataFlowKernel
from parsl_on_dask.dataflow.loader import DataFlowKernelLoader
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.version import PACKAGE_VERSION

#: How to go on from one iteration to the next.
MODES = ("estimate", "exponential")
#: With how many calls the first iteration is, and how many iterations there are at the least.
FIRST, AT_LEAST = 10, 2
#: An estimate is good enough when an iteration took this share of the time that was wanted.
NEAR = 0.75


@python_app
def app(extra_payload: Any, parsl_resource_specification: dict[str, Any] = {}) -> int:  # noqa: B006
    """Do nothing."""
    return 7


def load_dfk_from_config(filename: str) -> DataFlowKernel:
    """Load the configuration that a Python file defines, as ``config`` or as ``fresh_config()``.

    Raises
    ------
    ConfigurationError
        When it defines neither.
    """
    names = runpy.run_path(filename)
    if "config" in names:
        return DataFlowKernelLoader.load(names["config"])
    if "fresh_config" in names:
        return DataFlowKernelLoader.load(names["fresh_config"]())
    raise ConfigurationError(
        f"{filename} defines neither config nor fresh_config(). Write for example config = Config() into it."
    )


def sizes(mode: str | Sequence[int], target: float, rates: list[float]) -> Iterator[int]:
    """How many calls each iteration has.

    Parameters
    ----------
    mode : str or sequence of int
        ``"estimate"``: as many as should take ``target`` seconds, until that is about right. ``"exponential"``: twice
        as many each time, until an iteration takes so long. Or the numbers.
    target : float
        Seconds.
    rates : list of float
        Calls in a second of the iterations so far; the caller adds each.

    Examples
    --------
    >>> rates = []
    >>> for n in sizes("exponential", 0.05, rates):
    ...     rates.append(1000.0)
    ...     print(n, end=" ")
    10 20 40 80
    """
    if not isinstance(mode, str):
        yield from mode
        return
    count = FIRST
    while True:
        yield count
        took = count / rates[-1]
        enough = NEAR * target if mode == "estimate" else target
        if took >= enough and len(rates) >= AT_LEAST:
            return
        count = max(1, int(target * rates[-1])) if mode == "estimate" else 2 * count


def performance(
    *, resources: dict[str, Any], target_t: float, args_extra_size: int, iterate_mode: str | Sequence[int]
) -> None:
    """Run the iterations on the loaded kernel and print a report.

    Parameters
    ----------
    resources : dict
        The resource specification of the calls.
    target_t : float
        Seconds that an iteration should take.
    args_extra_size : int
        Characters of an argument of each call.
    iterate_mode : str or sequence of int
        See :func:`sizes`.
    """
    payload = "x" * args_extra_size
    rates: list[float] = []
    for number, count in enumerate(sizes(iterate_mode, target_t, rates), 1):
        print(f"==== Iteration {number} ====")
        print(f"Will run {count} tasks")
        began = time.perf_counter()
        print("Submitting tasks / invoking apps")
        futures: list[Any] = [app(payload, parsl_resource_specification=resources) for _ in range(count)]
        submitted = time.perf_counter() - began
        print(f"All {count} tasks submitted ... waiting for completion")
        print(f"Submission took {submitted:.3f} seconds = {count / max(submitted, 1e-9):.3f} tasks/second")
        for future in concurrent.futures.as_completed(futures):
            future.result()
        took = max(time.perf_counter() - began, 1e-9)
        rates.append(count / took)
        print(f"Runtime: actual {took:.3f}s vs target {target_t}s")
        print(f"Tasks per second: {rates[-1]:.3f}", flush=True)


def iteration_mode(text: str) -> str | list[int]:
    """Read the argument of ``--iterate``."""
    if text in MODES:
        return text
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(MODES)}, and no numbers such as 10,100,1000")
    return counts


def resource_specification(text: str) -> dict[str, Any]:
    """Read the argument of ``--resources``: a dict of plain values, as Python writes it."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is not a dict of plain values such as {{'cores': 1}}")
    return found


def cli_run(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = CommandParser(
        "perf",
        description="Measure how many calls that do nothing a configuration runs in a second.",
        epilog="example: python -m parsl_on_dask perf --config my_config.py --time 30 --iterate 10,100,1000",
    )
    parser.add_argument("--config", required=True, help="Python file that defines config, or fresh_config()")
    parser.add_argument(
        "--resources",
        metavar="EXPR",
        type=resource_specification,
        default={},
        help="parsl_resource_specification, a dict",
    )
    parser.add_argument(
        "--time", metavar="SECONDS", default=120, type=float, help="seconds that an iteration should take"
    )
    parser.add_argument("--argsize", metavar="BYTES", default=0, type=int, help="size of an argument of the apps")
    parser.add_argument("--version", action="version", version=f"parsl-perf from parsl_on_dask {PACKAGE_VERSION}")
    parser.add_argument(
        "--iterate",
        metavar="MODE",
        default="estimate",
        type=iteration_mode,
        help=f"{', '.join(MODES)}, or the numbers of apps, separated by commas",
    )
    options = parser.parse_args(arguments)
    with load_dfk_from_config(options.config):
        performance(
            resources=options.resources,
            target_t=options.time,
            args_extra_size=options.argsize,
            iterate_mode=options.iterate,
        )
        print("Tests complete - leaving DFK block")
    print("The end")


if __name__ == "__main__":
    # its app belongs to a module that workers can import
    from parsl_on_dask.benchmark import perf

    perf.cli_run()
