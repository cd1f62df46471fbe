"""The states of a task, by Parsl's names and numbers (they are stored in the monitoring database)."""

from __future__ import annotations

from enum import EnumMeta, IntEnum
from typing import Any

from parsl_on_dask.common.homes import known_at

_OLD = {"unsched": "pending", "done": "exec_done"}


class _OldStates(EnumMeta):
    """Knows the names that states had in earlier releases of Parsl."""

    def __getattr__(cls, name: str) -> Any:
        today = _OLD.get(name)
        if today is None:
            raise AttributeError(f"{name!r} is not a state: there are {', '.join(s.name for s in cls)}")  # type: ignore[var-annotated]
        from parsl_on_dask.old_spellings.legacy import warn_once

        warn_once(f"States.{name}", f"States.{name} is now States.{today}.")
        return cls[today]


class States(IntEnum, metaclass=_OldStates):
    """State of a task in the kernel and in the monitoring database.

    A task that simply works goes pending, launched, exec_done. Monitoring puts running and running_ended
    between the last two.

    Examples
    --------
    >>> States.exec_done
    <States.exec_done: 3>
    >>> str(States.exec_done), States(3).name
    ('States.exec_done', 'exec_done')
    >>> States.failed in FINAL_STATES
    True
    """

    pending = 0
    """Known to the kernel; waits for its dependencies or for its turn."""

    running = 2
    """Reported as begun by a worker. Only monitoring shows it."""

    exec_done = 3
    """Ran, and has a result."""

    failed = 4
    """The last permitted try failed."""

    dep_fail = 5
    """Not run, because something that it depends on failed."""

    launched = 7
    """Handed to an executor."""

    fail_retryable = 8
    """A try failed, and another one follows."""

    memo_done = 9
    """Not run, because its result was in the cache."""

    joining = 10
    """A join app whose body has returned and whose inner futures are awaited."""

    running_ended = 11
    """Reported as ended by a worker, well or badly. Only monitoring shows it."""

    def __str__(self) -> str:
        # IntEnum would print the number, and scripts grep logs for the name
        return f"States.{self.name}"


FINAL_FAILURE_STATES: set[States] = {States.failed, States.dep_fail}
"""States that a task never leaves and in which its future holds an exception."""

FINAL_STATES: set[States] = {States.exec_done, States.memo_done} | FINAL_FAILURE_STATES
"""States that a task never leaves."""


known_at("dataflow.states", vars())
