"""Explains why a call was not answered with a recorded result: its key is compared with that of the nearest call."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from parsl_on_dask.app.base import AppBase
from parsl_on_dask.checkpoint.keys import make_key
from parsl_on_dask.checkpoint.parts import Part
from parsl_on_dask.checkpoint.policy import FilePolicy
from parsl_on_dask.dataflow.futures import AppFuture
from parsl_on_dask.dataflow.kept_arguments import is_dropped

#: Columns of the table are no wider than this.
WIDEST = 44


class RecordedCall(Protocol):
    """What is needed of an entry of a store."""

    @property
    def key(self) -> str: ...
    @property
    def app(self) -> str: ...
    @property
    def written(self) -> float: ...
    @property
    def parts(self) -> Sequence[tuple[str, ...]]: ...


@dataclass(frozen=True)
class ComparedPart:
    """One part of the key, here and there; None on the side that has no such part."""

    part: str
    here: str | None
    there: str | None
    same: bool


@dataclass(frozen=True)
class Explanation:
    """How a call's key compares with the nearest one that is recorded; print it.

    Attributes
    ----------
    app : str
        Name of the app.
    key : str
        Of the call.
    nearest : RecordedCall or None
        The recorded call with the most equal parts, the newest of several; None when there is none of this app.
    compared : int
        Number of recorded calls of this app.
    rows : tuple of ComparedPart
        The parts.
    """

    app: str
    key: str
    nearest: RecordedCall | None
    compared: int
    rows: tuple[ComparedPart, ...]

    @property
    def found(self) -> bool:
        """Whether the call's result is recorded."""
        return self.nearest is not None and self.nearest.key == self.key

    @property
    def different(self) -> tuple[str, ...]:
        """The parts that differ."""
        return tuple(row.part for row in self.rows if not row.same)

    def __str__(self) -> str:
        lines = [f"Call of app {self.app!r}, key {self.key}: {self._verdict()}"]
        there = "nearest recorded call" if self.nearest is not None else ""
        rows = [("part", "this call", there, "same?" if there else "")]
        for row in self.rows:
            here, other = (_cut(x) if x is not None else "(none)" for x in (row.here, row.there))
            rows.append((row.part, here, other, ("yes" if row.same else "NO")) if there else (row.part, here, "", ""))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        rows.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2], "-" * widths[3]))
        for cells in rows:
            lines.append("  " + "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip())
        return "\n".join(lines)

    def _verdict(self) -> str:
        if self.nearest is None:
            return "no call of this app is recorded."
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.nearest.written))
        if self.found:
            return f"its result is recorded, since {when}."
        if not self.nearest.parts:
            return f"not recorded. The {self.compared} recorded calls do not say what their keys were made of."
        if not self.different:
            return (
                f"not recorded. The nearest of {self.compared}, of {when}, is the same in every part; they differ in "
                "the order or form of the arguments."
            )
        return f"not recorded. The nearest of {self.compared}, of {when}, differs in {', '.join(self.different)}."


def explain(
    call: Any,
    entries: Iterable[RecordedCall] | None = None,
    *,
    identity: str | None = None,
    files: FilePolicy | None = None,
) -> Explanation:
    """Compare a call with the nearest one whose result is recorded.

    Parameters
    ----------
    call : AppFuture, TaskRecord, functools.partial or tuple
        A call that was made; or one that was not: ``functools.partial(app, 1, x=2)`` or ``(app, (1,), {"x": 2})``.
        Of a future that is done, large arguments are known as long as somebody else has them, or with
        ``garbage_collect=False``, or if the memoizer put the parts of the key into the record, as ``key_parts``.
    entries : iterable, optional
        What is recorded: objects with ``key``, ``app``, ``written`` and ``parts``. Default: ``entries()`` of the
        memoizer of the call's kernel, or of the one that is loaded.
    identity, files : optional
        As for :func:`~parsl_on_dask.checkpoint.keys.make_hash`. Default: what the app's ``cache=`` says, else the
        memoizer's attributes ``identity`` and ``files``, or "name" and "path".

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        When an argument of the call is not known any more, or not there yet, or cannot be part of a key.
    TypeError
        When `call` is none.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> def area(width, height):
    ...     return width * height
    >>> key, parts = make_key({"func": area, "args": (2, 3), "kwargs": {}, "ignore_for_cache": ()})
    >>> recorded = SimpleNamespace(key=key, app="area", written=0.0, parts=parts)
    >>> explain((area, (2, 4), {}), [recorded]).different
    ('argument 1 (height)',)
    """
    record = record_of(call)
    memoizer = _memoizer(record) if entries is None or identity is None or files is None else None
    if entries is None:
        recorded = getattr(memoizer, "entries", None)
        entries = recorded() if recorded is not None else ()
        if getattr(memoizer, "recording", None) is None and not (entries := list(entries)):
            raise ValueError(
                "explain() found no recorded calls: load a Config whose memoizer keeps them, or give them: "
                "explain(call, entries)"
            )
    policy = record.get("cache_policy")
    app, key, parts = parts_of(
        record,
        identity or getattr(policy, "identity", None) or getattr(memoizer, "identity", None) or "name",
        files or getattr(policy, "files", None) or getattr(memoizer, "files", None) or "path",
    )
    digits = {part[0]: part[1] for part in parts or ()}
    mine = _since_when(record)
    best: RecordedCall | None = None
    rank: tuple[bool, int, float] = (False, -1, 0.0)
    compared = 0
    for entry in entries:
        if entry.app == app and not (entry.key == key and entry.written >= mine):
            compared += 1
            equal = sum(digits.get(label) == digit for label, digit, *_ in entry.parts)
            score = (entry.key == key, 2 * equal - len(entry.parts), entry.written)
            if best is None or score > rank:
                best, rank = entry, score
    if parts is None:
        if best is None or best.key != key:
            raise _forgotten(app)
        parts = [(part[0], part[1], part[2]) for part in best.parts]
    return Explanation(app, key, best, compared, _rows(parts, best.parts if best is not None else None))


def _since_when(record: Mapping[str, Any]) -> float:
    """Seconds since 1970 from when on a result with a call's key is its own; never, of a call that was not run."""
    invoked = record.get("time_invoked")
    return invoked.timestamp() if record.get("from_memo") is False and invoked is not None else math.inf


def _forgotten(app: str) -> ValueError:
    return ValueError(
        f"an argument of this call of app {app!r} was large, and is no longer kept, since the task is done: keep the "
        "value, set Config(garbage_collect=False), or give the call: explain((app, args, kwargs))"
    )


def _rows(here: Sequence[Part], there: Sequence[tuple[str, ...]] | None) -> tuple[ComparedPart, ...]:
    ours = {part[0]: part for part in here}
    theirs = {part[0]: part for part in there or ()}
    rows = []
    for label in [*ours, *(label for label in theirs if label not in ours)]:
        a, b = ours.get(label), theirs.get(label)
        same = a is not None and b is not None and a[1] == b[1]
        texts = [None if p is None else p[2] for p in (a, b)]
        if not same and a is not None and b is not None and texts[0] == texts[1]:  # two different "ndarray"
            texts = [f"{a[2]} {a[1][:6]}", f"{b[2]} {b[1][:6]}"]
        rows.append(ComparedPart(label, texts[0], texts[1], same))
    return tuple(rows)


def parts_of(record: Mapping[str, Any], identity: str, files: FilePolicy) -> tuple[str, str, Sequence[Part] | None]:
    """Name of the app, key, and parts of a call; None when only the recorded result has these."""
    app = record.get("func_name") or getattr(record["func"], "__name__", None) or type(record["func"]).__name__
    known = record.get("key_parts")
    if known is not None and record.get("hashsum"):
        return app, record["hashsum"], known
    values = (*record["args"], *record["kwargs"].values())
    if any(map(is_dropped, values)):
        if record.get("from_memo") and record.get("hashsum"):
            return app, record["hashsum"], None
        raise _forgotten(app)
    for value in values:
        if isinstance(value, Future) and not hasattr(value, "file_obj"):
            if not value.done():
                raise ValueError(
                    f"an argument of this call of app {app!r} is a future that is not done, so it has no key yet: "
                    "ask again when it is"
                )
            return parts_of(_resolved(record), identity, files)
    key, parts = make_key(record, identity=identity, files=files)
    return app, key, parts


def _resolved(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the values of finished futures in their places."""

    def value_of(x: Any) -> Any:
        if isinstance(x, Future):
            return x.result(0)
        return type(x)(value_of(e) for e in x) if type(x) in (list, tuple) else x

    known = {name: record.get(name) for name in ("func", "func_name", "ignore_for_cache", "cache_version")}
    kwargs = {name: value_of(value) for name, value in record["kwargs"].items()}
    return {**known, "args": tuple(value_of(a) for a in record["args"]), "kwargs": kwargs}


def record_of(call: Any) -> Mapping[str, Any]:
    """What a key needs of a call."""
    if isinstance(call, AppFuture):
        return call.task_record
    if isinstance(call, Mapping):
        return call
    if isinstance(call, functools.partial):
        return _not_made(call.func, call.args, call.keywords)
    if isinstance(call, tuple) and 0 < len(call) <= 3 and callable(call[0]):
        args = call[1] if len(call) > 1 else ()
        kwargs = call[2] if len(call) > 2 else {}
        if isinstance(args, (list, tuple)) and isinstance(kwargs, Mapping):
            return _not_made(call[0], tuple(args), dict(kwargs))
    raise TypeError(
        f"explain() takes an app's future, a task record, functools.partial(app, ...) or (app, args, kwargs), "
        f"not {call!r} of type {type(call).__name__}"
    )


def _not_made(app: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The record that a call would have."""
    if not isinstance(app, AppBase):
        return {"func": app, "args": args, "kwargs": kwargs, "ignore_for_cache": ()}
    args, kwargs = app._shape.arrange(args, kwargs, app.kwargs)
    ignored = [*(app.ignore_for_cache or ())]
    # -1 is AUTO_LOGNAME: the kernel leaves names that it makes out of the key
    ignored += [n for n in ("stdout", "stderr") if type(kwargs.get(n)) is int and kwargs[n] == -1 and n not in ignored]
    return {
        "func": getattr(app, "wrapped_remote_function", app.func),
        "func_name": app.__name__,
        "args": args,
        "kwargs": kwargs,
        "ignore_for_cache": ignored,
        "cache_policy": app.cache,
        "cache_version": getattr(app.cache, "version", None),
        "dfk": app.data_flow_kernel,
    }


def _memoizer(record: Mapping[str, Any]) -> Any:
    kernel = record.get("dfk")
    if kernel is None:
        from parsl_on_dask.dataflow.dflow import DataFlowKernelLoader

        kernel = DataFlowKernelLoader._dfk
    return getattr(kernel, "memoizer", None)


def _cut(text: str) -> str:
    text = text.replace("\n", " ")
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."
