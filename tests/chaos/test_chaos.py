"""The short form: a seed of each kind of fault. ``python -m tests.chaos`` runs many."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.chaos.__main__ import try_seed
from tests.chaos.faults import FAULTS
from tests.chaos.workflow import made, may_fail, serially, steps_of

SHORT = [
    (1, "threads", "client-kill"),
    (2, "processes", "worker-kill"),
    (4, "existing", "workers-kill"),
    (5, "threads", "disk-full"),
    (6, "processes", "agents-close"),
]
"""Seeds that take a few seconds each."""


@pytest.mark.parametrize(("seed", "executor", "fault"), SHORT)
def test_what_is_promised_holds_whatever_happens(seed: int, executor: str, fault: str) -> None:
    # pytest's own folders have names that are too long for the sockets in them
    result = try_seed(seed, executor, fault, Path(tempfile.mkdtemp(prefix="chaos-")), steps=8)
    log = (result.directory / "driver.txt").read_text() if result.directory.exists() else ""
    assert not result.wrong, f"{result.command}\n{log}"
    result.directory.parent.rmdir()


def test_a_seed_is_always_the_same_workflow() -> None:
    assert steps_of(17, 30) == steps_of(17, 30) != steps_of(18, 30)


def test_the_oracle_knows_what_has_no_value() -> None:
    steps = steps_of(5, 40)
    oracle = serially(steps)
    without = {name for name, value in oracle.items() if not value}
    assert without <= may_fail(steps, 3) <= may_fail(steps, 0)
    assert {step.name for step in steps if step.kind == "fails"} <= without


@pytest.mark.parametrize("size", [0, 10, 1000])
def test_values_depend_on_what_they_are_made_of(size: int) -> None:
    values = [made("a", size, []), made("b", size, []), made("a", size, ["x"])]
    assert len(set(values)) == 3
    assert all(len(value) == (size or 64) for value in values)


def test_every_fault_can_happen_somewhere() -> None:
    assert all(fault.executors for fault in FAULTS.values())
