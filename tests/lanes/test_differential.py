"""A program means the same on threads, on the simple lane and on batches.

Hypothesis makes up programs: calls that wait for others, fail, are tried again, have large results, make more calls,
are cancelled. Each runs on every lane at the same time, and what comes out is compared with what the program says.
`PARSL_ON_DASK_EXAMPLES` is the number of programs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import parsl_on_dask as parsl
from parsl_on_dask.common.task_errors import DependencyError, JoinError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor
from tests.helpers import WAIT, text_of
from tests.kernels import on_warm_workers

RETRIES = 1
LARGE = 100_000


@pytest.fixture(scope="module")
def kernel(
    warm_workers: Any, existing_cluster: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[parsl.DataFlowKernel]:
    """Every kind of lane, by the labels of its executors."""
    executors: list[Any] = [ThreadPoolExecutor(max_threads=3, label="threads")]
    for label, batching in (("simple", False), ("batches", True)):
        executors.append(HighThroughputExecutor(label=label, max_workers_per_node=2, batching=batching))
        on_warm_workers[executors[-1]] = warm_workers
        executors.append(DaskExecutor(existing_cluster, label=f"existing-{label}", batching=batching))
    run_dir = str(tmp_path_factory.mktemp("runs"))
    with parsl.DataFlowKernel(
        parsl.Config(executors=executors, retries=RETRIES, strategy="none", run_dir=run_dir)
    ) as kernel:
        yield kernel


def work(path: str, token: int, kind: str, *values: Any) -> Any:
    """Note the beginning and the end in one file each, in writes that cannot be torn."""
    import os

    def note(what: str) -> int:
        with open(os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600), "r+b", buffering=0) as file:
            os.write(file.fileno(), f"{what} {token}\n".encode())
            file.seek(0)
            return file.read().decode().split("\n").count(f"{what} {token}")

    count = note("begin")
    if kind == "fail" or (kind == "flaky" and count == 1):
        raise ZeroDivisionError(token, len(values))
    total = token + sum(len(v) if isinstance(v, (bytes, list)) else v for v in values)
    note("end")
    return bytes(LARGE + total) if kind == "large" else total


@dataclass
class Node:
    """A call of a program."""

    kind: str
    needs: list[int]
    cancel: bool = False
    parts: int = 0


@dataclass
class Run:
    """A program on one lane."""

    label: str
    path: str
    futures: list[Any] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)


@st.composite
def programs(draw: st.DrawFn) -> list[Node]:
    kinds = st.sampled_from(["value", "value", "value", "large", "flaky", "fail", "join"])
    nodes = []
    for i in range(draw(st.integers(1, 14))):
        needs = draw(st.lists(st.integers(0, i - 1), max_size=3, unique=True)) if i else []
        kind = draw(kinds)
        parts = draw(st.integers(1, 3)) if kind == "join" else 0
        nodes.append(Node(kind, needs, draw(st.integers(0, 7)) == 0, parts))
    return nodes


def submit(kernel: parsl.DataFlowKernel, nodes: list[Node], run: Run) -> None:
    for token, node in enumerate(nodes):
        waits_for = [run.futures[i] for i in node.needs]
        if node.kind == "join":

            def body(*values: Any, token: int = token, parts: int = node.parts) -> list[Any]:
                return [
                    kernel.submit(
                        work, app_args=(run.path, 100 * (token + 1) + i, "value", *values), executors=[run.label]
                    )
                    for i in range(1, parts + 1)
                ]

            future = kernel.submit(body, app_args=waits_for, join=True)
        else:
            future = kernel.submit(work, app_args=(run.path, token, node.kind, *waits_for), executors=[run.label])
        run.futures.append(future)
        if node.cancel and future.cancel():
            run.cancelled.add(token)


def expected(nodes: list[Node], cancelled: set[int]) -> tuple[list[Any], dict[int, int]]:
    """The outcome of each call, and how often each runs."""
    outcomes: list[Any] = []
    runs: dict[int, int] = {}
    for token, node in enumerate(nodes):
        needs = [outcomes[i] for i in node.needs]
        given_values = [len(n) if isinstance(n, (bytes, list)) else n for n in needs if not isinstance(n, type)]
        if token in cancelled:
            outcomes.append(CancelledError)
        elif len(given_values) < len(needs):
            outcomes.append(DependencyError)
        elif node.kind == "join":
            outcomes.append([100 * (token + 1) + i + sum(given_values) for i in range(1, node.parts + 1)])
            runs.update({100 * (token + 1) + i: 1 for i in range(1, node.parts + 1)})
        elif node.kind == "fail":
            outcomes.append(ZeroDivisionError)
            runs[token] = RETRIES + 1
        else:
            total = token + sum(given_values)
            outcomes.append(bytes(LARGE + total) if node.kind == "large" else total)
            runs[token] = 2 if node.kind == "flaky" else 1
    return outcomes, runs


def outcome(future: Any) -> Any:
    try:
        return future.result(WAIT)
    except (DependencyError, CancelledError, ZeroDivisionError, JoinError) as e:
        return type(e)


def check(nodes: list[Node], run: Run) -> None:
    found = [outcome(future) for future in run.futures]
    outcomes, runs = expected(nodes, run.cancelled)
    assert found == outcomes, run.label
    for node, future in zip(nodes, run.futures, strict=True):
        if node.kind == "fail" and not future.cancelled():
            error = future.exception()
            if isinstance(error, ZeroDivisionError):
                trace = error.__traceback__
                while trace.tb_next is not None:
                    trace = trace.tb_next
                assert trace.tb_frame.f_code.co_name == "work"
                assert error.args == (run.futures.index(future), len(node.needs))
    lines = text_of(run.path).splitlines()
    begun = [int(line.split()[1]) for line in lines if line.startswith("begin")]
    assert {token: begun.count(token) for token in set(begun)} == runs, run.label
    for token, node in enumerate(nodes):
        if node.kind != "join" and token in runs:
            for need in node.needs:
                ends = (
                    [need]
                    if nodes[need].kind != "join"
                    else [100 * (need + 1) + i for i in range(1, nodes[need].parts + 1)]
                )
                last = max(lines.index(f"end {end}") for end in ends)
                assert last < lines.index(f"begin {token}"), f"{run.label}: {token} ran before {need} was done"


@settings(
    max_examples=int(os.environ.get("PARSL_ON_DASK_EXAMPLES", "12")),
    deadline=None,
    derandomize="PARSL_ON_DASK_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),  # a smaller program of the same kind is found sooner by hand
)
@given(nodes=programs())
def test_every_lane_does_what_the_program_says(kernel: Any, tmp_path_factory: Any, nodes: list[Node]) -> None:
    folder: Path = tmp_path_factory.mktemp("program")
    runs = [Run(label, str(folder / label)) for label in kernel.labels()]
    for run in runs:
        submit(kernel, nodes, run)
    for run in runs:
        check(nodes, run)
