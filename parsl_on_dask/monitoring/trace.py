"""A run as a file for Perfetto (https://ui.perfetto.dev) and ``chrome://tracing``.

Executors are its processes and workers their threads; a call is a bar in the row of its worker, from its beginning
there to its end. Another process has the number of calls that wait, an app a row. Dependencies are arrows.
The format is Google's "Trace Event Format".
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from parsl_on_dask.monitoring import run_trace
from parsl_on_dask.monitoring.pages.model import Run
from parsl_on_dask.remote.sidefiles import replacing_file

#: The process that has the waiting calls.
WAITING = "waiting"


class Span(NamedTuple):
    """One try of a task; times are seconds since 1970."""

    task: int
    number: int
    app: str
    executor: str
    worker: str
    invoked: float
    began: float
    ended: float
    failed: bool
    depends: tuple[int, ...]


def is_traced(run_dir: str) -> bool:
    """Whether a run has written a trace."""
    return os.path.exists(os.path.join(run_dir, run_trace.FILE))


def of_trace(run_dir: str) -> Iterator[Span]:
    """The tries in the trace of a run."""
    for row in run_trace.read(run_dir):
        if not row.ended:
            continue
        worker = f"{row.worker} on {row.host}" if row.host else row.worker
        yield Span(
            *(row.task, row.number, row.app, row.executor, worker, row.since),
            *(row.began, row.ended, row.failed, row.depends),
        )


def of_run(run: Run) -> Iterator[Span]:
    """The tries of a run that was monitored. They are known by block and host, so rows are filled as needed."""
    rows: dict[tuple[Any, ...], list[tuple[float, int]]] = defaultdict(list)
    found = ((task, one) for task, one in run.tries() if one.began is not None and one.over is not None)
    for task, one in sorted(found, key=lambda pair: pair[1].began or 0.0):
        began, over = one.began or 0.0, one.over or 0.0
        place = (one.executor, one.block, one.host)
        free = rows[place]
        number = heapq.heappop(free)[1] if free and free[0][0] <= began else len(free)
        heapq.heappush(free, (over, number))
        where = f"{one.host or one.executor}" + (f", block {one.block}" if one.block is not None else "")
        since = one.launched if one.number and one.launched is not None else task.invoked
        yield Span(
            *(task.id, one.number, task.app, one.executor, f"{where}, {number}", since or began),
            *(began, over, bool(one.failure), task.depends),
        )


def events(spans: Iterable[Span]) -> Iterator[dict[str, Any]]:
    """The events of the file.

    Examples
    --------
    >>> found = list(events([Span(0, 0, "read", "htex", "w0", 10.0, 10.5, 11.0, False, ())]))
    >>> [(e["ph"], e["ts"], e.get("dur"), e["args"].get("calls")) for e in found if e["ph"] in "XC"]
    [('X', 500000.0, 500000.0, None), ('C', 0.0, None, 1), ('C', 500000.0, None, 0)]
    """
    spans = sorted(spans, key=lambda span: span.began)
    start = min([span.invoked for span in spans], default=0.0)
    places = _Places()
    last: dict[int, tuple[int, int, float]] = {}
    arrows = itertools.count(1)
    for span in spans:
        process, thread = places.of(span.executor, span.worker)
        began, ended = _micro(span.began - start), _micro(span.ended - start)
        about = {"task": span.task, "try": span.number, "failed": span.failed, "depends": list(span.depends)}
        bar = {"ph": "X", "pid": process, "tid": thread, "ts": began, "dur": max(0.0, ended - began)}
        yield {**bar, "name": span.app, "cat": "failed" if span.failed else "call", "args": about}
        for leader in span.depends:
            if leader in last:
                pid, tid, end = last[leader]
                arrow = {"cat": "depends", "name": "depends", "id": next(arrows)}  # Perfetto wants numbers
                yield {**arrow, "ph": "s", "pid": pid, "tid": tid, "ts": end}
                yield {**arrow, "ph": "f", "bp": "e", "pid": process, "tid": thread, "ts": began}
        # an arrow begins inside of the bar that it leaves
        last[span.task] = (process, thread, max(began, ended - 0.001))
    yield from _waiting(spans, start, places)
    yield from places.names()


def _waiting(spans: Sequence[Span], start: float, places: _Places) -> Iterator[dict[str, Any]]:
    """How many calls of each app wait, whenever that changes."""
    changes = [(span.invoked, 1, span.app) for span in spans]
    changes += [(max(span.began, span.invoked), -1, span.app) for span in spans]
    counts: Counter[str] = Counter()
    for time, change, app in sorted(changes):
        counts[app] += change
        counter = {"ph": "C", "pid": places.process(WAITING), "name": app, "ts": _micro(time - start)}
        yield {**counter, "args": {"calls": counts[app]}}


def write(spans: Iterable[Span], path: str) -> int:
    """Write the file; returns how many calls are in it."""
    count = 0
    with replacing_file(os.path.abspath(path)) as file:
        file.write(b'{"displayTimeUnit": "ms", "traceEvents": [')
        before = b"\n"
        for event in events(spans):
            count += event["ph"] == "X"
            file.write(before + json.dumps(event).encode())
            before = b",\n"
        file.write(b"\n]}\n")
    return count


def _micro(seconds: float) -> float:
    return round(seconds * 1e6, 3)


class _Places:
    """Numbers of processes and threads, and their names."""

    def __init__(self) -> None:
        self.processes: dict[str, int] = {}
        self.threads: dict[tuple[str, str], int] = {}

    def process(self, name: str) -> int:
        return self.processes.setdefault(name, len(self.processes) + 1)

    def of(self, process: str, thread: str) -> tuple[int, int]:
        return self.process(process), self.threads.setdefault((process, thread), len(self.threads) + 1)

    def names(self) -> Iterator[dict[str, Any]]:
        for name, number in self.processes.items():
            yield {"ph": "M", "name": "process_name", "pid": number, "args": {"name": name}}
            yield {"ph": "M", "name": "process_sort_index", "pid": number, "args": {"sort_index": name == WAITING}}
        for (process, name), number in self.threads.items():
            yield {
                "ph": "M",
                "name": "thread_name",
                "pid": self.processes[process],
                "tid": number,
                "args": {"name": name},
            }
