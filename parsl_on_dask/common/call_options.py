"""What the calls of one app are given: tries, limits, a priority, a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from parsl_on_dask.common.arguments import need, need_number, wrong_type
from parsl_on_dask.remote.walltime import checked_seconds

_OWNER = "options"


@dataclass(frozen=True)
class CallOptions:
    """Defaults of an app's calls; None for what the Config or the call says.

    Attributes
    ----------
    retries : int or None
        How often a call that failed is tried again.
    retry_on : tuple of type
        Only what is of these classes is tried again; empty for any exception.
    walltime : float or None
        Seconds.
    memory : float or None
        Megabytes.
    priority : float or None
        The lowest runs first.
    name : str or None
        What logs, errors and the dashboard call the tasks.
    """

    retries: int | None = None
    retry_on: tuple[type[BaseException], ...] = ()
    walltime: float | None = None
    memory: float | None = None
    priority: float | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        need_number(_OWNER, "retries", self.retries, at_least=0, optional=True, example="3")
        for kind in self.retry_on:
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise wrong_type(
                    _OWNER, "retry_on", kind, "exception classes", "Write for example retry_on=(OSError,)."
                )
        if self.walltime is not None:
            checked_seconds("options()", self.walltime)
        need_number(_OWNER, "memory", self.memory, kind=float, above=0, optional=True, example="2000")
        need_number(_OWNER, "priority", self.priority, kind=float, optional=True, example="1")
        need(_OWNER, "name", self.name, str, type(None), hint="Write a str.")

    def under(self, other: CallOptions | None) -> CallOptions:
        """These options where ``other`` says nothing."""
        if other is None:
            return self
        said = {field.name: getattr(other, field.name) for field in fields(self)}
        return replace(self, **{name: value for name, value in said.items() if value is not None and value != ()})

    def specification(self, own: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
        """The resource specification of a call that has one of its ``own``, on an executor that knows some keys.

        Examples
        --------
        >>> CallOptions(memory=2000, priority=1).specification({"priority": 5}, frozenset({"priority", "memory"}))
        {'memory': 2000, 'priority': 5}
        >>> CallOptions(memory=2000, priority=1).specification({}, frozenset())
        {}
        """
        wanted = {"memory": self.memory, "priority": self.priority}
        return {**{k: v for k, v in wanted.items() if v is not None and k in known}, **own}

    def retried(self, error: BaseException) -> bool:
        """Whether a try that ended with this exception may be followed by another one."""
        return not self.retry_on or isinstance(error, self.retry_on)
