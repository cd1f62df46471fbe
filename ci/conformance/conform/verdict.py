"""What was seen beside what was known: the tests that are a problem, and the lines that are printed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from conform.known import Baseline, Expected
from conform.outcomes import Outcome, same_name

__all__ = ["Problem", "Verdict", "judge"]


@dataclass
class Problem:
    """A test whose outcome is not the one that it should have."""

    config: str
    test: str
    what: str
    text: str = ""

    def __str__(self) -> str:
        lines = [f"{self.config}: {self.test}: {self.what}"]
        return "\n".join(lines + [f"    {line}" for line in self.text.splitlines()[-25:]])


@dataclass
class Verdict:
    """One configuration's result."""

    config: str
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{number} {what}" for what, number in self.counts.items() if number]
        return f"{self.config:8} {', '.join(parts)}"


def judge(config: str, seen: dict[str, Outcome], baseline: Baseline, expected: Expected) -> Verdict:
    """Compare the outcomes in one configuration with what is known of its tests."""
    verdict = Verdict(config, Counter({"passed": 0}))
    before = {same_name(test): state for test, state in baseline.states.get(config, {}).items()}
    files = {name: outcome for name, outcome in seen.items() if "::" not in name}
    for test in sorted({*before, *seen} - files.keys()):
        outcome = seen.get(test) or _missing(test, files)
        reason = expected.why(config, test)
        parsls = before.get(test)
        if outcome.state == "passed":
            verdict.counts["passed"] += 1
            if reason is not None and not reason.sometimes:
                verdict.problems.append(Problem(config, test, f"passes, but is expected to fail: {reason.reason}"))
        elif outcome.state == "skipped" and parsls == "skipped":
            verdict.counts["skipped"] += 1
        elif reason is not None:
            verdict.counts["expected failures"] += 1
        elif outcome.state == "failed" and parsls == "failed":
            verdict.counts["that fail with Parsl, too"] += 1
        elif outcome.state == "skipped":
            verdict.problems.append(Problem(config, test, "is skipped, but Parsl passes it", outcome.text))
        else:
            verdict.problems.append(Problem(config, test, "fails", outcome.text))
    verdict.counts["not as they should be"] = len(verdict.problems)
    return verdict


def _missing(test: str, files: dict[str, Outcome]) -> Outcome:
    return files.get(test.partition("::")[0]) or Outcome("failed", text="no test of this name was found")
