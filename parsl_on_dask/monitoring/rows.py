"""What happened, as rows of the tables.

Whoever works on tasks hands over an event: five values, without looking at them. All the rest is done here, in the
writer's thread: a task that has gone through all of its states since the last time becomes one row of the task table,
one of the try table and five of the status table.

Values wait one after the other, not as a tuple for each event: the garbage collector would look at all of these again
and again, which would cost the workflow more than everything else here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.states import States
from parsl_on_dask.monitoring import messages
from parsl_on_dask.remote.usage import PACKED, STATES

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Record
    from parsl_on_dask.monitoring.tables import Clock

#: Kinds of events besides the states, whose numbers are below.
BEGAN, RAN, ENDED, SAMPLED, SUBMITTED, INPUTS, MESSAGE, ROW = range(100, 108)

#: kind, task, try, seconds since the epoch, and what else there is to say
Event = tuple[int, Any, int, float, Any]
WIDTH = 5

#: Since when they wait, and the values of events, one after the other, that are about one task; or of one other event.
Group = list[Any]


def events_of(values: Iterator[Any]) -> Iterator[Event]:
    """The events whose values follow each other."""
    return zip(values, values, values, values, values, strict=True)


NAMES = {int(state): state.name for state in States}
_LAST_STATE = max(NAMES)
_JOINING = int(States.joining)
_RUNNING, _RUNNING_ENDED = States.running.name, States.running_ended.name

_STATES = defaultdict(lambda: "running", {ord(letter): word for letter, word in STATES.items()})

#: depends, inputs, outputs, stdin, stdout, stderr of a call with plain arguments
_PLAIN = ("", "None", "None", None, "", "")

#: What is known of a try: what was captured when it ended before others, whom it joined, where it ran and since when
Try = tuple[Any, Any, tuple[tuple[str, str], float]]
_NOTHING: Try = (None, None, (("", ""), 0.0))

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

    def rows(self, groups: Iterable[Group]) -> dict[str, list[Any]]:
        """Rows by table, one value after the other, in the order of :data:`parsl_on_dask.monitoring.tables.COLUMNS`.

        `groups`: of a task at most one.
        """
        run_id, interval = self.run_id, self.interval
        stamps, stamp = _Stamps(self.clock), self.clock.stamp
        announced = self.announced
        fresh: dict[tuple[int, int], float] = {}
        back: list[tuple[int, int]] = []
        self._fresh, self._back = fresh, back
        found: dict[str, list[Any]] = {"task": [], "try": [], "status": [], "resource": []}
        status, resource = found["status"].extend, found["resource"].extend
        for group in groups:
            values = iter(group)
            next(values)
            texts: Any = _PLAIN
            stated, present = False, -1
            captured, joins, ran = _NOTHING
            others: dict[int, Try] = {}
            for kind, record, try_id, when, extra in events_of(values):
                if kind >= MESSAGE:
                    if kind == MESSAGE:
                        messages.add(found, run_id, self.clock, extra)
                    else:
                        found.setdefault(record, []).extend(extra)
                    continue
                number = record.id
                if kind <= RAN:
                    if try_id != present:
                        if present >= 0:
                            others[present] = (captured, joins, ran)
                        captured, joins, ran = others.pop(try_id, _NOTHING)
                        present = try_id
                    if kind <= _LAST_STATE:
                        status((number, NAMES[kind], stamps[when], run_id, try_id))
                        stated = True
                        if extra is None:
                            continue
                        if kind == _JOINING:
                            joins = extra
                        else:
                            captured = extra
                        continue
                    key = (number, try_id)
                    before = fresh.get(key) or announced.get(key)
                    if before is None:
                        if when:
                            status((number, _RUNNING, stamps[when], run_id, try_id))
                            if kind == BEGAN:
                                fresh[key] = when
                        ran = (extra, when)
                    elif kind == RAN:
                        ran = (extra, before)
                        back.append(key)
                elif kind == ENDED:
                    status((number, _RUNNING_ENDED, stamps[when], run_id, try_id))
                elif kind == SAMPLED:
                    for at, pid, a, b, c, d, e, f, g, h, state, cpu, voluntary, forced in PACKED.iter_unpack(extra):
                        head = (try_id, number, run_id, stamp(at), interval, int(pid), a, b, c, d, e, f, g, h)
                        resource(head)
                        resource((_STATES[state], _CPUS[cpu], voluntary, forced))
                elif kind == SUBMITTED:
                    texts = extra
                else:
                    found.setdefault("inputs", []).append((extra, number, run_id))  # of few tasks
            if stated:
                found["task"] += self._task(record, texts, stamps)
            if present >= 0:
                others[present] = (captured, joins, ran)
                for try_id, about in others.items():
                    found["try"] += self._try(record, try_id, about, stamps)
        return found

    def _name(self, name: str) -> str:
        """The name of an app, which many tasks have, as the database takes it."""
        known = self._names.get(name)
        if known is None:
            known = self._names[name] = clean(name)
        return known

    def _task(self, record: Record, texts: Any, stamps: _Stamps) -> tuple[Any, ...]:
        depends, inputs, outputs, stdin, stdout, stderr = texts
        return (
            record.id,
            self.run_id,
            depends,
            self._name(record.func_name),
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

    def _try(self, record: Record, try_id: int, about: Try, stamps: _Stamps) -> tuple[Any, ...]:
        captured, joins, ((worker, host), began) = about
        launched = returned = None
        history: str | None = None
        if captured is not None:
            launched, returned, history = captured
        elif record.try_id == try_id:
            launched, returned = record.try_launched, record.try_returned
            history = ",".join(list(record.fail_history)) if record.fail_count else ""
        return (
            try_id,
            record.id,
            self.run_id,
            self.block_of(record.executor, worker) if worker else None,
            host or None,
            record.executor,
            stamps[launched],
            stamps[began or None],
            stamps[returned],
            clean(history) if history else history,
            joins,
        )
