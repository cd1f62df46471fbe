"""What travels on a lane: calls out, outcomes back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parsl_on_dask.lanes import stages
from parsl_on_dask.lanes.stages import Move, Stage, end_of, illegal

if TYPE_CHECKING:
    from parsl_on_dask.lanes.values import RemoteValue

logger = logging.getLogger("parsl.lanes.call")

_AHEAD = (Stage.AHEAD, Stage.AHEAD_SENT, Stage.EARLY)


class Call:
    """One try of one task, ready to run.

    - `name`: the app's name, for error texts and the dashboard.
    - `function`: None when it was packed elsewhere.
    - `args`, `kwargs`: with all futures replaced by their values; values that stay on a cluster are
      :class:`~parsl_on_dask.lanes.values.RemoteValue`.
    - `spec`: the resource specification.
    - `done`: called once as ``done(call, outcome)``, on a thread of the lane.
    - `owner`: whatever ``done`` needs to know; the lane does not look at it.

    - `stage`: how far it is. Changed by :meth:`step` only.
    - `leaders`: those whose values it waits for.
    - `follower`: one that waits for this one.
    - `promises`: whether its payload has promises in it.
    - `early`: its outcome, when that came before it was submitted.
    - `uncharged`: how often it was sent again because its worker had gone.
    - `unwanted`: whether it is to be ended, also if it runs.
    - `function_key`: names the function to workers: a digest of its pickle.
    - `packed`: that pickle, which all calls of the function share, until the call is done.
    - `shift`: the shift that it was sent to.
    - `own`: whether nobody else can see the values on the cluster that it takes, so that it may have them without a
      copy.
    - `waited`: whether it waited for others: then it goes first, so that what was begun gets finished.
    """

    __slots__ = (
        "args",
        "done",
        "early",
        "follower",
        "function",
        "function_key",
        "kwargs",
        "leaders",
        "name",
        "number",
        "own",
        "owner",
        "packed",
        "payload",
        "promises",
        "refs",
        "shift",
        "solo",
        "spec",
        "stage",
        "uncharged",
        "unwanted",
        "waited",
    )

    def __init__(
        self,
        name: str,
        function: Callable[..., Any] | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        spec: Mapping[str, Any],
        done: Callable[[Call, Outcome], None],
        owner: Any = None,
    ) -> None:
        self.name = name
        self.function: Callable[..., Any] | None = function
        self.args: Sequence[Any] = args
        self.kwargs: Mapping[str, Any] = kwargs
        self.spec = spec
        self.done = done
        self.owner = owner
        self.number = 0
        self.function_key = ""
        self.packed: bytes | None = None
        self.payload: bytes | None = None
        self.refs: tuple[RemoteValue, ...] = ()
        self.solo = False
        self.uncharged = 0
        self.unwanted = False
        self.stage = Stage.LAUNCHING
        self.leaders: Sequence[Call] = ()
        self.follower: Call | None = None
        self.promises = False
        self.early: Outcome | None = None
        self.shift: Any = None
        self.waited = False
        self.own = False

    @property
    def ahead(self) -> bool:
        """Whether it was prepared before what it waits for is done, and has not been submitted yet."""
        return self.stage in _AHEAD

    def step(self, move: Move) -> Stage | None:
        """Make a move. Returns the stage that it led to; None when it came too late, and changed nothing.

        Raises IllegalMove when the move does not exist from the present stage.
        """
        with stages.lock:
            try:
                end = move.ends[self.stage]
            except KeyError:
                raise illegal(self.stage, move) from None
            if end is not None:
                self.stage = end
            return end

    def end(self, outcome: Outcome) -> None:
        """Let go of what it holds, and tell its owner what became of it."""
        self.payload = self.packed = None
        self.refs = ()
        self.function, self.args, self.kwargs = None, (), {}
        try:
            self.done(self, outcome)
        except BaseException:
            logger.exception("Completing a call of app %s failed", self.name)


def step_all(calls: Iterable[Call], move: Move) -> list[Call]:
    """Have several calls make a move at once. Returns those for which it did not come too late.

    Raises IllegalMove when the move does not exist from the present stage of one.
    """
    moved = []
    with stages.lock:
        for call in calls:
            end = end_of(call.stage, move)
            if end is not None:
                call.stage = end
                moved.append(call)
    return moved


class Pickled:
    """A value of which this process only knows the pickle, since it hands it on."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class PickledError(Exception):
    """An error of which this process only knows the pickle."""

    def __init__(self, data: bytes) -> None:
        super().__init__("of a call; this process hands it on")
        self.data = data


class Outcome:
    """What became of a call: a value, or an error.

    - `value`: the result; a :class:`~parsl_on_dask.lanes.values.RemoteValue` when it stayed on its worker.
    - `large`: where the value is, while Dask does not have it (:class:`~parsl_on_dask.lanes.large_results.Large`).
    - `worker`: name of the worker that ran the call, "" when none did.
    - `began`, `ended`: seconds since the epoch, by the worker's clock; 0.0 when unknown.
    """

    __slots__ = ("began", "ended", "error", "host", "large", "value", "worker")

    def __init__(
        self,
        value: Any = None,
        error: BaseException | None = None,
        worker: str = "",
        host: str = "",
        began: float = 0.0,
        ended: float = 0.0,
    ) -> None:
        self.value = value
        self.large: Any = None
        self.error = error
        self.worker = worker
        self.host = host
        self.began = began
        self.ended = ended
