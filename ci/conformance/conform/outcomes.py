"""From what was recorded to one outcome for each test."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from conform.session import Event

__all__ = ["Outcome", "outcomes", "same_name"]


@dataclass
class Outcome:
    """What became of one test in one configuration."""

    state: str  # passed, failed or skipped
    seconds: float = 0.0
    text: str = ""


def same_name(test: str) -> str:
    """Return a test's name as every pytest would have it.

    Where parameters are equal, newer ones put an underscore between a digit and the number that tells them apart.

    >>> same_name("test_x.py::test_y[port-550010]") == same_name("test_x.py::test_y[port-55001_0]")
    True
    """
    return re.sub(r"(?<=\d)_(?=\d+\]$)", "", test)


def outcomes(events: Iterable[Event]) -> dict[str, Outcome]:
    """Return an outcome for every test that was selected, and one for every file that cannot be imported."""
    found: dict[str, Outcome] = {}
    selected: dict[str, None] = {}
    for event in events:
        name, kind = same_name(event.get("id", "")), event["ev"]
        if kind == "selected":
            selected[name] = None
        elif kind in ("uncollected", "killed"):
            found[name] = Outcome("failed", text=event["msg"])
        elif kind == "report":
            _add(found.setdefault(name, Outcome("passed")), event)
    for name in selected:
        found.setdefault(name, Outcome("failed", text="it was not reached"))
    return found


def _add(outcome: Outcome, report: Event) -> None:
    """Take in one of the reports of a test: of its setup, itself or its teardown."""
    outcome.seconds = round(outcome.seconds + report["s"], 3)
    if report["outcome"] == "failed":
        outcome.state = "failed"
        outcome.text = f"{outcome.text}\n[{report['when']}] {report['msg']}".strip()
    elif report["outcome"] == "skipped" and outcome.state == "passed" and not report["expected"]:
        outcome.state, outcome.text = "skipped", report["msg"]
