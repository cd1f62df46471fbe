"""What happened, as rows of the tables.

Whoever works on tasks hands over an event: five values, without looking at them. All the rest is done here, in the
writer's thread: a task that has gone through all of its states since the last time becomes one row of the task table,
one of the try table and five of the status table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
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

    def rows(self, events: Iterable[Event]) -> dict[str, list[tuple[Any, ...]]]:
        """Rows by table, in the order of :data:`parsl_on_dask.monitoring.tables.COLUMNS`."""
        run_id, stamp, interval = self.run_id, self.clock.stamp, self.interval
        announced = self.announced
        fresh: dict[tuple[int, int], float] = {}
        back: list[tuple[int, int]] = []
        self._fresh, self._back = fresh, back
        found: dict[str, list[tuple[Any, ...]]] = {"status": [], "resource": []}
        status, resource = found["status"].append, found["resource"].append
        tasks: dict[int, Record] = {}
        tries: dict[tuple[int, int], Record] = {}
        texts: dict[int, Any] = {}
        captured: dict[tuple[int, int], Any] = {}
        joins: dict[tuple[int, int], str] = {}
        ran: dict[tuple[int, int], Any] = {}
        for kind, record, try_id, when, extra in events:
            if kind <= _LAST_STATE:
                number = record.id
                status((number, NAMES[kind], stamp(when), run_id, try_id))
                tasks[number] = record
                tries[number, try_id] = record
                if extra is not None:
                    (joins if kind == States.joining else captured)[number, try_id] = extra
            elif kind in (RAN, BEGAN):
                number = record.id
                key = (number, try_id)
                tries[key] = record
                worker, host, began, ended = extra
                before = announced.get(key) or fresh.get(key)
                if before is None:
                    if began:
                        status((number, _RUNNING, stamp(began), run_id, try_id))
                        if kind == BEGAN:
                            fresh[key] = began
                    ran[key] = extra
                elif kind == RAN:
                    ran[key] = (worker, host, before, ended)
                if kind == RAN:
                    back.append(key)
                    if ended:
                        status((number, _RUNNING_ENDED, stamp(ended), run_id, try_id))
            elif kind == SAMPLED:
                number = record.id
                for at, pid, *usage, state, cpu, voluntary, forced in PACKED.iter_unpack(extra):
                    words = (_STATES[state], str(int(cpu)))
                    row = (try_id, number, run_id, stamp(at), interval, int(pid), *usage, *words, voluntary, forced)
                    resource(row)
            elif kind == SUBMITTED:
                texts[record.id] = extra
            elif kind == INPUTS:
                found.setdefault("inputs", []).append((extra, record.id, run_id))
            elif kind == MESSAGE:
                messages.add(found, run_id, self.clock, extra)
            else:
                found.setdefault(record, []).append(extra)
        if tasks:
            found.setdefault("task", []).extend(self._tasks(tasks, texts))
        if tries:
            found.setdefault("try", []).extend(self._tries(tries, captured, joins, ran))
        return found

    def _name(self, name: str) -> str:
        """The name of an app, which many tasks have, as the database takes it."""
        known = self._names.get(name)
        if known is None:
            known = self._names[name] = clean(name)
        return known

    def _tasks(self, tasks: dict[int, Record], texts: dict[int, Any]) -> Iterable[tuple[Any, ...]]:
        run_id, stamp, name = self.run_id, self.clock.stamp, self._name
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
                stamp(record.invoked),
                stamp(record.returned),
                record.fail_count,
                record.fail_cost,
            )

    def _tries(
        self,
        tries: dict[tuple[int, int], Record],
        captured: dict[tuple[int, int], Any],
        joins: dict[tuple[int, int], str],
        ran: dict[tuple[int, int], Any],
    ) -> Iterable[tuple[Any, ...]]:
        run_id, stamp = self.run_id, self.clock.stamp
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
                stamp(launched),
                stamp(began or None),
                stamp(returned),
                clean(history) if history else history,
                joins.get(key),
            )
