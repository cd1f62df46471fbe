"""The calls of a resident, from the script to the lanes and back."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parsl_on_dask.dask_internals.clients import future_of
from parsl_on_dask.errors import ParslError
from parsl_on_dask.lanes.call import Call, Outcome, Pickled, PickledError
from parsl_on_dask.lanes.failures import as_exception
from parsl_on_dask.lanes.stages import CANCEL, Stage
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.linger.recorder import Recorder
from parsl_on_dask.linger.table import ERROR, FAILED, KEPT, RECORDED, VALUE, Table, Work
from parsl_on_dask.linger.visits import Visit
from parsl_on_dask.linger.wire import packed
from parsl_on_dask.remote.packing import dumps, loads

logger = logging.getLogger("parsl.linger.calls")

#: Where and when a call ran of which that is not known any more: worker, host, begin and end.
NOWHERE = ("", "", 0.0, 0.0)


class Calls:
    """The calls that a resident has.

    - `executors`: those that are started, by label.
    - `tell`: sends a message to the script that is here, if one is.
    - `elsewhere`: calls a function with arguments in a thread that may wait.

    - `succeeded`, `failed`: how many calls of each app have ended.
    - `lasting`: how many have succeeded that no later life runs again, since they have a key.
    """

    def __init__(
        self,
        executors: Mapping[str, Any],
        recorder: Recorder,
        tell: Callable[..., None],
        elsewhere: Callable[..., object],
    ) -> None:
        self.table = Table(self._answer)
        self.succeeded: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.lasting = 0
        self._executors = executors
        self._recorder = recorder
        self._tell = tell
        self._elsewhere = elsewhere
        #: those that scripts refer to
        self._values: dict[int, RemoteValue] = {}
        self._numbers = 0
        self._lock = threading.Lock()

    def came(self) -> None:
        """A script has come back: what it will make again is forgotten."""
        for work in self.table.came():
            self._drop(work)

    def left(self) -> None:
        """The script has gone."""
        self.table.left()
        with self._lock:
            self._values.clear()

    def release(self, number: int) -> None:
        """A value is not needed any more."""
        self._values.pop(number, None)

    def kill(self, number: int) -> None:
        """End a call, also if it runs."""
        work = self.table.of(number)
        if work is None or work.call is None:
            return
        lane = self._executors[work.label].lane
        if work.call.step(CANCEL) is Stage.CANCELLED:
            lane.withdraw(work.call)
            self._done(work.call, Outcome(error=as_exception("AppKilled", (work.call.name,))))
        else:
            lane.kill(work.call)

    def take(
        self,
        visit: Visit,
        number: int,
        label: str,
        name: str,
        function: tuple[str, bytes | None],
        payload: bytes,
        refs: Sequence[tuple[Any, ...]],
        spec: dict[str, Any],
        marks: tuple[bool, bool],
        key: str,
        about: tuple[Any, ...],
    ) -> None:
        """Take a call of a script's: run it, or have it wait for one with its key."""
        function_key, packed = function
        if packed is None:
            packed = visit.functions.known(function_key)
        else:
            visit.functions.add(function_key, packed)
        work, outcome = self.table.take(number, label, key, about)
        if work is None:
            if outcome is not None:
                self._elsewhere(self._give, number, key, outcome)
            return
        call = Call(name, None, (), {}, spec, self._done, work)
        call.function_key, call.packed, call.payload = function_key, packed, payload
        call.waited, call.own = marks
        work.call = call
        lane = getattr(self._executors.get(label), "lane", None)
        if lane is None:
            self._done(call, Outcome(error=LookupError(f"no executor {label!r} is here")))
            return
        try:
            call.refs = tuple(self._value(lane, *ref) for ref in refs)
            lane.submit(call)
        except Exception as e:  # nobody else would end it, nor those that join it
            self._done(call, Outcome(error=e))

    def _value(self, lane: Any, number: int, key: Any, item: int | None, size: int) -> RemoteValue:
        if number:
            return self._values[number]
        return RemoteValue(lane.label, lane.client, future_of(lane.client, key), item, size)

    # -- outcomes ------------------------------------------------------------------------------------------------

    def _done(self, call: Call, outcome: Outcome) -> None:
        """A call is done. On its lane's thread."""
        work: Work = call.owner
        (self.succeeded if outcome.error is None else self.failed)[call.name] += 1
        self.lasting += bool(outcome.error is None and work.key)
        about = (outcome.worker, outcome.host, outcome.began, outcome.ended)
        value, error = outcome.value, outcome.error
        if error is not None:
            kind, data = (ERROR, error.data) if isinstance(error, PickledError) else (FAILED, pickled_error(error))
            self.table.ended(work, (kind, data, about))
        elif type(value) is RemoteValue:
            self._kept(work, value, about)
        else:
            data = value.data if type(value) is Pickled else dumps(value)
            stored = bool(work.key) and self._recorder.put(work.key, work.about, data)
            self.table.ended(work, (VALUE, data, about, stored))

    def _kept(self, work: Work, value: RemoteValue, about: tuple[Any, ...]) -> None:
        """A value has stayed on its worker."""
        with self._lock:
            self._numbers += 1
            number = self._numbers
            self._values[number] = value
        # before the script hears of it: if that ends everything, what is on its way to the disk is waited for
        keeping = self._recorder.put_large(work.key, work.about, value) if work.key else None
        outcome = (KEPT, (number, value.future.key, value.item, value.size), about, None)
        if not self.table.ended(work, outcome, recording=keeping is not None):
            self.release(number)
        if keeping is not None:
            keeping.add_done_callback(lambda _: self._recorded(work, value))

    def _recorded(self, work: Work, value: RemoteValue) -> None:
        if self._recorder.has(work.key):
            self.table.recorded(work, RECORDED)
            return
        try:
            client: Any = value.client
            if client.status != "running" or value.future.status != "finished":  # it would be waited for without end
                raise LookupError("its worker, or the cluster, has gone")
            self.table.recorded(work, (VALUE, dumps(value.fetch()), NOWHERE, False))
        except Exception:
            logger.exception("A value of app %s is lost", work.about[0])
            self.table.recorded(work, RECORDED)

    def _answer(self, number: int, key: str, outcome: tuple[Any, ...]) -> None:
        """Tell the script of an outcome that it waits for. Under the table's lock."""
        if outcome is RECORDED:
            self._elsewhere(self._give, number, key, outcome)
        else:
            self._tell("done", number, *outcome)

    def _give(self, number: int, key: str, outcome: tuple[Any, ...]) -> None:
        """Tell the script an outcome that nobody had heard."""
        if outcome is not RECORDED:
            self._tell("done", number, *outcome)
            return
        data = self._recorder.get(key)
        if data is None:
            self._tell("again", number)
        else:
            self._tell("done", number, VALUE, data, NOWHERE, True)

    def _drop(self, work: Work) -> None:
        """Forget a call without a key that has not begun: the script that has come will make it again."""
        call = work.call
        if call is not None and call.step(CANCEL) is Stage.CANCELLED:
            self._executors[work.label].lane.withdraw(call)
            self.table.ended(work, (FAILED, b"", NOWHERE))


def pickled_error(error: BaseException) -> bytes:
    """The pickle of an error, which the script can have."""
    try:
        data = packed(error)
        loads(data)
        return data
    except Exception:
        return packed(ParslError(f"{type(error).__name__}: {error}"))
