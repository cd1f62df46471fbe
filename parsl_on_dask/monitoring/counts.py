"""How far tasks are: counts by app, the rate, the time left. What all views of a running kernel show."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from parsl_on_dask.common.states import States
from parsl_on_dask.common.wording import duration

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel

#: Seconds over which the rate is taken.
WINDOW = 30.0

#: Fields of the counts, in the order in which they are shown.
KINDS = ("done", "cached", "running", "failed", "waiting")

_RUNNING = (States.running, States.running_ended, States.joining)


class AppCounts(NamedTuple):
    """The tasks of an app."""

    app: str
    done: int
    cached: int
    running: int
    waiting: int
    failed: int

    @property
    def ended(self) -> int:
        return self.done + self.cached + self.failed

    @property
    def total(self) -> int:
        return self.ended + self.running + self.waiting

    def in_words(self) -> str:
        """What there is of each kind.

        Examples
        --------
        >>> AppCounts("a", 12, 3, 4, 0, 1).in_words()
        '12 done, 3 cached, 4 running, 1 failed'
        >>> AppCounts("a", 0, 0, 0, 0, 0).in_words()
        'no tasks'
        """
        return ", ".join(f"{n:,} {kind}" for kind in KINDS if (n := getattr(self, kind))) or "no tasks"


def of_kernel(kernel: Kernel) -> list[AppCounts]:
    """All tasks of a kernel so far, by app, in the order of their first calls."""
    with kernel.task_state_counts_lock:
        counts = [(app, tuple(found)) for app, found in kernel.app_state_counts.items()]
    # names with an underscore are parts of results, which nobody called
    shown = [pair for pair in counts if not pair[0].startswith("_")] or counts
    running = _running(kernel)
    return [_row(app, found, running) for app, found in shown]


def of_futures(futures: Iterable[Any], kernel: Kernel | None) -> list[AppCounts]:
    """The tasks behind some futures, by app. Futures that are no app's count as an app called "other"."""
    counts: dict[str, list[int]] = {}
    for future in futures:
        record = getattr(future, "_record", None)
        app = record.func_name if record is not None else "other"
        state = getattr(record, "status", None)
        if future.done():
            if state is None or state not in (States.exec_done, States.memo_done):
                failed = future.cancelled() or future.exception() is not None
                state = States.failed if failed else state if state is States.memo_done else States.exec_done
        elif state is None:
            state = States.running if future.running() else States.pending
        counts.setdefault(app, [0] * (max(States) + 1))[state] += 1
    running = _running(kernel) if kernel is not None else None
    return [_row(app, found, running) for app, found in counts.items()]


def _row(app: str, counts: Iterable[int], running: dict[str, int] | None) -> AppCounts:
    counts = list(counts)
    launched = counts[States.launched]
    # launched means handed to an executor, where most of a large number waits for a worker
    at_work = launched if running is None else min(launched, running.get(app, 0))
    return AppCounts(
        app,
        counts[States.exec_done],
        counts[States.memo_done],
        at_work + sum(counts[s] for s in _RUNNING),
        counts[States.pending] + counts[States.fail_retryable] + launched - at_work,
        counts[States.failed] + counts[States.dep_fail],
    )


def _running(kernel: Kernel) -> dict[str, int] | None:
    """How many calls of each app are with a worker; None when an executor cannot tell."""
    found: dict[str, int] = {}
    for label, executor in list(kernel.executors.items()):
        lane = getattr(executor, "lane", None)
        running = lane.running() if lane is not None else None
        if running is None:
            if label in kernel.labels():
                return None
            continue
        for app, count in running.items():
            found[app] = found.get(app, 0) + count
    return found


def total(rows: Iterable[AppCounts]) -> AppCounts:
    """The sum of some rows.

    Examples
    --------
    >>> total([AppCounts("a", 1, 2, 3, 4, 5), AppCounts("b", 10, 0, 0, 0, 0)])
    AppCounts(app='all', done=11, cached=2, running=3, waiting=4, failed=5)
    """
    rows = list(rows)
    return AppCounts(
        "all",
        sum(r.done for r in rows),
        sum(r.cached for r in rows),
        sum(r.running for r in rows),
        sum(r.waiting for r in rows),
        sum(r.failed for r in rows),
    )


class Pace:
    """The rate at which tasks end, over the latest stretch, and what follows from it.

    Results from the cache do not count: they say nothing about those that have to run.
    """

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.seen: deque[tuple[float, int]] = deque()
        self.rate: float | None = None
        self.left: float | None = None

    def see(self, row: AppCounts) -> None:
        """Take in how things are now."""
        now = time.monotonic()
        ran = row.done + row.failed
        self.seen.append((now, ran))
        while len(self.seen) > 2 and now - self.seen[1][0] > WINDOW:
            self.seen.popleft()
        since, before = self.seen[0]
        self.rate = (ran - before) / (now - since) if ran > before and now > since else None
        waiting = row.running + row.waiting
        self.left = waiting / self.rate if self.rate and waiting else 0.0 if not waiting else None

    @property
    def passed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def text(self) -> str:
        """Rate, time left and time passed."""
        parts = []
        if self.rate:
            parts.append(f"{self.rate:.3g} tasks/s" if self.rate < 1000 else f"{self.rate:,.0f} tasks/s")
        if self.left:
            parts.append(f"about {duration(max(1.0, self.left))} left")
        parts.append(f"after {duration(self.passed)}")
        return ", ".join(parts)
