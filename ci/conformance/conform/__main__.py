"""The command: ``ci/conformance/run`` starts it in an environment that has what the tests need."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from conform import processes
from conform import suite as suites
from conform.known import DATA, Baseline, Expected, by_the_clock
from conform.outcomes import Outcome
from conform.schedule import parts, run_all
from conform.session import Part, Settings
from conform.verdict import Verdict, judge


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ci/conformance/run", description="Parsl's own tests on this package")
    parser.add_argument("--config", choices=sorted(suites.CONFIGS), action="append", help="only this one (repeatable)")
    parser.add_argument("--only", metavar="TEST", action="append", help="a file, function or test of Parsl's tests")
    parser.add_argument("--tests-from", required=True, help="a folder or an environment's Python that has the tests")
    parser.add_argument("--package", default="parsl_on_dask", help="what 'parsl' means; 'parsl' is the real one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="pytest processes at a time")
    parser.add_argument("--limit", type=float, default=120, help="seconds that a test may take")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="the folder of baseline.json and expected_failures.json"
    )
    parser.add_argument("--out", type=Path, help="write every outcome there, as JSON")
    parser.add_argument("--record-baseline", action="store_true", help="keep what was seen as what Parsl does")
    parser.add_argument("--record-seconds", action="store_true", help="keep how long each file took")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    options = arguments(words)
    baseline, expected = Baseline.read(options.data), Expected.read(options.data)
    configs = options.config or list(suites.CONFIGS)
    if options.record_baseline:
        expected = Expected([])
    # Parsl's tests leave out files whose path has certain words in it, so the folder's name matters.
    scratch = Path(tempfile.mkdtemp(prefix="conform-"))
    try:
        try:
            suite = suites.copy(options.tests_from, scratch / "suite")
        except suites.SuiteError as error:
            print(error, file=sys.stderr)
            return 2
        settings = Settings(sys.executable, options.package, suite, scratch, options.limit)
        began = time.monotonic()
        files = suite.files()
        timed = [file for file in files if file in by_the_clock(options.data)]
        todo = parts(configs, [file for file in files if file not in timed], baseline, expected)
        alone = parts(configs, timed, baseline, expected)
        if options.only:
            chosen = [file for file in files if any(name.partition("::")[0] == file for name in options.only)]
            todo, alone = [Part(config, chosen, only=set(options.only)) for config in configs if chosen], []
        print(f"{options.package} with the tests of Parsl {suite.version}: {len(todo) + len(alone)} parts", flush=True)
        seen, remarks = run_all([(todo, options.jobs), (alone, 1)], settings)
        verdicts = judged(seen, baseline, expected, options.only)
        took = time.monotonic() - began
    finally:
        processes.end_all(scratch.name)
        shutil.rmtree(scratch, ignore_errors=True)
    if options.out:
        write(options.out, seen)
    if options.record_baseline:
        baseline.replace(suite.version, seen)
        print("written:", baseline.write(options.data))
        return 0
    if options.record_seconds:
        baseline.seconds |= by_file(seen)
        print("written:", baseline.write(options.data))
    return report(verdicts, remarks, expected, baseline, took)


def judged(
    seen: dict[str, dict[str, Outcome]], baseline: Baseline, expected: Expected, only: list[str] | None
) -> list[Verdict]:
    if only:
        # what was not asked for is not missing
        states = {
            config: {t: s for t, s in baseline.states[config].items() if t in tests} for config, tests in seen.items()
        }
        baseline = Baseline(baseline.parsl, states)
    return [judge(config, tests, baseline, expected) for config, tests in seen.items()]


def by_file(seen: dict[str, dict[str, Outcome]]) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    for config, tests in seen.items():
        for test, outcome in tests.items():
            seconds[f"{config} {test.partition('::')[0]}"] += outcome.seconds
    return {name: round(value, 1) for name, value in sorted(seconds.items()) if value >= 0.5}


def report(verdicts: list[Verdict], remarks: list[str], expected: Expected, baseline: Baseline, took: float) -> int:
    problems = [problem for verdict in verdicts for problem in verdict.problems]
    for problem in problems:
        print(f"\n{problem}")
    for remark in remarks:
        print(f"remark: {remark}")
    stale = expected.unknown(test for tests in baseline.states.values() for test in tests)
    for entry in stale:
        print(f"data/expected_failures.json names {entry}, which is no test of Parsl {baseline.parsl}")
    print()
    for verdict in verdicts:
        print(verdict)
    print(f"in {took:.0f} s")
    return 1 if problems or stale else 0


def write(path: Path, seen: dict[str, dict[str, Outcome]]) -> None:
    data = {config: {test: vars(outcome) for test, outcome in tests.items()} for config, tests in seen.items()}
    path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    # so that what was started ends, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
