"""What is known beforehand: what the real Parsl does with its tests, and what fails here and why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conform.outcomes import Outcome
from conform.suite import CONFIGS

__all__ = ["DATA", "Baseline", "Expected", "by_the_clock", "names"]

DATA = Path(__file__).resolve().parent.parent / "data"
STATES = ("passed", "failed", "skipped")


def names(test: str) -> set[str]:
    """Return the names by which a list may mean this test: itself, its function, its file."""
    return {test, test.partition("[")[0], test.partition("::")[0]}


def by_the_clock(folder: Path = DATA) -> frozenset[str]:
    """The files whose tests give something a second or a few, and so are run with nothing beside them."""
    path = folder / "by_the_clock.json"
    return frozenset(json.loads(path.read_text())) if path.exists() else frozenset()


@dataclass
class Baseline:
    """What the real Parsl does with each of its tests, by configuration."""

    parsl: str
    states: dict[str, dict[str, str]]
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path = DATA) -> Baseline:
        """Return the one that is kept in a folder."""
        data = json.loads((folder / "baseline.json").read_text())
        states = {
            config: {test: state for state in STATES for test in data.get(config, {}).get(state, [])}
            for config in CONFIGS
        }
        return cls(data["parsl"], states, data.get("seconds", {}))

    def replace(self, parsl: str, seen: dict[str, dict[str, Outcome]]) -> None:
        """Take over what a run of the real Parsl gave, for the configurations that it had."""
        self.parsl = parsl
        for config, tests in seen.items():
            self.states[config] = {test: outcome.state for test, outcome in tests.items()}

    def write(self, folder: Path = DATA) -> Path:
        """Keep it in a folder."""
        data: dict[str, Any] = {"parsl": self.parsl}
        for config, tests in self.states.items():
            data[config] = {
                state: kept for state in STATES if (kept := sorted(t for t, had in tests.items() if had == state))
            }
        data["seconds"] = self.seconds
        path = folder / "baseline.json"
        path.write_text(json.dumps(data, indent=1) + "\n")
        return path


@dataclass
class Reason:
    """Tests that fail here, or are not run, for one reason."""

    reason: str
    tests: list[str]
    configs: list[str] = field(default_factory=lambda: list(CONFIGS))
    run: bool = True  # false: they would only take time
    sometimes: bool = False  # true: they may pass


@dataclass
class Expected:
    """The tests that do not pass here."""

    reasons: list[Reason]

    @classmethod
    def read(cls, folder: Path = DATA) -> Expected:
        """Return the ones of ``expected_failures.json`` in a folder."""
        return cls([Reason(**entry) for entry in json.loads((folder / "expected_failures.json").read_text())])

    def why(self, config: str, test: str) -> Reason | None:
        """Return why this test does not pass in this configuration."""
        mine = names(test)
        return next((r for r in self.reasons if config in r.configs and mine.intersection(r.tests)), None)

    def left_out(self, config: str) -> set[str]:
        """Return the tests, functions and files that are not run."""
        return {test for r in self.reasons if config in r.configs and not r.run for test in r.tests}

    def unknown(self, tests: Iterable[str]) -> list[str]:
        """Return entries that no test has."""
        known = {name for test in tests for name in names(test)}
        return sorted(entry for r in self.reasons for entry in r.tests if entry not in known)
