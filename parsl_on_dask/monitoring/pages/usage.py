"""Resource samples: what tasks and workers used, over time and in all."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from parsl_on_dask.monitoring.pages.database import Database, seconds
from parsl_on_dask.monitoring.pages.model import Reader, Run


class Sample(NamedTuple):
    """A look at a try's process and its children. Memory and disk in bytes, CPU in seconds since its process began."""

    task: int
    try_id: int
    at: float
    pid: int | None
    memory: float | None
    cpu: float | None
    children: float | None
    read: float | None
    written: float | None
    switches: float | None


@dataclass(slots=True)
class Used:
    """What a try used."""

    task: int
    try_id: int
    app: str
    worker: str
    peak: float = 0.0
    cpu: float = 0.0
    read: float = 0.0
    written: float = 0.0
    children: int = 0
    samples: list[Sample] = field(default_factory=list)


def read_samples(database: Database, run_id: str, task: int | None = None) -> list[Sample]:
    """The samples of a run, or of one of its tasks, in order."""
    measured = "pid memory_resident time_user time_system children_count disk_read disk_write"
    switches = "num_ctx_switches_voluntary num_ctx_switches_involuntary"
    columns = ["task_id", "try_id", "timestamp", *(f"psutil_process_{m}" for m in f"{measured} {switches}".split())]
    where = "" if task is None else "task_id = :task"
    values: dict[str, Any] = {} if task is None else {"task": task}
    found = []
    for row in database.of_run(run_id, "resource", ", ".join(columns), where, **values):
        number, try_id, when, pid, memory, user, system, children, read, written, voluntary, involuntary = row
        at = seconds(when)
        if at is None:
            continue
        cpu = None if user is None else user + (system or 0.0)
        both = None if voluntary is None else voluntary + (involuntary or 0.0)
        found.append(Sample(number, try_id, at, pid, memory, cpu, children, read, written, both))
    found.sort(key=lambda s: (s.task, s.try_id, s.at))
    return found


def samples_of(reader: Reader, run_id: str) -> list[Sample]:
    """The samples of a run, from what was read of it before as long as that is true."""
    found: list[Sample] = reader.cached(("samples", run_id), lambda: read_samples(reader.database, run_id))
    return found


def used(run: Run, samples: list[Sample]) -> list[Used]:
    """What each try with samples used. CPU, disk: what was added between its first and its last sample."""
    found: dict[tuple[int, int], Used] = {}
    for sample in samples:
        task = run.tasks.get(sample.task)
        if task is None:
            continue
        one = found.get((sample.task, sample.try_id))
        if one is None:
            place = next((t for t in task.tries if t.number == sample.try_id), None)
            host = (place.host or "").partition(".")[0] if place else ""
            executor = place.executor if place else ""
            worker = " ".join(filter(None, (executor, host, f"pid {sample.pid}" if sample.pid else "")))
            one = found[sample.task, sample.try_id] = Used(sample.task, sample.try_id, task.app, worker)
        one.samples.append(sample)
        one.peak = max(one.peak, sample.memory or 0.0)
        one.children = max(one.children, int(sample.children or 0))
    for one in found.values():
        one.cpu = _grown([s.cpu for s in one.samples])
        one.read = _grown([s.read for s in one.samples])
        one.written = _grown([s.written for s in one.samples])
    return list(found.values())


def _grown(values: list[float | None]) -> float:
    """How much a counter grew; it falls when a child ends whose share is then missing."""
    known = [v for v in values if v is not None]
    return sum(max(0.0, b - a) for a, b in pairwise(known))


class AppUse(NamedTuple):
    app: str
    tries: int
    peak: float
    middle: float
    cpu: float
    read: float
    written: float


def by_app(found: list[Used]) -> list[AppUse]:
    """Peak memory, median of the peaks, and sums, of each app."""
    groups: dict[str, list[Used]] = defaultdict(list)
    for one in found:
        groups[one.app].append(one)
    return [
        AppUse(
            app,
            len(members),
            max(u.peak for u in members),
            median(u.peak for u in members),
            sum(u.cpu for u in members),
            sum(u.read for u in members),
            sum(u.written for u in members),
        )
        for app, members in groups.items()
    ]


class Line(NamedTuple):
    """A quantity over time; not a number where nothing is known."""

    times: list[float]
    values: list[float]


class _Series(NamedTuple):
    """All looks at one worker's process, in order, and until when something ran there after each of them."""

    samples: list[Sample]
    until: list[float]


def _series(found: list[Used]) -> dict[str, _Series]:
    """What is known of each worker; calls that run at a time in one process see the same process."""
    tries: dict[str, list[Used]] = defaultdict(list)
    for one in found:
        if one.samples:
            tries[one.worker].append(one)
    made = {}
    for worker, members in tries.items():
        samples = sorted((s for one in members for s in one.samples), key=lambda s: s.at)
        ends = {id(s): one.samples[-1].at for one in members for s in one.samples}
        until, latest = [], 0.0
        for sample in samples:
            latest = max(latest, ends[id(sample)])
            until.append(latest)
        made[worker] = _Series(samples, until)
    return made


def cores(found: list[Used], points: int = 300) -> dict[str, Line]:
    """Cores in use over time, by worker: CPU seconds spent between two looks, spread evenly over the time between."""
    spans = []
    for worker, series in _series(found).items():
        known = [s for s in series.samples if s.cpu is not None]
        for a, b in pairwise(known):
            if b.at > a.at:
                spans.append((worker, a.at, b.at, max(0.0, b.cpu - a.cpu)))  # type: ignore[operator]
    if not spans:
        return {}
    first, last = min(s[1] for s in spans), max(s[2] for s in spans)
    width = max((last - first) / points, 1e-6)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * points)
    for worker, begin, end, spent in spans:
        rate = spent / (end - begin)
        low = int((begin - first) / width)
        high = min(int((end - first) / width), points - 1)
        for i in range(low, high + 1):
            left, right = first + i * width, first + (i + 1) * width
            sums[worker][i] += rate * max(0.0, min(end, right) - max(begin, left)) / width
    times = [first + (i + 0.5) * width for i in range(points)]
    return {worker: Line(times, values) for worker, values in sums.items()}


def memory(found: list[Used], points: int = 300) -> dict[str, Line]:
    """Memory over time, by worker; a look counts until the next one, and nothing is known where nothing runs."""
    everything = _series(found)
    if not everything:
        return {}
    first = min(s.samples[0].at for s in everything.values())
    last = max(s.samples[-1].at for s in everything.values())
    lines = {}
    for worker, (samples, until) in everything.items():
        parts: list[Line] = [Line([], [])]
        for i, sample in enumerate(samples):
            if i and sample.at - until[i - 1] > max((last - first) / points, 0.05):
                parts.append(Line([], []))
            if sample.memory is not None:
                parts[-1].times.append(sample.at)
                parts[-1].values.append(sample.memory)
        kept = [part for part in parts if part.times]
        room = max(2, points // max(1, len(kept)))
        times: list[float] = []
        values: list[float] = []
        for part in kept:
            part = _thinned(part, room)
            if times:
                times.append(times[-1])
                values.append(math.nan)
            times += part.times
            values += part.values
        lines[worker] = Line(times, values)
    return lines


def _thinned(line: Line, points: int) -> Line:
    """At most that many points, the highest of each stretch."""
    count = len(line.times)
    if count <= points:
        return line
    times, values = [], []
    for i in range(points):
        low, high = i * count // points, (i + 1) * count // points
        top = max(range(low, high), key=lambda j: line.values[j])
        times.append(line.times[top])
        values.append(line.values[top])
    return Line(times, values)
