"""What has to hold after a run, whatever happened to it. Each check returns what is wrong, one text for each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos.faults import Fault
from tests.chaos.workflow import LARGE, Step

LOG_LIMIT = 3_000_000
"""Bytes that a run's log and what it prints may have together."""
SENT_AGAIN = 8
"""How often a call may run again because the worker that it was on died while it may have run another one."""


class Seen:
    """What a script has seen, read from its side log."""

    def __init__(self, path: Path) -> None:
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self.loaded = any("loaded" in line for line in lines)
        self.ended: dict[str, dict[str, Any]] = {line["ended"]: line for line in lines if "ended" in line}
        self.results: dict[str, dict[str, Any]] = {line["result"]: line for line in lines if "result" in line}
        self.pending: list[str] | None = next((line["pending"] for line in lines if "pending" in line), None)


def ends(seen: Seen, code: int, fault: Fault, started: bool, stderr: str) -> list[str]:
    """Whether the script ended as it should, and all its futures with it."""
    wrong = []
    if fault.client == "ends" and code != 0:
        wrong.append(f"the script ended with {code}: {stderr[-600:]}")
    if seen.pending:
        wrong.append(f"futures stayed pending: {seen.pending}")
    if code == 0 and seen.pending is None:
        wrong.append("the script ended without saying what was pending")
    if fault.client == "interrupted" and code >= 0 and started and seen.loaded and seen.pending is None:
        wrong.append("an interrupted script did not come to its finally")
    return wrong


def values(
    seen: Seen, oracle: dict[str, str], fallible: set[str], fault: Fault, plan: dict[str, Any], cut: bool
) -> list[str]:
    """Whether every value is right, and whether nothing failed without a reason."""
    wrong = []
    for name, result in seen.results.items():
        if "digest" in result:
            if result["digest"] != oracle[name]:
                wrong.append(f"{name} has another value than in plain Python")
        elif name not in fallible and not cut and not fault.loses and not (fault.kills and not plan["retries"]):
            wrong.append(f"{name} failed: {result['error']}: {result['text']}")
    return wrong


def runs(path: Path, run: int, seen: Seen, plan: dict[str, Any], fault: Fault) -> list[str]:
    """Whether each call ran once per try, and what was found not at all."""
    wrong = []
    lines = _lines(path)
    counted = Counter(line[1] for line in lines if line[0] == str(run))
    ever = Counter(line[1] for line in lines) if plan["linger"] else counted
    for step in (Step(**step) for step in plan["steps"]):
        names = [f"{step.name}.0", f"{step.name}.1"] if step.kind == "join" else [step.name]
        for name in names:
            tries = plan["retries"] + 1
            if step.kind not in ("join", "bash") and name in seen.results:
                tries = seen.results[name]["tries"]
            if fault.resends or (fault.kills and (plan["executor"] == "existing" or step.size > LARGE)):
                tries += SENT_AGAIN
            if counted[name] > tries:
                wrong.append(f"{name} ran {counted[name]} times in {tries} tries")
            if seen.ended.get(name, {}).get("memo") and counted[name]:
                wrong.append(f"{name} was found, and ran all the same")
            result = seen.results.get(name, {})
            if "digest" in result and step.kind != "bash" and not ever[name] and not seen.ended[name]["memo"]:
                wrong.append(f"{name} has a value, and did not run")
    return wrong


def lives(path: Path, plan: dict[str, Any], fault: Fault) -> list[str]:
    """Whether each call with a key ran once in all lives of a script whose executors have stayed."""
    if fault.kills or fault.loses or fault.resends or not fault.records or fault.twice:
        return []
    counted = Counter(line[1] for line in _lines(path))
    wrong = []
    for step in (Step(**step) for step in plan["steps"]):
        if step.cached and step.kind in ("python", "list", "join"):
            names = [f"{step.name}.0", f"{step.name}.1"] if step.kind == "join" else [step.name]
            wrong += [f"{name} ran {counted[name]} times in all lives" for name in names if counted[name] > 1]
    return wrong


def _lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def found(before: Seen, after: Seen, plan: dict[str, Any], killed: bool) -> list[str]:
    """Whether what one run has seen done was there for the next one."""
    wrong = []
    for step in (Step(**step) for step in plan["steps"]):
        seen = before.ended.get(step.name)
        if not step.cached or seen is None or seen["error"]:
            continue
        # the worker that has it may not have come to write it
        large = step.size > LARGE and plan["executor"] != "threads" and plan["durability"] == "process"
        if killed and large:
            continue
        again = after.ended.get(step.name)
        if again is not None and not again["memo"]:
            wrong.append(f"{step.name} ({step.kind}, {step.size} bytes) was seen done, and not found again")
    return wrong


def logs(directory: Path, run: int) -> list[str]:
    files = [directory / f"out-{run}.txt", directory / f"err-{run}.txt", *directory.glob("runinfo/*/parsl.log")]
    files += directory.glob("runinfo/*/*/block-*/*.log")
    size = sum(file.stat().st_size for file in files if file.exists())
    return [f"logs of {size} bytes"] if size > LOG_LIMIT else []


def rests(directory: Path, killed: bool) -> list[str]:
    """Whether no temporary file is left. Of a process that was killed, others can remove only what they know of."""
    left = sorted(str(path.relative_to(directory)) for path in directory.glob("tmp/*"))
    parts = sorted(str(path.relative_to(directory)) for path in directory.glob("runinfo/**/*.tmp"))
    if killed:
        left = [path for path in left if path.startswith("tmp/parsl-on-dask-")]
        parts = []
    return [f"left behind: {left}"] * bool(left) + [f"unfinished: {parts}"] * bool(parts)


def cluster(state: dict[str, Any]) -> list[str]:
    """Whether nothing is left on a cluster that is not ours."""
    kinds = ("tasks", "plugins", "topics", "clients")
    return [f"{what} are left on the cluster: {state[what]}" for what in kinds if state[what]]
