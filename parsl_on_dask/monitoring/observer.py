"""What the kernel and its lanes tell monitoring.

These methods run where tasks do, several times for each of them, so they only note what cannot be found out later.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from time import time
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.states import FINAL_STATES, States
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.monitoring.rows import BEGAN, ENDED, INPUTS, MESSAGE, RAN, SAMPLED, SUBMITTED, clean
from parsl_on_dask.remote.shell import stream_target

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Record
    from parsl_on_dask.lanes.call import Call, Outcome

HOST = socket.gethostname()

_PENDING, _LAUNCHED = States.pending, States.launched


class Observer:
    """Takes notes for one run.

    - `put`: takes the values of one or more events, from any thread.
    - `workers`: whether to note what workers do, too.
    - `interval`: seconds between two resource samples; 0 for none.
    """

    def __init__(self, put: Callable[[Iterable[Any]], Any], workers: bool, interval: float) -> None:
        self.put = put
        self.workers = workers
        self.interval = interval
        self._places: dict[tuple[str, str], tuple[str, str]] = {}

    def submitted(self, record: Record, depends: Sequence[Future[Any]]) -> None:
        """A task was made whose arguments are not all plain."""
        kwargs = record.kwargs
        stdin = kwargs.get("stdin")
        texts = (
            _numbers(depends),
            clean(str(kwargs.get("inputs"))),
            clean(str(kwargs.get("outputs"))),
            None if stdin is None else clean(str(stdin)),
            _stream_name(record, "stdout"),
            _stream_name(record, "stderr"),
        )
        self.put((SUBMITTED, record, 0, 0.0, texts))

    def state(self, record: Record, state: States) -> None:
        """A task's state changed."""
        if state is _LAUNCHED:
            if record.kwargs and record.kwargs.get("inputs") is not None:
                self.put((INPUTS, record, 0, 0.0, clean(str(record.kwargs["inputs"]))))
            when = record.try_launched
        elif state is _PENDING:
            when = None if record.try_id else record.invoked
        elif state in FINAL_STATES:
            when = record.returned
        else:
            self._between(record, state)
            return
        # times that the record has anyway: each of them is made a text once
        self.put((state, record, record.try_id, when or time(), None))

    def _between(self, record: Record, state: States) -> None:
        """A state at which more has to be noted than the state: what it was is gone or changed soon after."""
        extra: Any
        if state is States.joining:
            joins = record.joins
            extra = _numbers([joins] if isinstance(joins, Future) else joins or ())
        else:
            extra = (record.try_launched, record.try_returned, ",".join(record.fail_history))
        self.put((state, record, record.try_id, time(), extra))

    def ran(self, record: Record, outcome: Outcome) -> None:
        """A try has come back from its lane."""
        if self.workers:
            place, number, ended = self._place(outcome.worker, outcome.host), record.try_id, outcome.ended
            if ended:
                self.put((RAN, record, number, outcome.began, place, ENDED, record, number, ended, None))
            else:
                self.put((RAN, record, number, outcome.began, place))

    def began(self, call: Call, worker: str, host: str, began: float) -> None:
        """A call has begun on a worker, and is not done."""
        record = call.owner
        if self.workers and record is not None:
            self.put((BEGAN, record, record.try_id, began, self._place(worker, host)))

    def _place(self, worker: str, host: str) -> tuple[str, str]:
        """A worker and its host: the same object for all that ran there."""
        place = (worker, host or HOST)
        return self._places.setdefault(place, place)

    def seen(self, call: Call, worker: str, host: str, began: float, samples: bytes) -> None:
        """A worker has looked at a call; `began` is 0 if it has ended since."""
        record = call.owner
        if self.workers and record is not None:
            if began:
                self.began(call, worker, host, began)
            if samples:
                self.put((SAMPLED, record, record.try_id, 0.0, samples))

    def message(self, message: Any) -> None:
        """A call has sent a message in Parsl's form."""
        self.put((MESSAGE, None, 0, 0.0, message))

    def asked_of(self, executor: Any) -> float | None:
        """The interval of samples that an executor's workers are asked for; 0 for none, None for no reports at all."""
        if not self.workers:
            return None
        return self.interval if executor.monitor_resources() else 0.0


def _numbers(futures: Sequence[Future[Any]]) -> str:
    """Ids of the tasks among futures, those of AppFutures and DataFutures."""
    return ",".join([str(number) for f in futures if (number := getattr(f, "tid", None)) is not None])


def _stream_name(record: Record, which: str) -> str:
    spec = record.kwargs.get(which)
    if spec is None:
        return ""
    if isinstance(spec, File):
        return clean(spec.url)
    try:
        return clean(stream_target(record.func_name, which, spec)[0])
    except Exception:  # which the call itself will say
        return ""
