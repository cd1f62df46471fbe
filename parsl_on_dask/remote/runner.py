"""Running the calls of one batch on a worker, and reporting each of them as it ends.

A batch is one Dask task. Its bundle is a pickled :class:`Bundle`; what happened to each call goes to the
client at once through the worker's event stream (``Worker.log_event``), in messages of this shape::

    {"batch": id, "worker": name, "address": address, "host": host, "pid": pid, "reports": [report, ...]}
    report = (STARTED,)                                    the batch runs now
           | (VALUE, call, pickled value, began, ended)    small values ride along
           | (KEPT, call, size, began, ended)              large ones stay here, as the Dask task's result
           | (ERROR, call, pickled PackedError, began, ended)
           | (HANDED_BACK, [call, ...])                    not begun; run these elsewhere
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from .errors import Failure, pack_error
from .packing import dumps, loads, loads_with_refs, looks_large

STARTED, VALUE, KEPT, ERROR, HANDED_BACK = range(5)

#: Seconds that one call of a batch may take before the calls behind it are handed back.
PATIENCE = 0.05
#: Seconds that a report may wait for company.
GROUPING = 0.002
#: How many functions a worker remembers.
FUNCTIONS_KEPT = 256

HOST = socket.gethostname()

_functions: OrderedDict[str, Callable[..., Any]] = OrderedDict()
_mark: Callable[[int], None] | None = None


class Bundle(TypedDict):
    """What a batch consists of."""

    topic: str
    batch: str
    inline: int
    items: list[int | None]
    functions: dict[str, tuple[str, bytes]]
    calls: list[tuple[int, str, bytes, bool]]


def set_mark(mark: Callable[[int], None] | None) -> None:
    """Give the function that notes, where a kill of this process cannot erase it, which call is running (0: none)."""
    global _mark
    _mark = mark


def run(data: bytes, values: Sequence[Any]) -> Any:
    """Run a bundle. This is the Dask task.

    Parameters
    ----------
    data : bytes
        The pickled :class:`Bundle`.
    values : sequence
        The values on the cluster that its calls take; their arguments refer to them by number.
    """
    from distributed import get_worker

    return Batch(loads(data), values, get_worker()).run()


class Batch:
    """One batch while it runs."""

    def __init__(self, bundle: Bundle, values: Sequence[Any], worker: Any) -> None:
        self.bundle = bundle
        # a value that a batch of several calls kept sits in the dict of all that this batch kept
        self.values = [v if item is None else v[item] for v, item in zip(values, bundle["items"], strict=True)]
        self.worker = worker
        self.todo = deque(bundle["calls"])
        self.single = len(bundle["calls"]) == 1
        self.lock = threading.Lock()
        self.began = 0.0
        self.reports: list[tuple[Any, ...]] = []
        self.flushing = False

    def run(self) -> Any:
        self.report((STARTED,), now=self.single)
        kept: dict[int, Any] = {}
        if not self.single:
            self.began = time.monotonic()
            self.worker.loop.add_callback(self.watch)
        while True:
            with self.lock:
                if not self.todo:
                    break
                call = self.todo.popleft()
                self.began = time.monotonic()
            self.report(self.execute(call, kept))
        self.flush()
        if self.single:
            return next(iter(kept.values()), None)
        return kept or None

    def watch(self) -> None:
        """Hand back what waits behind a call that takes long. Runs in the worker's event loop."""
        with self.lock:
            if not self.todo:
                return
            waited = time.monotonic() - self.began
            back = []
            if waited > PATIENCE:
                back = [call[0] for call in self.todo]
                self.todo.clear()
        if back:
            self.report((HANDED_BACK, back), now=True)
        else:
            self.worker.loop.call_later(max(0.005, PATIENCE - waited), self.watch)

    def execute(self, call: tuple[int, str, bytes, bool], kept: dict[int, Any]) -> tuple[Any, ...]:
        number, key, arguments, refers = call
        name = self.bundle["functions"][key][0]
        if _mark is not None:
            _mark(number)
        began = time.time()
        try:
            function = self.function(key)
            args, kwargs = self.arguments(name, arguments, refers)
            value = function(*args, **kwargs)
            began, ended = began, time.time()
            del args, kwargs
            limit = self.bundle["inline"]
            if looks_large(value, limit):
                kept[number] = value
                return (KEPT, number, getattr(value, "nbytes", None) or sys.getsizeof(value), began, ended)
            try:
                data = dumps(value)
            except Exception as e:
                text = f"the result of app {name!r}, a {type(value).__name__}, cannot be pickled: {e!r}"
                raise Failure("SerializationError", name, text) from e
            if len(data) > limit:
                kept[number] = value
                return (KEPT, number, len(data), began, ended)
            return (VALUE, number, data, began, ended)
        except Exception as e:
            return (ERROR, number, dumps(pack_error(_without_our_frames(e))), began, time.time())
        except BaseException as e:  # SystemExit and the like: the call asked for the end of its process
            lost = Failure("WorkerLost", self.worker.name, HOST)
            lost.__cause__ = e
            return (ERROR, number, dumps(pack_error(lost)), began, time.time())
        finally:
            if _mark is not None:
                _mark(0)

    def function(self, key: str) -> Callable[..., Any]:
        function = _functions.get(key)
        if function is not None:
            return function
        name, data = self.bundle["functions"][key]
        try:
            function = loads(data)
        except Exception as e:
            raise Failure("DeserializationError", _cannot_load(name, "its function", e)) from e
        _functions[key] = function
        while len(_functions) > FUNCTIONS_KEPT:
            _functions.popitem(last=False)
        return function

    def arguments(self, name: str, data: bytes, refers: bool) -> tuple[Sequence[Any], dict[str, Any]]:
        try:
            args, kwargs = loads_with_refs(data, self.values) if refers else loads(data)
        except Exception as e:
            raise Failure("DeserializationError", _cannot_load(name, "its arguments", e)) from e
        return args, kwargs

    def report(self, report: tuple[Any, ...], now: bool = False) -> None:
        with self.lock:
            self.reports.append(report)
            schedule = not self.flushing and not now and not self.single
            self.flushing = self.flushing or schedule
        if now:
            self.flush()
        elif schedule:
            self.worker.loop.add_callback(lambda: self.worker.loop.call_later(GROUPING, self.flush))

    def flush(self) -> None:
        with self.lock:
            reports, self.reports = self.reports, []
            self.flushing = False
            if reports:  # inside the lock, so that messages leave in the order of their reports
                worker = self.worker
                worker.log_event(
                    self.bundle["topic"],
                    {
                        "batch": self.bundle["batch"],
                        "worker": str(worker.name),
                        "address": worker.address,
                        "host": HOST,
                        "pid": os.getpid(),
                        "reports": reports,
                    },
                )


def _cannot_load(name: str, what: str, e: Exception) -> str:
    text = f"app {name!r}: {what} cannot be rebuilt on worker host {HOST}: {type(e).__name__}: {e}"
    if isinstance(e, ModuleNotFoundError):
        text += (
            f". Install module {e.name!r} where the workers run, or put its folder on PYTHONPATH there"
            " (worker_init), or define the function in the script itself"
        )
    return text


def _without_our_frames(e: Exception) -> Exception:
    """Drop the frame of :meth:`Batch.execute`, which tells a user nothing."""
    if e.__traceback__ is not None and e.__traceback__.tb_next is not None:
        return e.with_traceback(e.__traceback__.tb_next)
    return e
