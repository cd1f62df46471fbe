"""What of many calls has failed, and why: :func:`failed`."""

from __future__ import annotations

import html
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from parsl_on_dask.common.task_errors import PropagatedException, RunStopped, without_numbers

#: Characters of a cause's text that a line shows.
WIDTH = 100


class Cause:
    """Calls that failed alike: the same app, the same class of exception, raised at the same line.

    Attributes
    ----------
    app : str
    error : BaseException
        That of the first of them.
    where : str
        ``"file:line"`` where the exception was raised; "" when that is not known.
    futures : list of Future
        The futures of the calls that failed.
    not_run : Counter
        How many calls of each app were not run because of them.
    """

    def __init__(self, app: str, error: BaseException) -> None:
        self.app = app
        self.error = error
        self.where = _place(error)
        self.futures: list[Future[Any]] = []
        self.not_run: Counter[str] = Counter()

    def traceback(self) -> str:
        """The traceback of the first of them, with causes and notes."""
        return "".join(traceback.format_exception(self.error)).rstrip()

    def line(self) -> str:
        """The class of the exception and the first line of its text."""
        text = str(self.error).strip().split("\n")[0]
        text = f"{type(self.error).__name__}: {text}" if text else type(self.error).__name__
        return text if len(text) <= WIDTH else f"{text[:WIDTH]} …"

    def __repr__(self) -> str:
        return f"<Cause: {len(self.futures)} of app {self.app}: {self.line()}>"


class Failures(Sequence[Cause]):
    """The causes for which calls failed, the most frequent first; printed, a summary.

    Attributes
    ----------
    total : int
        How many futures there are.
    undone : int
        How many of them are not done.
    cancelled : int
        How many were cancelled.
    """

    def __init__(self, futures: Iterable[Future[Any]]) -> None:
        self.total = self.undone = self.cancelled = 0
        causes: dict[tuple[Any, ...], Cause] = {}
        followers: list[tuple[str, BaseException, BaseException]] = []
        by_error: dict[int, Cause] = {}
        for future in futures:
            self.total += 1
            error = self._outcome(future)
            if error is None:
                continue
            root = _root(error)
            if root is not error:
                followers.append((_app(future), error, root))
                continue
            cause = self._cause(causes, _app(future), error)
            cause.futures.append(future)
            by_error[id(error)] = cause
        for app, error, root in followers:
            found = by_error.get(id(root)) or self._cause(causes, _app_of_root(error), root)
            found.not_run[app] += 1
        self._causes = sorted(causes.values(), key=lambda c: -len(c.futures) - sum(c.not_run.values()))

    def _outcome(self, future: Future[Any]) -> BaseException | None:
        if not future.done():
            self.undone += 1
            return None
        try:
            return future.exception(0)
        except CancelledError:
            self.cancelled += 1
            return None

    def _cause(self, causes: dict[tuple[Any, ...], Cause], app: str, error: BaseException) -> Cause:
        made = Cause(app, error)
        return causes.setdefault((app, type(error), made.where, without_numbers(made.line())), made)

    def __len__(self) -> int:
        return len(self._causes)

    def __getitem__(self, index: Any) -> Any:
        return self._causes[index]

    def __iter__(self) -> Iterator[Cause]:
        return iter(self._causes)

    @property
    def futures(self) -> list[Future[Any]]:
        """The futures of all calls that failed, without those that were not run."""
        return [future for cause in self for future in cause.futures]

    def headline(self) -> str:
        """One line with the counts."""
        lost = sum(sum(cause.not_run.values()) for cause in self)
        parts = [f"{len(self.futures)} of {self.total} calls failed"]
        parts += [f"{lost} were not run because of that"] if lost else []
        parts += [f"{self.cancelled} were cancelled"] if self.cancelled else []
        parts += [f"{self.undone} are not done"] if self.undone else []
        return ", ".join(parts)

    def __repr__(self) -> str:
        lines = [self.headline()]
        for number, cause in enumerate(self, 1):
            lines += ["", f"{number}. {_story(cause)}"]
            lines += [f"     {line}" for line in cause.traceback().split("\n")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(self.headline())}</p>"]
        for cause in self:
            summary = html.escape(_story(cause))
            parts.append(f"<details><summary>{summary}</summary><pre>{html.escape(cause.traceback())}</pre></details>")
        return "\n".join(parts)


def failed(futures: Iterable[Future[Any]]) -> Failures:
    """Sum up which calls have failed, and why. It does not wait.

    Parameters
    ----------
    futures : iterable of Future
        What apps returned. Calls that are not done are only counted.

    Returns
    -------
    Failures
        A sequence of causes, the most harmful first. Each has its ``futures``, an ``error`` and its
        ``traceback()``, and in ``not_run`` how many calls of each app waited for these calls. Printed, or shown in a
        notebook, it is a summary with one traceback for each cause.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> futures = [Future() for _ in range(4)]
    >>> for number, future in enumerate(futures[:3]):
    ...     future.set_exception(ValueError(f"no data in block {number}"))
    >>> print(failed(futures))
    3 of 4 calls failed, 1 are not done
    <BLANKLINE>
    1. 3 of app ?: ValueError: no data in block 0
         ValueError: no data in block 0
    """
    return Failures(futures)


def _story(cause: Cause) -> str:
    text = f"{len(cause.futures)} of app {cause.app}: {cause.line()}"
    text += f" ({cause.where})" if cause.where else ""
    if cause.not_run:
        rest = ", ".join(f"{count} of app {app}" for app, count in cause.not_run.most_common())
        text += f"; not run because of that: {rest}"
    return text


def _app(future: Future[Any]) -> str:
    return getattr(getattr(future, "task_record", None), "func_name", None) or "?"


def _root(error: BaseException) -> BaseException:
    """The failure that another one follows from."""
    if isinstance(error, (PropagatedException, RunStopped)) and error.__cause__ is not None:
        return error.__cause__
    return error


def _app_of_root(error: BaseException | None) -> str:
    """The app whose failure another one follows from."""
    while isinstance(error, PropagatedException):
        below, names = error.dependent_exceptions_tids, error.dependency_app_names
        error = below[0][0] if below else None
        if error is None or not isinstance(error, (PropagatedException, RunStopped)):
            return (names[0] if names else None) or "?"
    return error.app_name if isinstance(error, RunStopped) else "?"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
