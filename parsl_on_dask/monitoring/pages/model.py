"""Reads what a run's rows in the database mean."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from parsl_on_dask.monitoring.pages.database import Database, DatabaseProblem, now, seconds

#: What the states of tasks are shown as, in the order in which they are shown.
KINDS = ("done", "cached", "running", "waiting", "failed", "not run")
_KIND_OF = {
    "exec_done": "done",
    "memo_done": "cached",
    "running": "running",
    "running_ended": "running",
    "joining": "running",
    "failed": "failed",
    "dep_fail": "not run",
}
FINAL = ("exec_done", "memo_done", "failed", "dep_fail")
_FINAL_SQL = "('exec_done', 'memo_done', 'failed', 'dep_fail')"

#: Seconds without news after which a run that has no end is no longer taken to be running.
SILENCE = 300.0
#: Of the time, at most this part is spent reading the database.
READING = 0.1


@dataclass(slots=True)
class Try:
    """One try of a task. Times are seconds, None when it did not get there."""

    number: int
    executor: str
    block: str | None
    host: str | None
    launched: float | None
    running: float | None
    returned: float | None
    failure: str | None
    joins: str | None
    pid: int | None = None
    ended: float | None = None

    @property
    def began(self) -> float | None:
        """When its worker began, or, where that was not reported, when it was launched."""
        return self.running if self.running is not None else self.launched

    @property
    def over(self) -> float | None:
        """When its worker was done with it, or, where that was not reported, when the kernel knew."""
        return self.ended if self.ended is not None else self.returned


@dataclass(slots=True)
class Task:
    """One task."""

    id: int
    app: str
    depends: tuple[int, ...]
    memoize: bool
    hashsum: str | None
    invoked: float | None
    returned: float | None
    fail_count: int
    state: str = "pending"
    tries: list[Try] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """One of :data:`KINDS`."""
        return _KIND_OF.get(self.state, "waiting")

    @property
    def began(self) -> float | None:
        """When its last try began."""
        return self.tries[-1].began if self.tries else None

    @property
    def took(self) -> float | None:
        """Seconds that its last try ran."""
        last = self.tries[-1] if self.tries else None
        if last is None or last.began is None or last.over is None:
            return None
        return max(0.0, last.over - last.began)


@dataclass(slots=True)
class Summary:
    """A run, as the list of runs shows it."""

    id: str
    name: str
    version: str
    began: float | None
    completed: float | None
    host: str
    user: str
    rundir: str
    failed: int
    done: int
    latest: float | None = None

    @property
    def status(self) -> str:
        """ "finished", "running", or "no end" for one that ended without saying so."""
        if self.completed is not None:
            return "finished"
        news = self.latest or self.began
        return "running" if news is not None and abs(now() - news) < SILENCE else "no end"

    @property
    def end(self) -> float | None:
        """Its end; while it runs, now."""
        if self.completed is not None:
            return self.completed
        return max(now(), self.latest or 0.0) if self.status == "running" else self.latest or self.began

    @property
    def took(self) -> float | None:
        return None if self.began is None or self.end is None else max(0.0, self.end - self.began)


@dataclass(slots=True)
class Run:
    """A run with all its tasks."""

    summary: Summary
    tasks: dict[int, Task]
    blocks: list[tuple[Any, ...]]
    nodes: list[tuple[Any, ...]]
    read: float

    def tries(self) -> Iterator[tuple[Task, Try]]:
        for task in self.tasks.values():
            for one in task.tries:
                yield task, one

    def by_app(self) -> dict[str, Counter[str]]:
        """How many tasks of each app are of each kind, apps in the order of their first task."""
        return tally(self.tasks.values())

    def kinds(self) -> Counter[str]:
        return Counter(task.kind for task in self.tasks.values())


def tally(tasks: Iterable[Task]) -> dict[str, Counter[str]]:
    """Count tasks by app and kind."""
    found: dict[str, Counter[str]] = {}
    for task in tasks:
        found.setdefault(task.app, Counter())[task.kind] += 1
    return found


class Reader:
    """Reads runs, and keeps what it has read for as long as it is true or reading again would cost too much.

    Safe to use from several threads.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._kept: dict[Any, tuple[Any, float, float, Any]] = {}

    def runs(self) -> list[Summary]:
        """All runs, the latest first."""
        found: list[Summary] = self.cached("runs", self._runs)
        return found

    def run(self, run_id: str) -> Run:
        """One run.

        Raises DatabaseProblem when the database has no such run.
        """
        found: Run = self.cached(("run", run_id), lambda: self._run(run_id))
        return found

    def cached(self, key: Any, read: Any) -> Any:
        with self._lock:
            version = self.database.version()
            clock = time.monotonic()
            known = self._kept.get(key)
            if known is not None:
                before, at, cost, value = known
                if (version is not None and version == before) or clock - at < min(30.0, cost / READING):
                    return value
            value = read()
            took = time.monotonic() - clock
            while len(self._kept) > 8:
                del self._kept[next(iter(self._kept))]
            self._kept.pop(key, None)
            # without a version, what was just read is taken to be true for a moment
            self._kept[key] = (version, time.monotonic(), max(took, 0.05), value)
            return value

    def _runs(self) -> list[Summary]:
        db = self.database
        db.check()
        columns = (
            "run_id, workflow_name, workflow_version, time_began, time_completed, host, user, rundir, "
            "tasks_failed_count, tasks_completed_count"
        )
        found = []
        for run_id, name, version, began, completed, host, user, rundir, failed, done in db.rows("workflow", columns):
            summary = Summary(
                str(run_id),
                name or "unnamed",
                version or "",
                seconds(began),
                seconds(completed),
                host or "",
                user or "",
                rundir or "",
                failed or 0,
                done or 0,
            )
            if completed is None:
                latest = db.of_run(summary.id, "status", "MAX(timestamp)")
                summary.latest = seconds(latest[0][0]) if latest else None
            found.append(summary)
        found.sort(key=lambda s: s.began or 0.0, reverse=True)
        return found

    def _run(self, run_id: str) -> Run:
        summary = next((s for s in self._runs() if s.id == run_id), None)
        if summary is None:
            raise DatabaseProblem(f"{self.database.name} has no run {run_id!r}")
        tasks = self._tasks(run_id)
        self._add_tries(run_id, tasks)
        self._add_states(run_id, tasks)
        db = self.database
        blocks = db.of_run(run_id, "block", "executor_label, block_id, job_id, timestamp, status")
        columns = (
            "hostname, block_id, cpu_count, total_memory, active, worker_count, python_v, timestamp, last_heartbeat"
        )
        nodes = db.of_run(run_id, "node", columns)
        return Run(summary, tasks, blocks, nodes, now())

    def _tasks(self, run_id: str) -> dict[int, Task]:
        columns = (
            "task_id, task_func_name, task_depends, task_memoize, task_hashsum, task_time_invoked, task_time_returned, "
            "task_fail_count"
        )
        tasks = {}
        for row in self.database.of_run(run_id, "task", columns, order="task_id"):
            number, app, depends, memoize, hashsum, invoked, returned, fails = row
            tasks[number] = Task(
                number,
                app or "?",
                numbers(depends),
                str(memoize) in ("1", "True"),
                hashsum,
                seconds(invoked),
                seconds(returned),
                fails or 0,
            )
        return tasks

    def _add_tries(self, run_id: str, tasks: dict[int, Task]) -> None:
        columns = (
            "task_id, try_id, task_executor, block_id, hostname, task_try_time_launched, task_try_time_running, "
            "task_try_time_returned, task_fail_history, task_joins"
        )
        db = self.database
        for row in db.of_run(run_id, "try", columns, order="task_id, try_id"):
            number, try_id, executor, block, host, launched, running, returned, failure, joins = row
            task = tasks.get(number)
            if task is not None:
                task.tries.append(
                    Try(
                        try_id,
                        executor or "",
                        None if block in (None, "", "None") else str(block),
                        host,
                        seconds(launched),
                        seconds(running),
                        seconds(returned),
                        failure or None,
                        joins or None,
                    )
                )
        tries = {(number, one.number): one for number, task in tasks.items() for one in task.tries}
        pids = db.of_run(run_id, "resource", "task_id, try_id, MIN(psutil_process_pid)", group="task_id, try_id")
        for number, try_id, pid in pids:
            if (number, try_id) in tries:
                tries[number, try_id].pid = pid
        ended = db.of_run(run_id, "status", "task_id, try_id, timestamp", "task_status_name = 'running_ended'")
        for number, try_id, when in ended:
            if (number, try_id) in tries:
                tries[number, try_id].ended = seconds(when)

    def _add_states(self, run_id: str, tasks: dict[int, Task]) -> None:
        db = self.database
        latest: dict[int, float] = {}
        ended = f"SELECT task_id FROM status WHERE run_id = :run AND task_status_name IN {_FINAL_SQL}"
        for where in (f"task_status_name IN {_FINAL_SQL}", f"task_id NOT IN ({ended})"):
            for number, state, when in db.of_run(run_id, "status", "task_id, task_status_name, timestamp", where):
                task = tasks.get(number)
                at = seconds(when) or 0.0
                # the end of a task is that, also when a worker with another clock says something later
                if task is not None and at >= latest.get(number, 0.0) and (task.state not in FINAL or state in FINAL):
                    latest[number] = at
                    task.state = state


def numbers(text: str | None) -> tuple[int, ...]:
    """The task numbers in a column such as task_depends.

    Examples
    --------
    >>> numbers("3,14,15"), numbers(""), numbers(None)
    ((3, 14, 15), (), ())
    """
    return tuple(int(part) for part in (text or "").split(",") if part.strip().isdigit())
