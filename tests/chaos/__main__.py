"""Let things go wrong at random, and see whether what is promised holds: ``python -m tests.chaos --help``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.faults import FAULTS

EXECUTORS = ("threads", "processes", "existing")
LIMIT = 240.0
"""Seconds that one seed may take with all its runs."""


@dataclass
class Result:
    """What came of a seed."""

    seed: int
    executor: str
    fault: str
    wrong: list[str]
    struck: bool
    timings: dict[str, float]
    took: float
    directory: Path

    @property
    def command(self) -> str:
        return f"python -m tests.chaos --seed {self.seed} --executor {self.executor} --fault {self.fault}"


def cells(executors: list[str], faults: list[str], linger: float = 0.0) -> list[tuple[str, str]]:
    """Which faults happen on which executors."""
    if linger:
        executors = [executor for executor in executors if executor != "threads"]
    else:
        faults = [fault for fault in faults if not FAULTS[fault].lingers]
    return [(executor, fault) for fault in faults for executor in executors if executor in FAULTS[fault].executors]


def try_seed(seed: int, executor: str, fault: str, into: Path, steps: int, linger: float = 0.0) -> Result:
    """Run a seed in a process of its own; the directory stays when something was wrong."""
    directory = into / f"{seed}-{executor}-{fault}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    began = time.monotonic()
    with open(directory / "driver.txt", "wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.chaos.driver",
                str(seed),
                executor,
                fault,
                str(directory),
                str(steps),
                str(linger),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    try:
        verdict = json.loads((directory / "verdict.json").read_text())
    except OSError:
        verdict = {"wrong": [f"no verdict within {LIMIT:.0f} s; see driver.txt"], "struck": True, "timings": {}}
    if not verdict["wrong"]:
        shutil.rmtree(directory, ignore_errors=True)
    return Result(seed, executor, fault, **verdict, took=time.monotonic() - began, directory=directory)


def table(results: list[Result]) -> str:
    """Runs (and in how many of them the fault came in time), and violations, by fault and executor, in Markdown."""
    executors = [name for name in (*EXECUTORS, "slurm") if any(r.executor == name for r in results)]
    total = Counter((r.fault, r.executor) for r in results)
    struck = Counter((r.fault, r.executor) for r in results if r.struck or r.fault == "none")
    wrong = Counter((r.fault, r.executor) for r in results if r.wrong)
    lines = ["| Fault | " + " | ".join(executors) + " | violations |", "|---" * (len(executors) + 2) + "|"]
    for fault in [name for name in FAULTS if any(r.fault == name for r in results)]:
        numbers = [(total[fault, executor], struck[fault, executor]) for executor in executors]
        runs = " | ".join(f"{ran} ({hit})" if ran else "–" for ran, hit in numbers)
        lines.append(f"| `{fault}` | {runs} | {sum(wrong[fault, executor] for executor in executors)} |")
    sums = [(sum(total[f, e] for f in FAULTS), sum(struck[f, e] for f in FAULTS)) for e in executors]
    runs = " | ".join(f"{ran} ({hit})" for ran, hit in sums)
    lines.append(f"| **all** | {runs} | {sum(bool(r.wrong) for r in results)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--seeds", type=int, default=300, help="how many, spread over faults and executors")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--executor", action="append", choices=[*EXECUTORS, "slurm"], help="may be given several times")
    parser.add_argument("--fault", action="append", choices=[*FAULTS], help="may be given several times")
    parser.add_argument("--steps", type=int, default=12, help="calls in a workflow")
    parser.add_argument(
        "--linger", type=float, default=0.0, help="seconds for which executors stay; default: not at all"
    )
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no seed after so many")
    parser.add_argument("--into", type=Path, help="where directories of seeds go; those that fail stay")
    parser.add_argument("--table", type=Path, help="a file for the table")
    options = parser.parse_args()
    into = (options.into or Path(tempfile.mkdtemp(prefix="chaos-"))).resolve()
    chosen = cells(options.executor or [*EXECUTORS], options.fault or [*FAULTS], options.linger)
    if not chosen:
        parser.error("that fault cannot happen on that executor")
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    results = []
    until = time.monotonic() + 60 * options.minutes

    def in_time(seed: int) -> Result | None:
        late = time.monotonic() > until
        return None if late else try_seed(seed, *chosen[seed % len(chosen)], into, options.steps, options.linger)

    with ThreadPoolExecutor(options.jobs) as pool:
        for future in as_completed([pool.submit(in_time, seed) for seed in seeds]):
            result = future.result()
            if result is None:
                continue
            results.append(result)
            timings = ", ".join(f"{name}: {seconds:.1f} s" for name, seconds in result.timings.items())
            mark = "FAILS" if result.wrong else "ok   " if result.struck or result.fault == "none" else "quiet"
            print(f"{mark} {result.took:5.1f} s  {result.command}  # {timings}", flush=True)
            for text in result.wrong:
                print(f"      {text}", flush=True)
            if result.wrong:
                print(f"      kept in {result.directory}", flush=True)
    text = table(results)
    print(f"\n{text}")
    if options.table:
        options.table.write_text(text + "\n")
    return int(any(result.wrong for result in results))


if __name__ == "__main__":
    sys.exit(main())
