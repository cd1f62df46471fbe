"""The process that keeps a run's lanes, and goes on when the script dies."""

from __future__ import annotations

import json
import logging
import os
import queue
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import cloudpickle

from parsl_on_dask.clusters.scaling import Scaler
from parsl_on_dask.common import overrides, run_records
from parsl_on_dask.common.processes_here import boot, this_process
from parsl_on_dask.dask_internals.clients import future_of
from parsl_on_dask.errors import ParslError
from parsl_on_dask.importing.alias import install_from_environment
from parsl_on_dask.lanes import reports
from parsl_on_dask.lanes.call import Call, Outcome, Pickled, PickledError
from parsl_on_dask.lanes.failures import as_exception
from parsl_on_dask.lanes.stages import CANCEL, Stage
from parsl_on_dask.lanes.values import RemoteValue
from parsl_on_dask.linger import records
from parsl_on_dask.linger.recorder import Recorder
from parsl_on_dask.linger.table import ERROR, FAILED, KEPT, RECORDED, VALUE, Table, Work
from parsl_on_dask.linger.wire import Functions, Wire, packed
from parsl_on_dask.remote import scratch

logger = logging.getLogger("parsl.linger.resident")

#: Seconds between two looks at what may end it, and signs of life.
LOOK = 1.0
#: What a script may ask a lane.
QUESTIONS = frozenset(
    {
        "status",
        "node_hours",
        "workers",
        "running",
        "slots_per_block",
        "idle_blocks",
        "ending_blocks",
        "scale_out",
        "scale_in",
    }
)


class Visit:
    """A script that is here: what is sent to it leaves in a thread of its own, so that nobody waits for the script."""

    def __init__(self, wire: Wire, pid: int) -> None:
        self.wire = wire
        self.pid = pid
        self.since = time.time()
        self.functions = Functions()
        self.outgoing: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._write, name="parsl-resident-writer", daemon=True)
        self.thread.start()

    def send(self, *message: Any) -> None:
        """Send a message, some time."""
        self.outgoing.put(message)

    def _write(self) -> None:
        while (message := self.outgoing.get()) is not None:
            try:
                self.wire.send(message)
            except OSError:  # it has gone; who reads sees that, too
                return


class Watch:
    """Stands for the script's observer on a lane: what it would be told goes to the script."""

    def __init__(self, resident: Resident, label: str, monitor: Any) -> None:
        self._resident = resident
        self._label = label
        self._monitor = monitor

    def asked_of(self, executor: Any) -> Any:
        """What workers are to sample."""
        return self._monitor

    def message(self, message: Any) -> None:
        """A call has told something."""
        self._resident.tell("message", self._label, packed(message))

    def seen(self, call: Call, worker: str, host: str, *sample: Any) -> None:
        """A call was looked at while it ran."""
        for number in list(call.owner.numbers):
            self._resident.tell("seen", number, worker, host, sample)


class Resident:
    """The lanes of a run.

    Parameters
    ----------
    spec : dict
        ``run_dir``, ``script`` (its name and arguments), ``linger`` (seconds), ``run`` (what monitoring calls it),
        ``recording`` (arguments of
        :class:`~parsl_on_dask.linger.recorder.Recorder`), ``scaling`` (attributes of a Config), ``override``.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.run_dir: str = spec["run_dir"]
        self.linger = float(spec["linger"])
        self.run: dict[str, Any] = spec["run"]
        self.ended = {"tasks_completed_count": 0, "tasks_failed_count": 0}
        self.recorder = Recorder(*spec["recording"])
        self.scaler = Scaler(SimpleNamespace(**spec["scaling"]))  # type: ignore[arg-type]
        overrides.set_cluster_override(spec["override"])
        self.table = Table(self._answer)
        self.executors: dict[str, Any] = {}
        self.descriptions: dict[str, str] = {}
        self.values: dict[int, RemoteValue] = {}
        self.numbers = 0
        self.visit: Visit | None = None
        self.lock = threading.Lock()
        self.opening = threading.Lock()
        #: when the last script left without a word; None while one is here
        self.away: float | None = None
        self.ending = threading.Event()
        #: the connection of the script that has said goodbye, which waits for the end of this process
        self.last: Wire | None = None
        self.workers = ThreadPoolExecutor(4, thread_name_prefix="parsl-resident")
        self.scratch = scratch.make(purpose="resident")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.scratch, "socket"))
        self.listener.listen(4)
        self.record: dict[str, Any] = {
            "script": spec["script"],
            "socket": self.listener.getsockname(),
            "token": secrets.token_hex(16),
            "host": run_records.host(),
            "boot": boot(),
            "process": this_process(),
            "name": "",
            "linger": self.linger,
            "versions": records.versions(),
        }
        records.write(self.run_dir, self.record)

    # -- the script ----------------------------------------------------------------------------------------------

    def serve(self, first: Wire, pid: int) -> None:
        """Serve the script that has started this process, and those that come after it, until the end."""
        self._welcome(Visit(first, pid))
        beat = time.monotonic()
        self.listener.settimeout(0.5)
        while not self.ending.is_set():
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                pass
            else:
                threading.Thread(target=self._greet, args=(connection,), daemon=True).start()
            if time.monotonic() - beat > LOOK:
                beat = time.monotonic()
                self._look()
        self._close()

    def _show(self, away: bool) -> None:
        """Have users see that a run stays without its script, or does not any more."""
        name = self.record["name"]
        try:
            if away and not name:
                script = self.record["script"][0]
                stem = os.path.splitext(os.path.basename(script))[0]
                made = run_records.create(
                    stem=stem,
                    kind="stays",
                    script=script,
                    cwd=os.getcwd(),
                    log=os.path.join(self.run_dir, "resident.log"),
                    process=self.record["process"],
                    run_dirs=[self.run_dir],
                    linger=self.linger,
                )
                self.record["name"] = made.name
            elif name and not away:
                self.record["name"] = ""
                run_records.remove(name)
            records.write(self.run_dir, self.record)
        except (OSError, ValueError) as e:
            logger.warning("`ps` will not show this run: %s", e)

    def _look(self) -> None:
        """End when the time is up, or when the run's directory has gone; else give a sign of life."""
        self.tell("beat", 0)
        path = os.path.join(self.run_dir, records.FILE)
        if self.record["name"]:
            run_records.beat(self.record["name"])
        try:
            os.utime(path)
        except FileNotFoundError:
            logger.warning("%s has gone, so this process and its blocks end", path)
            self.ending.set()
        except OSError:
            logger.debug("no sign of life can be given", exc_info=True)
        with self.lock:
            if self.visit is None and self.away is not None and time.monotonic() - self.away > self.linger:
                logger.warning("No script has come back within %s s: the end", self.linger)
                self.ending.set()

    def _greet(self, connection: socket.socket) -> None:
        """Hear who knocks, and let one in that has the key if nobody else is here."""
        connection.settimeout(10)
        try:
            said = json.loads(connection.makefile("rb").readline())
            answer = self._admit(said)
            connection.sendall(json.dumps(answer).encode() + b"\n")
            connection.settimeout(None)
        except (OSError, ValueError, KeyError, TypeError):
            connection.close()
            return
        if answer.get("welcome"):
            self._welcome(Visit(Wire(connection), said["pid"]), reserved=True)
        else:
            connection.close()

    def _admit(self, said: dict[str, Any]) -> dict[str, Any]:
        if not secrets.compare_digest(str(said["token"]), self.record["token"]):
            return {"refused": "the key is wrong"}
        if said.get("ask"):
            return {"state": self._state()}
        with self.lock:
            if self.ending.is_set():
                return {"refused": "its time is up, and it ends"}
            if self.visit is not None:
                return {"refused": "taken", "pid": self.visit.pid, "since": self.visit.since}
            self.visit = _RESERVED
            away = 0.0 if self.away is None else time.monotonic() - self.away
        return {"welcome": True, "away": away, "run": {**self.run, **self.ended}, **self._state()}

    def _state(self) -> dict[str, Any]:
        works = self.table.works()
        running = sum(sum((e.lane.running() or {}).values()) for e in self.executors.values() if e.lane is not None)
        blocks = {label: len(e.status()) for label, e in self.executors.items()}
        return {
            "calls": len(works),
            "running": min(running, len(works)),
            "ended": self.table.unheard(),
            "blocks": blocks,
            "attached": getattr(self.visit, "pid", None),
            "left": None if self.away is None else max(0.0, self.linger - (time.monotonic() - self.away)),
        }

    def _welcome(self, visit: Visit, reserved: bool = False) -> None:
        with self.lock:
            self.visit = visit
            self.away = None
        self._show(away=False)
        if reserved:
            for work in self.table.came():
                self._drop(work)
        threading.Thread(target=self._listen, args=(visit,), name="parsl-resident-reader", daemon=True).start()

    def _listen(self, visit: Visit) -> None:
        goodbye = False
        while (message := visit.wire.receive()) is not None:
            try:
                if message[0] == "bye":
                    goodbye = True
                    break
                getattr(self, f"_on_{message[0]}")(visit, *message[1:])
            except Exception:
                logger.exception("A message cannot be dealt with: %s", message[0])
        with self.lock:
            self.visit = None
            self.away = time.monotonic()
            self.values.clear()
        self.table.left()
        visit.send(None)
        visit.outgoing.put(None)
        if goodbye:
            self.ending.set()
        else:
            works = self.table.works()
            logger.warning("The script has gone without a word; %s calls go on for %s s", len(works), self.linger)
            self._show(away=True)
            if not self.executors and not self.opening.locked():  # nothing to come back to
                self.ending.set()
        if not self.ending.is_set():
            visit.wire.close()
        else:
            self.last = visit.wire

    def tell(self, *message: Any) -> None:
        """Tell the script that is here, if one is."""
        visit = self.visit
        if visit is not None:
            visit.send(*message)

    # -- what a script says --------------------------------------------------------------------------------------

    def _on_ask(self, visit: Visit, number: int, what: str, *arguments: Any) -> None:
        self.workers.submit(self._answer_question, visit, number, what, arguments)

    def _answer_question(self, visit: Visit, number: int, what: str, arguments: Sequence[Any]) -> None:
        try:
            answer = getattr(self, f"_do_{what}")(*arguments)
            visit.send("answer", number, packed(answer), None)
        except BaseException as e:
            logger.info("%s failed", what, exc_info=True)
            visit.send("answer", number, None, _pickled(e))

    def _do_open(self, label: str, data: bytes, description: str) -> dict[str, Any]:
        """Start an executor, unless it is here already; says where its scheduler is."""
        with self.opening:  # one whose script has died meanwhile may still be at it
            executor = self.executors.get(label)
            if executor is not None and executor.lane.lost is not None:  # its cluster broke down while nobody was here
                self._do_close(label)
                executor = None
            if executor is None:
                executor = cloudpickle.loads(data)
                executor.start()
                self.executors[label] = executor
                self.descriptions[label] = description
                self.scaler.add(executor)
        security = executor.lane.client.security
        return {
            "address": executor.lane.client.scheduler.address,
            "security": security,
            "started_here": executor.lane.cluster.started_here,
        }

    def _do_description(self, label: str) -> str | None:
        return self.descriptions.get(label)

    def _do_close(self, label: str) -> None:
        executor = self.executors.pop(label, None)
        self.descriptions.pop(label, None)
        if executor is not None:
            self.scaler.executors = [other for other in self.scaler.executors if other is not executor]
            executor.shutdown()

    def _do_lane(self, label: str, method: str, *arguments: Any) -> Any:
        executor = self.executors.get(label)
        if method not in QUESTIONS or executor is None or executor.lane is None:
            raise LookupError(f"no executor {label!r} is here, or {method!r} is not to be asked")
        return getattr(executor.lane, method)(*arguments)

    def _do_counts(self) -> tuple[int, int]:
        return self.table.joined, self.table.new

    def _on_watch(self, visit: Visit, label: str, monitor: Any) -> None:
        self.executors[label].lane.watch = Watch(self, label, monitor)

    def _on_release(self, visit: Visit, number: int) -> None:
        self.values.pop(number, None)

    def _on_kill(self, visit: Visit, number: int) -> None:
        work = self.table.of(number)
        if work is None or work.call is None:
            return
        lane = self.executors[work.label].lane
        if work.call.step(CANCEL) is Stage.CANCELLED:
            lane.withdraw(work.call)
            self._done(work.call, Outcome(error=as_exception("AppKilled", (work.call.name,))))
        else:
            lane.kill(work.call)

    def _on_call(
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
        function_key, packed = function
        if packed is None:
            packed = visit.functions.known(function_key)
        else:
            visit.functions.add(function_key, packed)
        work, outcome = self.table.take(number, label, key, about)
        if work is None:
            if outcome is not None:
                self._give(visit, number, key, outcome)
            return
        call = Call(name, None, (), {}, spec, self._done, work)
        call.function_key, call.packed, call.payload = function_key, packed, payload
        call.waited, call.own = marks
        work.call = call
        lane = getattr(self.executors.get(label), "lane", None)
        if lane is None:
            self._done(call, Outcome(error=LookupError(f"no executor {label!r} is here")))
            return
        try:
            call.refs = tuple(self._value(lane, *ref) for ref in refs)
        except Exception as e:
            self._done(call, Outcome(error=e))
        else:
            lane.submit(call)

    def _value(self, lane: Any, number: int, key: Any, item: int | None, size: int) -> RemoteValue:
        if number:
            return self.values[number]
        return RemoteValue(lane.label, lane.client, future_of(lane.client, key), item, size)

    # -- outcomes ------------------------------------------------------------------------------------------------

    def _done(self, call: Call, outcome: Outcome) -> None:
        """A call is done. On its lane's thread."""
        work: Work = call.owner
        self.ended["tasks_completed_count" if outcome.error is None else "tasks_failed_count"] += 1
        about = (outcome.worker, outcome.host, outcome.began, outcome.ended)
        value, error = outcome.value, outcome.error
        if error is not None:
            kind, data = (ERROR, error.data) if isinstance(error, PickledError) else (FAILED, _pickled(error))
            self.table.ended(work, (kind, data, about))
        elif type(value) is RemoteValue:
            self._kept(work, value, about)
        else:
            data = value.data if type(value) is Pickled else cloudpickle.dumps(value)
            stored = bool(work.key) and self.recorder.put(work.key, work.about, Pickled(data))
            self.table.ended(work, (VALUE, data, about, stored))

    def _kept(self, work: Work, value: RemoteValue, about: tuple[Any, ...]) -> None:
        """A value has stayed on its worker."""
        with self.lock:
            self.numbers += 1
            number = self.numbers
            self.values[number] = value
        outcome = (KEPT, (number, value.future.key, value.item, value.size), about, None)
        self.table.ended(work, outcome, recording=bool(work.key))
        if work.key:
            self.recorder.put_large(work.key, work.about, value, lambda stored: self._recorded(work, value, stored))

    def _recorded(self, work: Work, value: RemoteValue, stored: bool) -> None:
        if stored:
            self.table.recorded(work, RECORDED)
            return
        try:
            self.table.recorded(work, (VALUE, cloudpickle.dumps(value.fetch()), ("", "", 0.0, 0.0), False))
        except Exception:
            logger.exception("A value of app %s is lost", work.about[0])
            self.table.recorded(work, RECORDED)

    def _answer(self, number: int, outcome: tuple[Any, ...]) -> None:
        """Tell the script of an outcome that it waits for. Under the table's lock."""
        visit = self.visit
        if visit is not None:
            visit.send("done", number, *outcome)

    def _give(self, visit: Visit, number: int, key: str, outcome: tuple[Any, ...]) -> None:
        """Tell the script an outcome that nobody had heard."""
        if outcome is not RECORDED:
            visit.send("done", number, *outcome)
            return
        data = self.recorder.get(key)
        if data is None:
            visit.send("again", number)
        else:
            visit.send("done", number, VALUE, data, ("", "", 0.0, 0.0), True)

    def _drop(self, work: Work) -> None:
        """Forget a call without a key that has not begun: the script that has come will make it again."""
        call = work.call
        if call is not None and call.step(CANCEL) is Stage.CANCELLED:
            self.executors[work.label].lane.withdraw(call)
            self.table.ended(work, (FAILED, b"", ("", "", 0.0, 0.0)))

    # -- the end -------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        logger.info("The end")
        self.listener.close()
        self._show(away=False)
        records.remove(self.run_dir)
        self.scaler.close()
        for executor in list(self.executors.values()):
            try:
                executor.shutdown()
            except Exception:
                logger.exception("Executor %s could not be shut down", executor.label)
        self.workers.shutdown(wait=False)
        self.recorder.close()
        scratch.remove(self.scratch)


_RESERVED: Any = SimpleNamespace(pid=0, since=0.0, send=lambda *_: None)


def _pickled(error: BaseException) -> bytes:
    """An error as the script can have it."""
    try:
        data = packed(error)
        cloudpickle.loads(data)
        return data
    except Exception:
        return packed(ParslError(f"{type(error).__name__}: {error}"))


def main(descriptor: int) -> None:
    """Run a resident whose script is at the other end of a socket."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(created)f %(asctime)s %(name)s [%(levelname)s]  %(message)s"
    )
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wire = Wire(socket.socket(fileno=descriptor))
    message = wire.receive()
    if message is None:
        return
    _, pid, data = message
    try:
        spec = cloudpickle.loads(data)
        sys.path[:] = spec["sys_path"]
        if spec["alias"]:
            os.environ.update(spec["alias"])
            install_from_environment()
        reports.hands_on = True
        resident = Resident(spec)
    except BaseException as e:
        wire.send(("answer", 0, None, _pickled(e)))
        raise
    signal.signal(signal.SIGTERM, lambda *_: resident.ending.set())
    wire.send(("answer", 0, packed(resident.record), None))
    resident.serve(wire, pid)
