"""What happened, as rows of the tables.

Whoever works on tasks hands over an event: five values, without looking at them. All the rest is done here, in the
writer's thread: a task that has gone through all of its states since the last time becomes one row of the task table,
one of the try table and five of the status table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.states import States
from parsl_on_dask.monitoring import messages
from parsl_on_dask.remote.usage import PACKED, STATES

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Record
    from parsl_on_dask.monitoring.tables import Clock

#: Kinds of events besides the states, whose numbers are below.
SUBMITTED, BEGAN, RAN, SAMPLED, INPUTS, MESSAGE, ROW = range(100, 107)

#: kind, task, try, seconds since the epoch, and what else there is to say
Event = tuple[int, Any, int, float, Any]

NAMES = {int(state): state.name for state in States}
_LAST_STATE = max(NAMES)
_RUNNING, _RUNNING_ENDED = States.running.name, States.running_ended.name

_STATES = defaultdict(lambda: "running", {ord(letter): word for letter, word in STATES.items()})

#: depends, inputs, outputs, stdin, stdout, stderr of a call with plain arguments
_PLAIN = ("", "None", "None", None, "", "")

#: Characters up to which a text of a task is kept.
TEXT_LIMIT = 65_536


def clean(text: str) -> str:
    """A text as every database takes it."""
    if len(text) > TEXT_LIMIT:
        text = text[:TEXT_LIMIT] + "..."
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


class _Stamps(dict[float | None, Any]):
    """Times as the database takes them; each of a task's is in several rows."""

    def __init__(self, clock: Clock) -> None:
        self._stamp = clock.stamp

    def __missing__(self, when: float | None) -> Any:
        made = self[when] = self._stamp(when)
        return made


class _Cpus(dict[float, str]):
    """Numbers of CPUs, which are texts in the database."""

    def __missing__(self, cpu: float) -> str:
        text = self[cpu] = str(int(cpu))
        return text


_CPUS = _Cpus()


class RowMaker:
    """Makes rows of events.

    - `interval`: of the resource samples, seconds.
    - `block_of`: ``(executor label, worker name) -> block id or None``.
    """

    def __init__(self, run_id: str, clock: Clock, interval: float, block_of: Callable[[str, str], str | None]) -> None:
        self.run_id = run_id
        self.clock = clock
        self.interval = interval
        self.block_of = block_of
        #: When the tries began whose workers have said so before they came back: of written rows, of those made last.
        self.announced: dict[tuple[int, int], float] = {}
        self._fresh: dict[tuple[int, int], float] = {}
        self._back: list[tuple[int, int]] = []
        self._names: dict[str, str] = {}

    def written(self) -> None:
        """The rows made last are in the database."""
        self.announced.update(self._fresh)
        for key in self._back:
            self.announced.pop(key, None)
        self._fresh, self._back = {}, []

    def rows(self, events: Iterable[Event]) -> dict[str, list[Any]]:
        """Rows by table, one value after the other, in the order of :data:`parsl_on_dask.monitoring.tables.COLUMNS`."""
        run_id, interval = self.run_id, self.interval
        stamps = _Stamps(self.clock)
        announced = self.announced
        fresh: dict[tuple[int, int], float] = {}
        back: list[tuple[int, int]] = []
        self._fresh, self._back = fresh, back
        found: dict[str, list[Any]] = {"status": [], "resource": []}
        status, resource = found["status"].extend, found["resource"].extend
        tasks: dict[int, Record] = {}
        tries: dict[tuple[int, int], Record] = {}
        texts: dict[int, Any] = {}
        captured: dict[tuple[int, int], Any] = {}
        joins: dict[tuple[int, int], str] = {}
        ran: dict[tuple[int, int], Any] = {}
        last: Record | None = None
        last_try = 0
        for kind, record, try_id, when, extra in events:
            if kind <= _LAST_STATE:
                number = record.id
                status((number, NAMES[kind], stamps[when], run_id, try_id))
                if record is not last or try_id != last_try:  # the events of a task come together
                    tasks[number] = tries[number, try_id] = last = record
                    last_try = try_id
                if extra is not None:
                    (joins if kind == States.joining else captured)[number, try_id] = extra
            elif kind in (RAN, BEGAN):
                number = record.id
                key = (number, try_id)
                tries[key] = record
                worker, host, began, ended = extra
                before = fresh.get(key) or announced.get(key)
                if before is None:
                    if began:
                        status((number, _RUNNING, stamps[began], run_id, try_id))
                        if kind == BEGAN:
                            fresh[key] = began
                    ran[key] = extra
                elif kind == RAN:
                    ran[key] = (worker, host, before, ended)
                    back.append(key)
                if kind == RAN and ended:
                    status((number, _RUNNING_ENDED, stamps[ended], run_id, try_id))
            elif kind == SAMPLED:
                number = record.id
                for at, pid, *usage, state, cpu, voluntary, forced in PACKED.iter_unpack(extra):
                    words = (_STATES[state], _CPUS[cpu], voluntary, forced)
                    resource((try_id, number, run_id, stamps[at], interval, int(pid), *usage, *words))
            elif kind == SUBMITTED:
                texts[record.id] = extra
            elif kind == INPUTS:
                found.setdefault("inputs", []).append((extra, record.id, run_id))  # of few tasks
            elif kind == MESSAGE:
                messages.add(found, run_id, self.clock, extra)
            else:
                found.setdefault(record, []).extend(extra)
        if tasks:
            found["task"] = list(chain.from_iterable(self._tasks(tasks, texts, stamps)))
        if tries:
            found["try"] = list(chain.from_iterable(self._tries(tries, captured, joins, ran, stamps)))
        return found

    def _name(self, name: str) -> str:
        """The name of an app, which many tasks have, as the database takes it."""
        known = self._names.get(name)
        if known is None:
            known = self._names[name] = clean(name)
        return known

    def _tasks(self, tasks: dict[int, Record], texts: dict[int, Any], stamps: _Stamps) -> Iterable[tuple[Any, ...]]:
        run_id, name = self.run_id, self._name
        for number, record in tasks.items():
            depends, inputs, outputs, stdin, stdout, stderr = texts.get(number, _PLAIN)
            yield (
                number,
                run_id,
                depends,
                name(record.func_name),
                "1" if record.memoize else "0",
                record.hashsum,
                inputs,
                outputs,
                stdin,
                stdout,
                stderr,
                stamps[record.invoked],
                stamps[record.returned],
                record.fail_count,
                record.fail_cost,
            )

    def _tries(
        self,
        tries: dict[tuple[int, int], Record],
        captured: dict[tuple[int, int], Any],
        joins: dict[tuple[int, int], str],
        ran: dict[tuple[int, int], Any],
        stamps: _Stamps,
    ) -> Iterable[tuple[Any, ...]]:
        run_id = self.run_id
        for key, record in tries.items():
            number, try_id = key
            launched = returned = None
            history: str | None = None
            if key in captured:
                launched, returned, history = captured[key]
            elif record.try_id == try_id:
                launched, returned = record.try_launched, record.try_returned
                history = ",".join(list(record.fail_history)) if record.fail_count else ""
            worker, host, began, _ = ran.get(key) or ("", "", 0.0, 0.0)
            yield (
                try_id,
                number,
                run_id,
                self.block_of(record.executor, worker) if worker else None,
                host or None,
                record.executor,
                stamps[launched],
                stamps[began or None],
                stamps[returned],
                clean(history) if history else history,
                joins.get(key),
            )
