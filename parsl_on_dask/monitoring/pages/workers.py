"""Which worker ran what: the rows of the Gantt chart.

The database knows a try's executor, block, host and, from its resource samples, process. Tries that overlap there
ran on several workers of that kind, so they are dealt out to as few rows as they need.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from parsl_on_dask.monitoring.pages.model import FINAL, Run, Task, Try

#: Bars up to which each try has one of its own.
BARS = 5000
#: Seconds by which tries of one worker may seem to overlap: two clocks are read for them.
SLACK = 0.002


@dataclass(slots=True)
class Bar:
    """Something on a worker: a try, or several that cannot be told apart on the screen."""

    row: int
    start: float
    end: float
    app: str
    failed: bool
    count: int
    task: int
    try_id: int
    running: bool


@dataclass(slots=True)
class Chart:
    """Bars, and the names of the workers, by row."""

    rows: list[str]
    bars: list[Bar]

    @property
    def merged(self) -> bool:
        return any(bar.count > 1 for bar in self.bars)


def chart(run: Run, most: int = BARS) -> Chart:
    """Deal a run's tries out to workers."""
    end = run.summary.end or 0.0
    groups: dict[tuple[str, str, str, str], list[tuple[float, float, Task, Try]]] = {}
    for task, one in run.tries():
        began = one.began
        if began is None or task.state == "memo_done":
            continue
        last = one is task.tries[-1]
        until = one.over
        if until is None:
            until = (task.returned if last and task.state in FINAL else None) or end
        key = (one.executor, one.block or "", one.host or "", "" if one.pid is None else str(one.pid))
        groups.setdefault(key, []).append((began, max(began, until), task, one))
    rows: list[str] = []
    bars: list[Bar] = []
    several = len({key[0] for key in groups}) > 1
    for key in sorted(groups, key=_natural):
        spans = sorted(groups[key], key=lambda s: s[:2])
        first = len(rows)
        free: list[tuple[float, int]] = []  # end of the last bar, and the row
        for began, until, task, one in spans:
            if free and free[0][0] <= began + SLACK:
                _, row = heapq.heappop(free)
            else:
                row = len(rows)
                rows.append("")
            heapq.heappush(free, (until, row))
            failed = one.failure is not None or (one is task.tries[-1] and task.state == "failed")
            running = one.over is None and task.state not in FINAL
            bars.append(Bar(row, began, until, task.app, failed, 1, task.id, one.number, running))
        for row in range(first, len(rows)):
            rows[row] = _name(key, several, row - first if len(rows) - first > 1 else None)
    if len(bars) > most:
        bars = _merged(bars, most)
    return Chart(_distinct(rows), bars)


def _natural(key: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    return tuple((int(part) if part.isdigit() else -1, part) for part in key)


def _name(key: tuple[str, str, str, str], several: bool, number: int | None) -> str:
    """A worker's name; with its executor where there are several of them, or nothing else is known."""
    executor, block, host, pid = key
    parts = [executor] if several or not (block or host or pid) else []
    if block:
        parts.append(f"block {block}")
    if host:
        parts.append(host.partition(".")[0])
    if pid:
        parts.append(f"pid {pid}")
    if number is not None:
        parts.append(f"#{number + 1}")
    return " ".join(parts)


def _distinct(names: list[str]) -> list[str]:
    """Names that differ: hosts of two domains may be called the same."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _merged(bars: list[Bar], most: int) -> list[Bar]:
    """Neighbours of one app become one bar, where the gap between them could not be seen."""
    began, ended = min(b.start for b in bars), max(b.end for b in bars)
    gap = (ended - began) / 4000
    while True:
        found: list[Bar] = []
        last: dict[int, Bar] = {}
        for bar in sorted(bars, key=lambda b: b.start):
            before = last.get(bar.row)
            if before is not None and bar.start - before.end <= gap and _alike(before, bar, gap):
                before.end = max(before.end, bar.end)
                before.count += bar.count
                before.running = before.running or bar.running
                continue
            last[bar.row] = bar
            found.append(bar)
        if len(found) <= most or gap > (ended - began) / 50:
            return found
        bars, gap = found, gap * 2


def _alike(a: Bar, b: Bar, gap: float) -> bool:
    if a.failed != b.failed:  # one failure must not colour all that is around it, nor get lost in it
        return False
    return a.app == b.app or (a.end - a.start <= gap and b.end - b.start <= gap)
