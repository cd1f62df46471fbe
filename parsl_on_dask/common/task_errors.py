"""Errors of the kernel.

::

    ParslError
     +-- DataFlowException
          +-- BadCheckpoint
          +-- RunStopped              another task failed, and fail_fast stops everything then
          +-- PropagatedException     something else failed, and this task with it
               +-- DependencyError    ... something that it needed
               +-- JoinError          ... something that it joined
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from parsl_on_dask.common.parsl_paths import known_at
from parsl_on_dask.errors import ParslError
from parsl_on_dask.old_spellings.legacy import MISSING, renamed
from parsl_on_dask.remote.errors import shortened

#: A chain with more links than twice this is shown without its middle.
_SHOWN_LINKS = 50
#: Characters of the root cause's own text that the message repeats.
_SHOWN_TEXT = 2000
#: What differs between texts of the same cause: counts, numbers of tasks, addresses of objects.
_VARIES = re.compile(r"0x[0-9a-fA-F]+|\d+")


def without_numbers(text: str) -> str:
    """What the texts of errors with the same cause have in common.

    >>> without_numbers("no data in block 17 of <Store at 0x7f3a>")
    'no data in block # of <Store at #>'
    """
    return _VARIES.sub("#", text)


class DataFlowException(ParslError):
    """Base of the errors that the kernel reports about tasks."""


class BadCheckpoint(DataFlowException):
    """A checkpoint is missing or cannot be read.

    Parameters
    ----------
    reason : str
        What is wrong, with the path.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class RunStopped(DataFlowException):
    """A task was not run, since another one has failed and ``Config(fail_fast=True)`` stops a run then.

    What the other task failed with is the ``__cause__``. Parsl does not have it.

    Parameters
    ----------
    task_id : int
        The task that failed.
    app_name : str
        Its app.
    not_run : Counter, optional
        How many tasks of each app were waiting then, and were not run.

    Examples
    --------
    >>> from collections import Counter
    >>> print(RunStopped(3, "mesh", Counter(solve=10, plot=1)))
    Task 3 (app mesh) failed, and Config(fail_fast=True) stops the run then. Not run: 10 of app solve, 1 of app plot
    """

    def __init__(self, task_id: int, app_name: str, not_run: Counter[str] | None = None) -> None:
        super().__init__(task_id, app_name)
        self.task_id = task_id
        self.app_name = app_name
        self.not_run: Counter[str] = Counter() if not_run is None else not_run

    def __str__(self) -> str:
        rest = ", ".join(f"{count} of app {name}" for name, count in self.not_run.most_common())
        text = f"Task {self.task_id} (app {self.app_name}) failed, and Config(fail_fast=True) stops the run then."
        return f"{text} Not run: {rest}" if self.not_run else f"{text} Nothing else waited"


class PropagatedException(DataFlowException):
    """A task failed because other tasks did; base of DependencyError and JoinError.

    The first line of the message is Parsl's. The lines after it walk the chain down to the failure that
    began it, a task a line. That failure is also ``__cause__``, so tracebacks show it.

    Parameters
    ----------
    dependent_exceptions_tids : sequence of (exception, str)
        What failed, and a description of it: ``"task 4"``, or the repr of a foreign future.
    task_id : int
        The task that failed because of it.
    failure_description : str
        Begins the message.
    app_name : str, optional
        Name of the failing task's app.
    dependency_app_names : sequence of (str or None)
        Names of the apps behind `dependent_exceptions_tids`, in the same order, as far as known.

    Examples
    --------
    >>> first = DependencyError([(ValueError("no data"), "task 3")], 4, app_name="mean", dependency_app_names=["read"])
    >>> second = DependencyError([(first, "task 4"), (first, "task 5")], 6, app_name="report")
    >>> print(second)
    Dependency failure for task 6. The representative cause is via task 4 (+ others) <- task 3
      task 6 (app report) was not run, because task 4 failed, and so did task 5
      task 4 (app mean) was not run, because task 3 failed
      task 3 (app read) raised ValueError: no data
    >>> second.__cause__
    ValueError('no data')
    """

    def __init__(
        self,
        dependent_exceptions_tids: Sequence[tuple[BaseException, str]],
        task_id: int,
        *,
        failure_description: str,
        app_name: str | None = None,
        dependency_app_names: Sequence[str | None] = (),
    ) -> None:
        super().__init__(dependent_exceptions_tids, task_id)
        self.dependent_exceptions_tids = dependent_exceptions_tids
        self.task_id = task_id
        self.app_name = app_name
        self.dependency_app_names = tuple(dependency_app_names)
        self._failure_description = failure_description
        self._set_cause()

    def _set_cause(self) -> None:
        # each link takes the root from the link below it, so that a chain of any length costs the same a link
        if self.dependent_exceptions_tids:
            first = self.dependent_exceptions_tids[0][0]
            self.__cause__ = first.__cause__ or first if isinstance(first, PropagatedException) else first

    def __str__(self) -> str:
        chain = self._chain()
        vias = _without_middle([_via(link) for link in chain if link.dependent_exceptions_tids], "...")
        lines = _without_middle([_story(link) for link in chain], "...")
        root = _root_line(chain[-1])
        head = f"{self._head()} The representative cause is via {' <- '.join(vias)}" if vias else self._head()
        return "\n  ".join([head, *lines, *root])

    def __repr__(self) -> str:
        # the default would print the whole tree below, nested
        root = _one_line(self.__cause__) if self.__cause__ is not None else _story(self)
        return f"{type(self).__name__}({self._head()!r}, root cause {root!r})"

    def _head(self) -> str:
        return f"{self._failure_description} for task {self.task_id}."

    def _chain(self) -> list[PropagatedException]:
        """This error and, for each, the first propagated one below it."""
        chain = [self]
        while chain[-1].dependent_exceptions_tids:
            below = chain[-1].dependent_exceptions_tids[0][0]
            if not isinstance(below, PropagatedException):
                break
            chain.append(below)
        return chain

    def __reduce__(self) -> tuple[Any, ...]:
        # pickle would recurse once a link, and give up on long chains
        return (_rebuild, (_flatten(self),))


class DependencyError(PropagatedException):
    """A task was not run, because something that it depends on failed.

    Parameters
    ----------
    dependent_exceptions_tids : sequence of (exception, str)
        Each failed dependency's exception, and a description of the dependency.
    task_id : int
        The task that was not run.
    app_name, dependency_app_names
        As for :class:`PropagatedException`.
    dependent_exceptions : sequence of exception, optional
        In the place of ``dependent_exceptions_tids``, as releases up to 1.0 had it.
    """

    def __init__(
        self,
        dependent_exceptions_tids: Sequence[tuple[BaseException, str]] = MISSING,
        task_id: int = MISSING,
        *,
        app_name: str | None = None,
        dependency_app_names: Sequence[str | None] = (),
        dependent_exceptions: Sequence[BaseException] = MISSING,
    ) -> None:
        if task_id is MISSING:
            raise TypeError("DependencyError(): task_id is missing.")
        given: Sequence[Any] = renamed(
            "DependencyError",
            "dependent_exceptions",
            "dependent_exceptions_tids",
            dependent_exceptions,
            dependent_exceptions_tids,
        )
        if any(isinstance(each, BaseException) for each in given):  # as releases up to 1.0 had it
            given = [(each, "a dependency") for each in given]
        super().__init__(
            given,
            task_id,
            failure_description="Dependency failure",
            app_name=app_name,
            dependency_app_names=dependency_app_names,
        )


class JoinError(PropagatedException):
    """A future that a join app returned failed, or waits for the join itself.

    Parameters
    ----------
    dependent_exceptions_tids : sequence of (exception, str)
        Each failed inner future's exception and description, in the order of the returned list.
    task_id : int
        The join app's task.
    app_name, dependency_app_names
        As for :class:`PropagatedException`.
    circle : sequence of str, optional
        How the task waits for itself, a step for each task on the way: ``"joins task 4 (app shrink)"``.

    Examples
    --------
    >>> print(JoinError([], 3, app_name="grow", circle=["joins task 4 (app shrink)", "joins task 3"]))
    Join failure for task 3.
      task 3 (app grow) waits for itself: it joins task 4 (app shrink), which joins task 3
    """

    def __init__(
        self,
        dependent_exceptions_tids: Sequence[tuple[BaseException, str]],
        task_id: int,
        *,
        app_name: str | None = None,
        dependency_app_names: Sequence[str | None] = (),
        circle: Sequence[str] = (),
    ) -> None:
        super().__init__(
            dependent_exceptions_tids,
            task_id,
            failure_description="Join failure",
            app_name=app_name,
            dependency_app_names=dependency_app_names,
        )
        self.circle = tuple(circle)


def _via(link: PropagatedException) -> str:
    entries = link.dependent_exceptions_tids
    return entries[0][1] + (" (+ others)" if len(entries) > 1 else "")


def _story(link: PropagatedException) -> str:
    app = f" (app {link.app_name})" if link.app_name else ""
    entries = link.dependent_exceptions_tids
    circle = link.circle if isinstance(link, JoinError) else ()
    if circle:
        steps = ", which ".join(_without_middle(list(circle), "..."))
        return f"task {link.task_id}{app} waits for itself: it {steps}"
    if not entries:
        return f"task {link.task_id}{app} failed; what it depended on is not known"
    others = [text for _, text in entries[1:]]
    also = ""
    if others:
        named = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        also = f", and so did {named}"
    what = "could not be completed, because what it joined," if isinstance(link, JoinError) else "was not run, because"
    return f"task {link.task_id}{app} {what} {entries[0][1]}{',' if isinstance(link, JoinError) else ''} failed{also}"


def _root_line(link: PropagatedException) -> list[str]:
    if not link.dependent_exceptions_tids:
        return []
    error, description = link.dependent_exceptions_tids[0]
    names = link.dependency_app_names
    app = f" (app {names[0]})" if names and names[0] else ""
    text = f"{description}{app} raised {_one_line(error)}"
    return [text.replace("\n", "\n    ")]


def _one_line(error: BaseException | None) -> str:
    if error is None:
        return "unknown"
    try:
        text = str(error)
    except Exception as e:  # a user's __str__ must not hide which error it was
        text = f"(its text could not be made: {type(e).__name__})"
    text = shortened(text, _SHOWN_TEXT)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _without_middle(parts: list[str], mark: str) -> list[str]:
    if len(parts) <= 2 * _SHOWN_LINKS:
        return parts
    left_out = len(parts) - 2 * _SHOWN_LINKS
    return [*parts[:_SHOWN_LINKS], f"{mark} ({left_out} more) {mark}", *parts[-_SHOWN_LINKS:]]


#: Class, attributes, and the entries below: (position in the list or exception, description).
_FlatNode = tuple[type[PropagatedException], dict[str, Any], list[tuple[Any, str]]]


class _At:
    """Position of a propagated exception in a flattened tree."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __reduce__(self) -> tuple[Any, ...]:
        return (_At, (self.index,))


def _flatten(top: PropagatedException) -> list[_FlatNode]:
    """All propagated exceptions below and including `top`, each once, `top` first."""
    index = {id(top): 0}
    found = [top]
    for error in found:  # grows while it is walked
        for below, _ in error.dependent_exceptions_tids:
            if isinstance(below, PropagatedException) and id(below) not in index:
                index[id(below)] = len(found)
                found.append(below)
    flat: list[_FlatNode] = []
    for error in found:
        attributes = {k: v for k, v in error.__dict__.items() if k != "dependent_exceptions_tids"}
        entries = [
            (_At(index[id(below)]) if isinstance(below, PropagatedException) else below, text)
            for below, text in error.dependent_exceptions_tids
        ]
        flat.append((type(error), attributes, entries))
    return flat


def _rebuild(flat: list[_FlatNode]) -> PropagatedException:
    made = [cls.__new__(cls) for cls, _, _ in flat]
    for error, (_, attributes, entries) in zip(made, flat, strict=True):
        error.__dict__.update(attributes)
        error.dependent_exceptions_tids = [
            (made[below.index] if isinstance(below, _At) else below, text) for below, text in entries
        ]
        error.args = (error.dependent_exceptions_tids, error.task_id)
    for error in made:
        for link in reversed(_without_cause(error)):
            link._set_cause()
    return made[0]


def _without_cause(error: PropagatedException) -> list[PropagatedException]:
    path = []
    link: BaseException = error
    while isinstance(link, PropagatedException) and link.__cause__ is None:
        path.append(link)
        if not link.dependent_exceptions_tids:
            break
        link = link.dependent_exceptions_tids[0][0]
    return path


known_at("dataflow.errors", vars())
