"""What the kernel and its lanes tell monitoring.

These methods run where tasks do, several times for each of them, so they only note what cannot be found out later.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import time
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.states import FINAL_STATES, States
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.monitoring.rows import BEGAN, INPUTS, MESSAGE, RAN, SAMPLED, SUBMITTED, Event, clean
from parsl_on_dask.remote.shell import stream_target

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Record
    from parsl_on_dask.lanes.call import Call, Outcome

HOST = socket.gethostname()

#: States at which more has to be noted than the state: what it was is gone or changed soon after.
_SPECIAL = frozenset({States.fail_retryable, States.joining, States.launched})


class Observer:
    """Takes notes for one run.

    - `put`: takes an event, from any thread.
    - `workers`: whether to note what workers do, too.
    - `interval`: seconds between two resource samples; 0 for none.
    """

    def __init__(self, put: Callable[[Event], Any], workers: bool, interval: float) -> None:
        self.put = put
        self.workers = workers
        self.interval = interval

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
        extra: Any = None
        # times that the record has anyway: each of them is made a text once
        when = (
            record.returned
            if state in FINAL_STATES
            else record.try_launched
            if state is States.launched
            else record.invoked
            if state is States.pending and not record.try_id
            else None
        )
        if state in _SPECIAL:
            if state is States.launched:
                if record.kwargs and record.kwargs.get("inputs") is not None:
                    self.put((INPUTS, record, 0, 0.0, clean(str(record.kwargs["inputs"]))))
            elif state is States.joining:
                joins = record.joins
                extra = _numbers([joins] if isinstance(joins, Future) else joins or ())
            else:
                extra = (record.try_launched, record.try_returned, ",".join(record.fail_history))
        self.put((state, record, record.try_id, when or time(), extra))

    def ran(self, record: Record, outcome: Outcome) -> None:
        """A try has come back from its lane."""
        if self.workers:
            about = (outcome.worker, outcome.host or HOST, outcome.began, outcome.ended)
            self.put((RAN, record, record.try_id, 0.0, about))

    def began(self, call: Call, worker: str, host: str, began: float) -> None:
        """A call has begun on a worker, and is not done."""
        record = call.owner
        if self.workers and record is not None:
            self.put((BEGAN, record, record.try_id, 0.0, (worker, host or HOST, began, 0.0)))

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
