"""The suite in parts of like length, some at a time."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterable, Iterator

from conform.known import Baseline, Expected
from conform.outcomes import Outcome, outcomes
from conform.processes import end_all
from conform.session import Event, Part, Settings, run

__all__ = ["Result", "parts", "run_all"]

Result = tuple[dict[str, dict[str, Outcome]], list[str]]
UNKNOWN = 1.0  # seconds that a file takes of which nothing is known
LONGEST = 60.0


def parts(configs: Iterable[str], files: list[str], baseline: Baseline, expected: Expected) -> list[Part]:
    """Cut every configuration into parts that take about a minute, the longest first."""
    found: list[tuple[float, Part]] = []
    for config in configs:
        known = {test.partition("::")[0] for test in baseline.states.get(config, {})}
        anywhere = {test.partition("::")[0] for tests in baseline.states.values() for test in tests}
        left_out = expected.left_out(config)
        mine = [file for file in files if (file in known or file not in anywhere) and file not in left_out]
        weights = {file: baseline.seconds.get(f"{config} {file}", UNKNOWN) for file in mine}
        for share in _shares(weights):
            total = sum(weights[file] for file in share)
            found.append((total, Part(config, sorted(share), leave_out=left_out)))
    return [part for _, part in sorted(found, key=lambda pair: -pair[0])]


def _shares(weights: dict[str, float]) -> Iterator[list[str]]:
    number = max(1, round(sum(weights.values()) / LONGEST))
    shares: list[list[str]] = [[] for _ in range(number)]
    loads = [0.0] * number
    for file in sorted(weights, key=lambda name: (-weights[name], name)):
        lightest = loads.index(min(loads))
        shares[lightest].append(file)
        loads[lightest] += weights[file]
    yield from (share for share in shares if share)


def run_all(stages: list[tuple[list[Part], int]], settings: Settings) -> Result:
    """Run parts, stage by stage, as many at a time as each says, and return outcomes by configuration, and remarks."""
    seen: dict[str, dict[str, Outcome]] = {part.config: {} for todo, _ in stages for part in todo}
    remarks: list[str] = []
    for todo, at_once in stages:
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            started: dict[concurrent.futures.Future[tuple[list[Event], list[str]]], Part]
            started = {pool.submit(run, part, settings): part for part in todo}
            try:
                for future in concurrent.futures.as_completed(started):
                    events, notes = future.result()
                    seen[started[future].config].update(outcomes(events))
                    remarks += notes
                    print(f"  done: {started[future]}", flush=True)
            except BaseException:
                # the threads go on until their processes end
                settings.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                end_all(settings.name)
                raise
    return seen, remarks
