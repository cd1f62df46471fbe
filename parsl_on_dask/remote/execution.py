"""Running one call on a worker, and what is reported of it.

Reports go to the client in pickled messages of this shape::

    (shift, worker name, worker address, host, pid, [report, ...])
    report = (STARTED,)                                    the shift runs now
           | (STARTED, stop, last, end)                    the same, in a job that ends in so many seconds
           | (VALUE, call, pickled value, began, ended)    small values ride along
           | (KEPT, call, size, began, ended)              large ones stay here, in the Dask task's result
           | (ERROR, call, pickled PackedError, began, ended)
           | (HANDED_BACK, [call, ...])                    not begun; run these elsewhere
           | (FORGOTTEN, call, function)                   not begun; send it again, with its function
           | (SAMPLES, ...)                                see :mod:`parsl_on_dask.remote.monitor`
"""

from __future__ import annotations

import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypedDict

from . import children, journal
from .copies import Copies
from .errors import Failure, left_by, pack_error
from .packing import PromiseMissing, dumps, loads, loads_with_promises, loads_with_refs, looks_large
from .tracebacks import without_ours

STARTED, VALUE, KEPT, ERROR, HANDED_BACK, FORGOTTEN = range(6)

#: Reports of calls that have run.
ENDED = frozenset({VALUE, KEPT, ERROR})

#: Reports of calls that have not run.
NOT_BEGUN = frozenset({HANDED_BACK, FORGOTTEN})

HOST = socket.gethostname()

#: What a call's arguments hold: promises, or plain values only.
PROMISES, NONE = -2, -1
#: The same: they refer to the values of the shift, and get copies of these; or the values themselves, since nobody else
#: will see them.
COPIES, OWN = 0, 1

#: number, key of the function, pickled arguments, one of the above
CallData = tuple[int, str, bytes, int]


class Bundle(TypedDict):
    """What a shift begins with."""

    topic: str
    monitor: float | None
    shift: str
    block: str | None
    inline: int
    feed: bool
    careful: bool
    adopt: tuple[int, str] | None
    once: str
    slurm: bool
    need: float
    environment: dict[str, str] | None
    items: list[int | None]
    functions: dict[str, tuple[str, bytes]]
    calls: list[CallData]


class Agent(Protocol):
    """What outlives the shifts of a lane on a worker, as they see it."""

    large: dict[int, Any]
    results: OrderedDict[int, bytes]

    def function(self, key: str) -> tuple[str, Any, int] | None:
        """A function that was sent before, with its name and size."""

    def have(self, key: str, name: str, function: Any, size: int) -> None: ...
    def keep(self, number: int, data: bytes) -> None: ...


class Execution:
    """The calls of one shift: their functions and arguments, and the large values that they made."""

    def __init__(self, bundle: Bundle, values: Sequence[Any], worker: Any, agent: Agent) -> None:
        self.inline = bundle["inline"]
        self.feed = bundle["feed"]
        # a value that a shift kept sits in the dict of all that this shift kept
        self.values = [v if item is None else v[item] for v, item in zip(values, bundle["items"], strict=True)]
        self.copies = Copies(self.values, len(bundle["calls"]))
        self.functions = bundle["functions"]
        self.worker = worker
        self.agent = agent
        # what was sent later is no part of this Dask task
        self.came = frozenset(call[0] for call in bundle["calls"])
        self.trouble: BaseException | None = None
        self.large = False
        self.kept: dict[int, Any] = {}
        #: the function that ran last, as the agent has it, with its key
        self.recent: tuple[str, tuple[str, Any, int] | None] = ("", None)
        #: whether somebody needs a value again, whatever its size is now
        self.owes = False

    def has_run(self, report: tuple[Any, ...]) -> bool:
        """Whether what :meth:`execute` gave is about a call that ran."""
        return report[0] not in NOT_BEGUN

    def execute(self, call: CallData) -> tuple[Any, ...]:
        number, key, arguments, kind = call
        if key == self.recent[0]:  # mostly the same as before
            known: tuple[str, Any, int] | None = self.recent[1]
        else:
            known = self.agent.function(key)
            if known is not None:
                self.recent = (key, known)
        sent = self.functions.get(key) if known is None else None
        if known is not None:
            name = known[0]
        elif sent is not None:
            name = sent[0]
        else:  # dropped to make room, while the client thought it was known here
            return (FORGOTTEN, number, key)
        if journal.kept is not None:
            journal.kept.running(number)
        began = time.time()
        try:
            function = known[1] if sent is None else self.function(key, *sent)  # type: ignore[index]
            args, kwargs = self.arguments(name, arguments, kind)
            here = children.process
            try:
                value = function(*args, **kwargs)
            finally:
                if children.process != here:
                    children.leave(sys.exc_info()[1])
            ended = time.time()
            del args, kwargs
            if looks_large(value, self.inline):
                size = int(getattr(value, "nbytes", 0) or sys.getsizeof(value))
                return self.keep(number, value, size, began, ended)
            try:
                data = dumps(value)
            except Exception as e:
                text = f"the result of app {name!r}, a {type(value).__name__}, cannot be pickled: {e!r}"
                raise Failure("SerializationError", name, text) from e
            if len(data) > self.inline:
                return self.keep(number, value, len(data), began, ended)
            if self.feed:
                self.agent.keep(number, data)
            return (VALUE, number, data, began, ended)
        except PromiseMissing:
            return (HANDED_BACK, [number])
        except Exception as e:
            self.trouble = e if self.owes else None
            without_ours(e)
            return (ERROR, number, dumps(pack_error(e)), began, time.time())
        except BaseException as e:  # SystemExit and the like: the call asked for the end of its process
            left = left_by(e, name, str(self.worker.name), HOST)
            without_ours(left)
            return (ERROR, number, dumps(pack_error(left)), began, time.time())
        finally:
            if journal.kept is not None:
                journal.kept.running(0)

    def keep(self, number: int, value: Any, size: int, began: float, ended: float) -> tuple[Any, ...]:
        """Keep a large result here: as that of this Dask task, or until Dask has a task for it."""
        (self.kept if number in self.came else self.agent.large)[number] = value
        self.large = True
        return (KEPT, number, size, began, ended)

    def function(self, key: str, name: str, data: bytes) -> Callable[..., Any]:
        """Unpickle a function that came."""
        try:
            loaded: Callable[..., Any] = loads(data)
        except BaseException as e:  # a module that is imported may raise SystemExit
            raise Failure("DeserializationError", _cannot_load(name, "its function", e)) from e
        self.agent.have(key, name, loaded, len(data))
        self.functions.pop(key, None)
        return loaded

    def arguments(self, name: str, data: bytes, kind: int) -> tuple[Sequence[Any], dict[str, Any]]:
        try:
            if kind == NONE:
                args, kwargs = loads(data)
            elif kind == PROMISES:
                args, kwargs = loads_with_promises(data, self.agent.results)
            else:
                args, kwargs = loads_with_refs(data, self.values if kind == OWN else self.copies)
        except PromiseMissing:
            raise
        except BaseException as e:  # a module that is imported may raise SystemExit
            raise Failure("DeserializationError", _cannot_load(name, "its arguments", e)) from e
        return args, kwargs


def _cannot_load(name: str, what: str, e: BaseException) -> str:
    text = f"app {name!r}: {what} cannot be rebuilt on worker host {HOST}: {type(e).__name__}: {e}"
    if isinstance(e, ModuleNotFoundError):
        text += (
            f". Install module {e.name!r} where the workers run, or put its folder on PYTHONPATH there"
            " (worker_init), or define the function in the script itself"
        )
    return text
