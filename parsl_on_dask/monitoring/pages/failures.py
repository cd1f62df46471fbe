"""Why tasks failed: the chain of each failure down to its root, and the root's traceback."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from parsl_on_dask.common.failed_calls import command, is_kept
from parsl_on_dask.common.task_errors import without_numbers
from parsl_on_dask.monitoring.pages.database import Database
from parsl_on_dask.monitoring.pages.model import Run, Task, numbers

#: Bytes of a log file that are searched for tracebacks.
SEARCHED = 256 * 2**20

_FAILED = re.compile(r"Task (\d+) failed after \d+ retry attempts")
#: How lines begin in parsl.log: seconds, date, then the place.
_LINE = re.compile(r"^\d{9,}\.\d+ \d{4}-\d\d-\d\d ")


@dataclass(slots=True)
class FailedTask:
    """A failed task, and what its failure comes from."""

    task: Task
    chain: list[Task]
    reason: str
    traceback: str | None
    #: The command that runs its root again; "" where that was not kept.
    replay: str = ""

    @property
    def root(self) -> Task:
        return self.chain[-1]


@dataclass(slots=True)
class CommonRoot:
    """Failures with the same root, or with roots that differ in nothing but their numbers.

    - `root`: the first one.
    - `equals`: the other roots.
    - `followers`: tasks that were not run because of one of them.
    """

    root: FailedTask
    equals: list[FailedTask]
    followers: list[FailedTask]


def failures(run: Run, tracebacks: dict[int, str]) -> list[FailedTask]:
    """All failed tasks of a run, roots first."""
    found = []
    for task in run.tasks.values():
        if task.kind in ("failed", "not run"):
            chain = _chain(run, task)
            root = chain[-1]
            again = command(run.summary.rundir, root.id) if is_kept(run.summary.rundir, root.id) else ""
            found.append(FailedTask(task, chain, reason(task), tracebacks.get(root.id), again))
    found.sort(key=lambda f: (len(f.chain) > 1, f.task.id))
    return found


def causes(found: Iterable[FailedTask]) -> list[CommonRoot]:
    """Failures by what they come from."""
    by_root: dict[tuple[str, str, str], CommonRoot] = {}
    for failure in sorted(found, key=lambda f: f.task is not f.root):
        root = failure.root
        key = (root.app, root.kind, without_numbers(reason(root)))
        cause = by_root.get(key)
        if cause is None:
            cause = by_root[key] = CommonRoot(failure, [], [])
        elif failure.task is not root:
            cause.followers.append(failure)
        else:
            cause.equals.append(failure)
    return list(by_root.values())


def reason(task: Task) -> str:
    """What a task's last try failed with."""
    for one in reversed(task.tries):
        if one.failure:
            return one.failure
    return "why is not in the database" if task.kind == "failed" else "something that it depends on failed"


def _chain(run: Run, task: Task) -> list[Task]:
    """The task, the failed one that it waited for, and so on."""
    chain = [task]
    seen = {task.id}
    while True:
        below = next((run.tasks[n] for n in _waits_for(chain[-1]) if n not in seen and _failed(run, n)), None)
        if below is None:
            return chain
        seen.add(below.id)
        chain.append(below)


def _waits_for(task: Task) -> list[int]:
    found = list(task.depends)
    for one in task.tries:  # a join app fails with what it joined
        found += numbers(one.joins)
    return found


def _failed(run: Run, number: int) -> bool:
    task = run.tasks.get(number)
    return task is not None and task.kind in ("failed", "not run")


def tracebacks(database: Database, run: Run, wanted: set[int] | None = None) -> dict[int, str]:
    """The tracebacks that the database or, where it is here, the run's log has, by task.

    `wanted`: tasks. Default: those that failed themselves.
    """
    if wanted is None:
        wanted = {task.id for task in run.tasks.values() if task.kind == "failed"}
    if not wanted:
        return {}
    found = {}
    if "task_traceback" in database.columns("failure"):
        rows = database.of_run(run.summary.id, "failure", "task_id, task_traceback", order="task_id, try_id")
        found = {number: text for number, text in rows if number in wanted and text}
    missing = wanted - set(found)
    if missing:
        found.update(_from_log(os.path.join(run.summary.rundir, "parsl.log"), missing))
    return found


def _from_log(path: str, wanted: set[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    try:
        with open(path, errors="replace") as file:
            task: int | None = None
            lines: list[str] = []
            read = 0
            for line in file:
                read += len(line)
                if _LINE.match(line):
                    if task is not None and lines:
                        found[task] = "".join(lines).rstrip()
                    match = _FAILED.search(line)
                    task = int(match[1]) if match and int(match[1]) in wanted else None
                    lines = []
                    if read > SEARCHED or len(found) == len(wanted):
                        break
                elif task is not None and len(lines) < 400:
                    lines.append(line)
            if task is not None and lines:
                found[task] = "".join(lines).rstrip()
    except OSError:
        pass  # of another machine, or removed
    return found


def kinds_of_error(found: Iterable[FailedTask]) -> list[tuple[str, int]]:
    """The types of the roots' errors, the most frequent first."""
    counted = Counter(f.reason.partition("(")[0].strip() for f in found if len(f.chain) == 1)
    return counted.most_common()
