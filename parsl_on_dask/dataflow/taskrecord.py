"""What the kernel knows about one task."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from parsl_on_dask.common.states import States
from parsl_on_dask.dataflow.kept_arguments import (
    LOOSE,
    NOTHING,
    NUMBERS,
    SHORT,
    Depended,
    is_small,
    loose_args,
    loose_kwargs,
)
from parsl_on_dask.lanes import stages
from parsl_on_dask.lanes.stages import Move, Stage, illegal

if TYPE_CHECKING:
    from parsl_on_dask.lanes.base import Lane
    from parsl_on_dask.lanes.call import Call
    from parsl_on_dask.lanes.callbacks import Callbacks
    from parsl_on_dask.python_internals.light_future import LightFuture

#: The keys, in the order in which iteration gives them.
FIELDS = (
    "id",
    "dfk",
    "func",
    "func_name",
    "args",
    "kwargs",
    "executor",
    "resource_specification",
    "status",
    "depends",
    "app_fu",
    "exec_fu",
    "try_id",
    "fail_count",
    "fail_cost",
    "fail_history",
    "memoize",
    "hashsum",
    "ignore_for_cache",
    "from_memo",
    "checkpoint",
    "join",
    "joins",
    "join_lock",
    "task_launch_lock",
    "time_invoked",
    "time_returned",
    "try_time_launched",
    "try_time_returned",
)
_FIELDS = frozenset(FIELDS)
#: Made when somebody asks.
_LOCKS = frozenset({"join_lock", "task_launch_lock"})
#: Those that few tasks have: they are kept beside keys of one's own.
_RARE = frozenset({"joins", "checkpoint", "fail_history"})
#: Beside those, for records that somebody else than their futures has.
_TIED = "\0tied"
#: Where the times are, as numbers, which take half of the memory.
_TIMES = {
    "time_invoked": "invoked",
    "time_returned": "returned",
    "try_time_launched": "try_launched",
    "try_time_returned": "try_returned",
}
_SLOTS = (*(name for name in FIELDS if name not in _LOCKS | _RARE | _TIMES.keys() | {"app_fu"}), *_TIMES.values())


def _time(slot: str) -> Any:
    """A time as Parsl has it."""

    def get(self: TaskRecord) -> datetime | None:
        seconds = getattr(self, slot)
        return None if seconds is None else datetime.fromtimestamp(seconds)

    def put(self: TaskRecord, when: datetime | None) -> None:
        setattr(self, slot, None if when is None else when.timestamp())

    return property(get, put)


def _rare(name: str, *default: Any) -> Any:
    """A field that few tasks have."""

    def get(self: TaskRecord) -> Any:
        more = self._more
        if more is not None and name in more:
            return more[name]
        if not default:
            raise AttributeError(name)
        return default[0]

    def put(self: TaskRecord, value: Any) -> None:
        if value is None:
            if self._more is not None:
                self._more.pop(name, None)
        else:
            self.more()[name] = value

    return property(get, put, lambda self: put(self, None))


def _app_fu() -> Any:
    """The future: held until the task is done, then found by a reference, if there is one."""

    def get(self: TaskRecord) -> LightFuture[Any]:
        future = self._future
        if type(future) is weakref.ref:
            future = future()
        if future is None:
            raise AttributeError("app_fu")
        return future  # type: ignore[no-any-return]

    def put(self: TaskRecord, future: LightFuture[Any] | None) -> None:
        self._future = future

    return property(get, put, lambda self: put(self, None))


class TasksKernel(Protocol):
    """A kernel, as its tasks and their futures see it."""

    callbacks: Callbacks
    run_id: str

    @property
    def executors(self) -> Mapping[str, Any]: ...
    def cancel_task(self, record: TaskRecord, running: bool = False) -> bool: ...
    def submit_internal(self, func: Callable[..., Any], args: Sequence[Any]) -> LightFuture[Any]: ...


class TaskRecord(MutableMapping[str, Any]):
    """A task's record: ``record["status"]`` as in Parsl, and ``record.status`` as well.

    It is a mapping, not a dict: a million of them have to fit into memory. Keys of one's own may be added.

    Attributes
    ----------
    invoked, returned, try_launched, try_returned : float or None
        The times that have longer names as keys, in seconds since 1970.

    Examples
    --------
    >>> record = TaskRecord(id=3, func_name="double")
    >>> record["func_name"], record.id, record["try_id"]
    ('double', 3, 0)
    >>> record["note"] = "mine"
    >>> record["note"]
    'mine'
    """

    __slots__ = (*_SLOTS, "_future", "_more", "awaited", "current_try", "followers", "lane")

    id: int
    dfk: TasksKernel
    func: Any
    func_name: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    executor: str
    resource_specification: dict[str, Any]
    status: States
    depends: Sequence[Future[Any]]
    exec_fu: Future[Any] | None
    try_id: int
    fail_count: int
    fail_cost: float
    memoize: bool
    hashsum: str | None
    ignore_for_cache: Sequence[str]
    from_memo: bool | None
    join: bool
    join_lock: Any
    task_launch_lock: Any
    invoked: float | None
    returned: float | None
    try_launched: float | None
    try_returned: float | None

    app_fu: LightFuture[Any] = _app_fu()
    joins: Future[Any] | list[Future[Any]] | None = _rare("joins", None)
    checkpoint: bool | None = _rare("checkpoint")
    fail_history: list[str] = _rare("fail_history")
    time_invoked = _time("invoked")
    time_returned = _time("returned")
    try_time_launched = _time("try_launched")
    try_time_returned = _time("try_returned")

    def __init__(self, **fields: Any) -> None:
        self.try_id = 0
        self.fail_count = 0
        self.fail_cost = 0
        self.depends = ()
        self.exec_fu = None
        self.hashsum = None
        self.from_memo = None
        self.returned = self.try_launched = self.try_returned = None
        #: The present try: a bare stage until its lane is chosen, then a call, which has the stage.
        self.current_try: Stage | Call = Stage.WAITING
        #: The lane of the present try's call.
        self.lane: Lane | None = None
        self.awaited = 0
        self._future: Any = None
        self._more: dict[str, Any] | None = None
        #: Tasks that wait for this one; None when it is done.
        self.followers: Sequence[TaskRecord] | None = ()
        for name, value in fields.items():
            setattr(self, name, value)

    @property
    def stage(self) -> Stage:
        """How far the present try is."""
        present = self.current_try
        return present if isinstance(present, Stage) else present.stage

    def step(self, move: Move) -> Stage | None:
        """Make a move of the present try. Returns the stage it led to; None when it came too late.

        Raises
        ------
        IllegalMove
            When the move does not exist from the present stage.
        """
        with stages.lock:
            present = self.current_try
            if not isinstance(present, Stage):
                return present.step(move)
            try:
                end = move.ends[present]
            except KeyError:
                raise illegal(present, move) from None
            if end is not None:
                self.current_try = end
            return end

    def more(self) -> dict[str, Any]:
        """What only this record has."""
        if self._more is None:
            self._more = {}
        return self._more

    def take(self, call: Call, at: Stage) -> bool:
        """Have a call be the present try from now on. False when the try is not at that stage any more."""
        with stages.lock:
            if self.current_try is not at:
                return False
            call.stage = at
            self.current_try = call
            return True

    def try_again(self) -> None:
        """Begin the next try."""
        with stages.lock:
            self.current_try = Stage.WAITING

    def let_go(self) -> None:
        """Let go of what a finished task held: its future, large arguments, and the futures that it waited for.

        The future holds the record. If that held the future, only the garbage collector could free the two, and a
        large result with them, some time. If it held what it waited for, the last future of a chain would keep every
        value of the chain on the workers.
        """
        args, kwargs = self.args, self.kwargs
        looked_at: Any = args if not kwargs else (*args, *kwargs.values())
        for value in looked_at:  # numbers and short texts, of which there may be millions, need no closer look
            kind = type(value)
            if kind not in NUMBERS and (kind is not str or len(value) > SHORT):
                if not is_small(looked_at):
                    self.args, self.kwargs = loose_args(args), loose_kwargs(kwargs)
                break
        if not self.kwargs:
            self.kwargs = NOTHING
        if self.depends and type(self.depends) is not Depended:
            self.depends = Depended(map(weakref.ref, self.depends))
        self.joins = None
        future, self._future = self.app_fu, None
        if self._more is not None and _TIED in self._more:
            self._future = weakref.ref(future)

    def tie(self, future: LightFuture[Any]) -> None:
        """Somebody else has the record: its future can be found by it for as long as that lives, also when it is done.

        Most records are in nobody's hands but the future's, and need no reference back, of which a million take 80 MB.
        """
        self.more()[_TIED] = True
        if self._future is None:
            self._future = weakref.ref(future)

    def __getattr__(self, name: str) -> Any:
        if name in _LOCKS:
            return self[name]
        if name == "fail_history":  # made for those that fail
            return self.more().setdefault(name, [])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getitem__(self, key: str) -> Any:
        if key in _LOCKS:
            return self.more().setdefault(key, threading.Lock())
        if key in _FIELDS:
            with suppress(AttributeError):
                value = getattr(self, key)
                return value.shown() if type(value) in LOOSE else value
        elif self._more is not None and key in self._more:
            return self._more[key]
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        """A field, or one's own key; the default when there is none."""
        if key in _FIELDS:
            return super().get(key, default)
        # asked for each cached call, which mostly has none of them
        return default if self._more is None else self._more.get(key, default)

    def __setitem__(self, key: str, value: Any) -> None:
        if key in _FIELDS and key not in _LOCKS:
            setattr(self, key, value)
        else:
            self.more()[key] = value

    def __delitem__(self, key: str) -> None:
        if key in _FIELDS and key not in _LOCKS:
            try:
                delattr(self, _TIMES.get(key, key))
            except AttributeError:
                raise KeyError(key) from None
        elif self._more is not None and key in self._more:
            del self._more[key]
        else:
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        more = self._more or {}
        for name in FIELDS:
            if name in more or (name not in _LOCKS and hasattr(self, name)):
                yield name
        yield from (name for name in more if name not in _FIELDS and name != _TIED)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        status = getattr(self, "status", None)
        return f"<task {self.id} of app {self.func_name}: {'new' if status is None else status.name}>"

    def copy(self) -> dict[str, Any]:
        """A plain dict of the record as it is now."""
        return dict(self)
