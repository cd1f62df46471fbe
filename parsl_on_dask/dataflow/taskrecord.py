"""What the kernel knows about one task."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future
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


class TasksKernel(Protocol):
    """A kernel, as its tasks and their futures see it."""

    callbacks: Callbacks
    run_id: str

    @property
    def executors(self) -> Mapping[str, Any]:
        """The executors, by label."""

    def cancel_task(self, record: TaskRecord, running: bool = False) -> bool:
        """Cancel a task that has not been begun, or is ``running``."""

    def submit_internal(self, func: Callable[..., Any], args: Sequence[Any]) -> LightFuture[Any]:
        """Make a task that runs in this process."""


class TaskRecord(MutableMapping[str, Any]):
    """A task's record: ``record["status"]`` as in Parsl, and ``record.status`` as well.

    It is a mapping, not a dict: a million of them have to fit into memory. Keys of one's own may be added.

    Examples
    --------
    >>> record = TaskRecord(id=3, func_name="double")
    >>> record["func_name"], record.id, record["try_id"]
    ('double', 3, 0)
    >>> record["note"] = "mine"
    >>> record["note"]
    'mine'
    """

    __slots__ = (*FIELDS, "__weakref__", "_future", "_more", "awaited", "current_try", "followers", "lane")

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
    app_fu: LightFuture[Any]
    exec_fu: Future[Any] | None
    try_id: int
    fail_count: int
    fail_cost: float
    fail_history: list[str]
    memoize: bool
    hashsum: str | None
    ignore_for_cache: Sequence[str]
    from_memo: bool | None
    checkpoint: bool | None
    join: bool
    joins: Future[Any] | list[Future[Any]] | None
    join_lock: Any
    task_launch_lock: Any
    time_invoked: datetime | None
    time_returned: datetime | None
    try_time_launched: datetime | None
    try_time_returned: datetime | None

    def __init__(self, **fields: Any) -> None:
        self.try_id = 0
        self.fail_count = 0
        self.fail_cost = 0
        self.depends = ()
        self.exec_fu = None
        self.hashsum = None
        self.from_memo = None
        self.joins = None
        self.time_returned = None
        self.try_time_launched = None
        self.try_time_returned = None
        #: The present try: a bare stage until its lane is chosen, then a call, which has the stage.
        self.current_try: Stage | Call = Stage.WAITING
        #: The lane of the present try's call.
        self.lane: Lane | None = None
        self.awaited = 0
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
        if not self.resource_specification:
            self.resource_specification = NOTHING
        if self.depends and type(self.depends) is not Depended:
            self.depends = Depended(map(weakref.ref, self.depends))
        self.joins = None
        self._future = weakref.ref(self.app_fu)
        del self.app_fu

    def __getattr__(self, name: str) -> Any:
        if name == "app_fu":
            reference = getattr(self, "_future", None)
            future = reference() if reference is not None else None
            if future is not None:
                return future
        elif name == "fail_history":  # made for those that fail
            self.fail_history = []
            return self.fail_history
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getitem__(self, key: str) -> Any:
        if key in _FIELDS:
            try:
                value = getattr(self, key)
                return value.shown() if type(value) in LOOSE else value
            except AttributeError:
                if key in ("join_lock", "task_launch_lock"):  # made only when somebody asks
                    setattr(self, key, threading.Lock())
                    return getattr(self, key)
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
        if key in _FIELDS:
            setattr(self, key, value)
        else:
            if self._more is None:
                self._more = {}
            self._more[key] = value

    def __delitem__(self, key: str) -> None:
        if key in _FIELDS:
            try:
                delattr(self, key)
            except AttributeError:
                raise KeyError(key) from None
        elif self._more is not None and key in self._more:
            del self._more[key]
        else:
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        for name in FIELDS:
            if hasattr(self, name):
                yield name
        yield from self._more or ()

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
