"""From what was recorded to one outcome for each test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from conform.session import Event

__all__ = ["Outcome", "outcomes"]


@dataclass
class Outcome:
    """What became of one test in one configuration."""

    state: str  # passed, failed or skipped
    seconds: float = 0.0
    text: str = ""


def outcomes(events: Iterable[Event]) -> dict[str, Outcome]:
    """Return an outcome for every test that was selected, and one for every file that cannot be imported."""
    found: dict[str, Outcome] = {}
    selected: dict[str, None] = {}
    for event in events:
        name, kind = event.get("id", ""), event["ev"]
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
