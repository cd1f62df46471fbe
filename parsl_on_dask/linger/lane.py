"""The lane of an executor that a resident keeps, in the script."""

from __future__ import annotations

import copy
import logging
import weakref
from collections import Counter
from collections.abc import Collection
from concurrent.futures import Future
from typing import Any, TypeVar

import cloudpickle

from parsl_on_dask.clusters.base import close_client, connected
from parsl_on_dask.dask_internals.clients import future_of
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes.base import ClientLane
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.dask_noise import is_ours
from parsl_on_dask.lanes.forbidden_waits import may_wait_here
from parsl_on_dask.lanes.packing import Packer
from parsl_on_dask.lanes.reports import outcome_of_report
from parsl_on_dask.lanes.stages import CLAIM, FINISH, SUBMIT, Stage
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.linger import records
from parsl_on_dask.linger.client import END, ResidentClient, ResidentGone
from parsl_on_dask.linger.table import ERROR, FAILED, VALUE
from parsl_on_dask.remote.execution import ERROR as ERROR_REPORT
from parsl_on_dask.remote.execution import VALUE as VALUE_REPORT
from parsl_on_dask.remote.packing import loads

logger = logging.getLogger("parsl.linger.lane")

T = TypeVar("T")


class KeptLane(ClientLane):
    """A lane whose other end is in a process that outlives the script.

    A call that is submitted is handed over at once, so ``cancel()`` comes too late for it; ``kill()`` does not.

    Raises ExecutorError when the executor cannot be started there.
    """

    kept = True

    def __init__(self, executor: Any, resident: ResidentClient) -> None:
        super().__init__(executor)
        self.resident = resident
        self._last: dict[str, Any] = {"status": {}, "node_hours": None}
        self._questions: dict[str, Future[Any]] = {}
        self._watch: Any = None
        described = cloudpickle.dumps(_portable(executor))
        place = resident.ask("open", self.label, described, records.description(executor), timeout=None)
        try:
            self.client = connected(self.label, place["address"], place["security"])
        except OSError as e:
            why = f"its scheduler at {place['address']} does not answer: {e}. The log is {resident.log}"
            raise resident.gone or ExecutorError(executor, why) from e
        is_ours(getattr(self.client, "scheduler_comm", None))
        self.parsl_page = place["started_here"]
        self.packer = Packer(self.label, self.client, executor.inline_limit)
        resident.when_lost(self._lose)

    # -- calls ---------------------------------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        call.number = self.resident.number()
        self.live[call.number] = call
        try:
            self.packer.pack(call)
        except Exception as e:
            self._finish(call, Outcome(error=e))
            return
        if call.stage is Stage.LAUNCHING:
            call.step(SUBMIT)
        if call.step(CLAIM) is None:  # cancelled meanwhile
            self.live.pop(call.number, None)
            return
        if self.closing:
            self._finish(call, Outcome(error=self.end_error()))
            return
        self.resident.expect(call.number, self._hear)
        self._hand_over(call)

    def _hand_over(self, call: Call) -> None:
        """Send a call when Dask has the values that it takes: the resident asks for them by another connection."""
        for value in call.refs:
            if value not in _numbers and value.future.status == "pending":
                value.future.add_done_callback(lambda _: self._hand_over(call))
                return
        if call.number in self.live:
            self._send(call)

    def _send(self, call: Call) -> None:
        task = call.owner
        key = getattr(task, "hashsum", None) or ""
        about: tuple[Any, ...] = ()
        if key:
            about = (call.name, task.get("cache_identity") or "name", task.get("key_parts") or ())
        refs = []
        for value in call.refs:
            number = _numbers.get(value, 0)
            refs.append((number, None if number else value.future.key, value.item, value.size))
        resident = self.resident
        assert call.packed is not None
        try:
            with resident.sending:  # so that both ends remember functions in the same order
                known = resident.functions.known(call.function_key) is not None
                resident.tell(
                    "call",
                    call.number,
                    self.label,
                    call.name,
                    (call.function_key, None if known else call.packed),
                    call.payload,
                    refs,
                    dict(call.spec),
                    (call.waited, call.own),
                    key,
                    about,
                )
                if not known:
                    resident.functions.add(call.function_key, call.packed)
        except Exception as e:
            self._finish(call, Outcome(error=ExecutorError(self.executor, f"its call cannot be handed over: {e}")))

    def _hear(self, kind: str, number: int, *rest: Any) -> None:
        """Take an outcome. On the thread that reads what the resident says."""
        call = self.live.get(number)
        if call is None:
            return
        if kind == "again":
            self.resident.expect(number, self._hear)
            self._send(call)
            return
        try:
            self._take(call, number, *rest)
        except BaseException as e:  # nobody else would end it
            logger.exception("The outcome of a call of app %s cannot be read", call.name)
            self._finish(
                call, Outcome(error=ExecutorError(self.executor, f"the outcome of a call is unreadable: {e!r}"))
            )

    def _take(
        self, call: Call, number: int, what: str, data: Any, about: tuple[Any, ...], *stored: bool | None
    ) -> None:
        worker, host, began, ended = about
        if what in (VALUE, ERROR):
            kind = VALUE_REPORT if what == VALUE else ERROR_REPORT
            outcome = outcome_of_report((kind, number, data, began, ended), call.name, worker, host)
        elif what == FAILED:
            outcome = Outcome(error=loads(data), worker=worker, host=host, began=began, ended=ended)
        else:
            outcome = Outcome(self._kept(*data), None, worker, host, began, ended)
            stored = (bool(getattr(call.owner, "hashsum", None)),)
        if stored and stored[0]:
            call.owner["recorded"] = True
        self._finish(call, outcome)

    def _kept(self, number: int, key: Any, item: int | None, size: int) -> RemoteValue:
        value = RemoteValue(self.label, self.client, future_of(self.client, key), item, size)
        _numbers[value] = number
        weakref.finalize(value, self.resident.released.put, number).atexit = False
        return value

    def _finish(self, call: Call, outcome: Outcome) -> None:
        if self.live.pop(call.number, None) is None:
            return
        call.step(FINISH)
        call.end(outcome)

    def kill(self, call: Call) -> bool:
        if call.number not in self.live or self.lost is not None:
            return False
        try:
            self.resident.tell("kill", call.number)
        except ResidentGone:  # which ends it, too
            return False
        return True

    # -- what the resident knows ---------------------------------------------------------------------------------

    def _asked(self, method: str, default: T, *arguments: Any) -> T:
        if self.left or self.lost is not None:
            last: T = self._last.get(method, default)
            return last
        try:
            if not may_wait_here():
                return self._last_heard(method, default, *arguments)
            answer: T = self.resident.ask("lane", self.label, method, *arguments)
            return answer
        except (ResidentGone, TimeoutError, LookupError):  # it ends, or the executor there does
            return default

    def _last_heard(self, method: str, default: T, *arguments: Any) -> T:
        """The answer to the question before this one, if there is one by now."""
        question = self._questions.get(method)
        if question is None or question.done():
            self._questions[method] = self.resident.question("lane", self.label, method, *arguments)
            if question is not None:
                self._last[method] = question.result()
        last: T = self._last.get(method, default)
        return last

    def running(self) -> dict[str, int] | None:
        return Counter(self._asked("running", {}) or {})

    def workers(self) -> list[dict[str, Any]]:
        return self._asked("workers", [])

    def status(self) -> dict[str, Any]:
        return self._asked("status", {})

    def node_hours(self) -> Any:
        return self._asked("node_hours", None)

    def slots_per_block(self) -> int:
        return int(self._asked("slots_per_block", 1))

    def idle_blocks(self) -> set[str]:
        return set(self._asked("idle_blocks", ()))

    def ending_blocks(self) -> set[str]:
        return set(self._asked("ending_blocks", ()))

    def scale_out(self, blocks: int = 1) -> list[str]:
        return self._asked("scale_out", [], blocks)

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        return self._asked("scale_in", [], blocks, among)

    @property
    def watch(self) -> Any:
        """Told how calls go that are not done yet."""
        return self._watch

    @watch.setter
    def watch(self, watch: Any) -> None:
        self._watch = watch
        if watch is None:
            return
        self.resident.hear("seen", self.label, self._seen)
        self.resident.hear("message", self.label, lambda data: watch.message(loads(data)))
        self.resident.tell("watch", self.label, watch.asked_of(self.executor))

    def _seen(self, number: int, worker: str, host: str, sample: tuple[Any, ...]) -> None:
        call = self.live.get(number)
        if call is not None and self._watch is not None:
            self._watch.seen(call, worker, host, *sample)

    # -- the end -------------------------------------------------------------------------------------------------

    def _lose(self, error: ResidentGone) -> None:
        if self.closing:
            return
        self.closing = True
        self.lost = error
        self._fail_all()

    def _fail_all(self) -> None:
        for call in list(self.live.values()):
            self._finish(call, Outcome(error=self.end_error()))

    def close(self, wait: bool = False) -> None:
        if self.left:
            return
        if wait:
            self.finish_all()
        self.closing = True
        if not self.resident.leaving:
            for method in ("status", "node_hours"):
                self._last[method] = self._asked(method, self._last[method])
        self.packer.large.clear()
        close_client(self.client)
        if not self.resident.leaving:
            try:
                self.resident.ask("close", self.label, timeout=END)
            except ResidentGone:
                logger.debug("The resident has gone, and executor %s with it", self.label)
            except TimeoutError:
                logger.warning("Executor %s is still being ended; see %s", self.label, self.resident.log)
        self.left = True
        self._fail_all()


def _portable(executor: Any) -> Any:
    """An executor as another process can start it: by the address of a client that it was given."""
    client = getattr(executor, "client", None)
    if client is None:
        return executor
    described = copy.copy(executor)
    described.client, described.address, described.security = None, client.scheduler.address, client.security
    return described


#: By what numbers residents know values on clusters.
_numbers: weakref.WeakKeyDictionary[RemoteValue, int] = weakref.WeakKeyDictionary()
