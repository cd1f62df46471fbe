"""The process that keeps a run's lanes, and goes on when the script dies."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import cloudpickle

from parsl_on_dask.clusters.scaling import Scaler
from parsl_on_dask.common import overrides
from parsl_on_dask.dataflow.ending import Step, take_all
from parsl_on_dask.importing.alias import install_from_environment
from parsl_on_dask.lanes import reports
from parsl_on_dask.linger.calls import NOWHERE, Calls, pickled_error
from parsl_on_dask.linger.recorder import Recorder
from parsl_on_dask.linger.shown import Shown
from parsl_on_dask.linger.table import FAILED
from parsl_on_dask.linger.visits import Visit, Watch
from parsl_on_dask.linger.wire import Wire, packed
from parsl_on_dask.remote import scratch

logger = logging.getLogger("parsl.linger.resident")

#: Seconds between two looks at what may end it, and signs of life.
LOOK = 1.0
#: Seconds for reading the last words of a script that has died, before the next one is let in.
GONE = 20.0
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


class Resident:
    """The lanes of a run.

    - `spec`: ``run_dir``, ``script`` (its name and arguments), ``linger`` (seconds), ``run`` (what monitoring calls
      it), ``recording`` (arguments of :class:`~parsl_on_dask.linger.recorder.Recorder`), ``scaling`` (attributes of a
      Config), ``override``.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.run_dir: str = spec["run_dir"]
        self.linger = float(spec["linger"])
        self.run: dict[str, Any] = spec["run"]
        self.recorder = Recorder(*spec["recording"])
        self.scaler = Scaler(SimpleNamespace(**spec["scaling"]))  # type: ignore[arg-type]
        overrides.set_cluster_override(spec["override"])
        self.executors: dict[str, Any] = {}
        self.descriptions: dict[str, str] = {}
        self.visit: Visit | None = None
        self.lock = threading.Lock()
        self.opening = threading.Lock()
        #: how many scripts have come back. Each has numbers of its own, so that none hears what an earlier one asked
        self.visits = 0
        #: when the last script left without a word; None while one is here
        self.away: float | None = None
        self.ending = threading.Event()
        self.why = ""
        #: the connection of the script that has said goodbye, which waits for the end of this process
        self.last: Wire | None = None
        self.workers = ThreadPoolExecutor(4, thread_name_prefix="parsl-resident")
        self.calls = Calls(self.executors, self.recorder, self.tell, self.workers.submit)
        self.scratch = scratch.make(purpose="resident", sockets=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.scratch, "socket"))
        self.listener.listen(4)
        self.shown = Shown(self.run_dir, spec["script"], self.listener.getsockname(), self.linger)

    # -- the script ----------------------------------------------------------------------------------------------

    def serve(self, first: Wire, pid: int) -> None:
        """Serve the script that has started this process, and those that come after it, until they have ended it."""
        self._welcome(Visit(first, pid))
        beat = time.monotonic()
        self.listener.settimeout(0.5)
        while not self.ending.is_set():
            try:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._greet, args=(connection,), daemon=True).start()
            except TimeoutError:
                pass
            except (OSError, RuntimeError):  # no more files, or threads
                logger.exception("Nobody can be let in")
                self.ending.wait(LOOK)
            if time.monotonic() - beat > LOOK:
                beat = time.monotonic()
                self._look()

    def _look(self) -> None:
        """End when the time is up, or when the run's directory has gone; else give a sign of life."""
        self.tell("beat", 0)
        if self.visit is not None:
            self.visit.look()
        try:
            self.shown.beat(self.calls, self.executors)
        except FileNotFoundError:
            self.end(f"{self.run_dir} was removed")
        except Exception:
            logger.exception("how this run is cannot be shown")
        with self.lock:
            if self.visit is None and self.away is not None and time.monotonic() - self.away > self.linger:
                self.end(f"no script has come back within {self.linger:g} s")

    def _greet(self, connection: socket.socket) -> None:
        """Hear who knocks, and let one in that has the key if nobody else is here."""
        connection.settimeout(10)
        answer: dict[str, Any] = {}
        try:
            said = json.loads(connection.makefile("rb").readline())
            # while it waits: it may die as soon as it has the answer
            visit = Visit(Wire(connection), int(said.get("pid", 0)))
            answer = self._admit(said, visit)
            connection.sendall(json.dumps(answer).encode() + b"\n")
            connection.settimeout(None)
        except Exception:
            logger.info("Somebody who knocks cannot be let in", exc_info=True)
            connection.close()
            if answer.get("welcome"):  # it has gone again
                with self.lock:
                    self.visit = None
                visit.gone.set()
            return
        if answer.get("welcome"):
            self._welcome(visit, reserved=True)
        else:
            connection.close()

    def _admit(self, said: dict[str, Any], new: Visit) -> dict[str, Any]:
        if not secrets.compare_digest(str(said["token"]), self.shown.record["token"]):
            return {"refused": "the key is wrong"}
        state = self._state()
        if said.get("ask"):
            return {"state": state}
        linger = float(said["linger"])
        visit = self.visit
        if visit is not None and visit.look():
            visit.gone.wait(GONE)
        with self.lock:
            if self.ending.is_set():
                return {"refused": "its time is up, and it ends"}
            if self.visit is not None:
                return {"refused": "taken", "pid": self.visit.pid, "since": self.visit.since}
            self.visit = new
            self.visits += 1
            self.linger = self.shown.record["linger"] = linger
            logger.info("Process %s takes this up", new.pid)
            away = 0.0 if self.away is None else time.monotonic() - self.away
            # what failed, or has no key, runs again or is told again, and counts when it does
            run = {**self.run, "tasks_completed_count": self.calls.lasting}
            return {"welcome": True, "first": self.visits << 40, "away": away, "run": run, **state}

    def _state(self) -> dict[str, Any]:
        works = self.calls.table.works()
        running = sum(sum((e.lane.running() or {}).values()) for e in self.executors.values() if e.lane is not None)
        blocks = {label: len(e.status()) for label, e in self.executors.items()}
        return {
            "calls": len(works),
            "running": min(running, len(works)),
            "ended": self.calls.table.unheard(),
            "blocks": blocks,
            "attached": getattr(self.visit, "pid", None),
            "left": None if self.away is None else max(0.0, self.linger - (time.monotonic() - self.away)),
        }

    def _welcome(self, visit: Visit, reserved: bool = False) -> None:
        with self.lock:
            self.visit = visit
            self.away = None
        visit.begin()
        self.shown.show(away=False)
        if reserved:
            self.calls.came()
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
        self.calls.left()
        with self.lock:
            self.visit = None
            self.away = time.monotonic()
        visit.outgoing.put(None)
        visit.gone.set()
        if goodbye:
            self.end("the script has ended")
        elif not self.ending.is_set():
            works = self.calls.table.works()
            logger.warning("The script has gone without a word; %s calls go on for %s s", len(works), self.linger)
            self.shown.show(away=True)
            if not self.executors and not self.opening.locked():
                self.end("no executor was started, so there is nothing to come back to")
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
            visit.send("answer", number, None, pickled_error(e))

    def _do_open(self, label: str, data: bytes, description: str) -> dict[str, Any]:
        """Start an executor, unless it is here already; says where its scheduler is."""
        with self.opening:  # one whose script has died meanwhile may still be at it
            if self.ending.is_set():
                raise RuntimeError("the process that keeps the executors ends")
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
            self.recorder.settle()  # while there are workers that hold large results
            executor.shutdown()

    def _do_lane(self, label: str, method: str, *arguments: Any) -> Any:
        executor = self.executors.get(label)
        if method not in QUESTIONS or executor is None or executor.lane is None:
            raise LookupError(f"no executor {label!r} is here, or {method!r} is not to be asked")
        return getattr(executor.lane, method)(*arguments)

    def _do_counts(self) -> tuple[int, int]:
        return self.calls.table.joined, self.calls.table.new

    def _on_watch(self, visit: Visit, label: str, monitor: Any) -> None:
        self.executors[label].lane.watch = Watch(self.tell, label, monitor)

    def _on_release(self, visit: Visit, number: int) -> None:
        self.calls.release(number)

    def _on_kill(self, visit: Visit, number: int) -> None:
        self.calls.kill(number)

    def _on_call(self, visit: Visit, number: int, *call: Any) -> None:
        try:
            self.calls.take(visit, number, *call)
        except Exception as e:  # nobody else would end it
            logger.exception("A call cannot be taken")
            visit.send("done", number, FAILED, pickled_error(e), NOWHERE)

    # -- the end -------------------------------------------------------------------------------------------------

    def end(self, why: str) -> None:
        """Have all of this end soon."""
        self.why = self.why or why
        self.ending.set()

    def close(self) -> None:
        """End what runs here, and take away what shows that it does."""
        self.ending.set()
        logger.info("The end: %s", self.why or "something went wrong")
        take_all(self._last_steps())

    def _last_steps(self) -> Iterator[Step]:
        yield "the listener", self.listener.close
        if self.visit is not None:  # or its calls would seem to have been given up by the script itself
            yield "the script", self.visit.wire.close
        yield "the record", self.shown.close
        with self.opening:  # what is being started is ended, too
            yield "scaling", self.scaler.close
            yield "results on their way", self.recorder.settle
            for executor in list(self.executors.values()):
                yield f"executor {executor.label}", executor.shutdown
        yield "threads", lambda: self.workers.shutdown(wait=False)
        yield "the checkpoint", self.recorder.close
        yield "temporary files", lambda: scratch.remove(self.scratch)


def main(descriptor: int) -> None:
    """Run a resident whose script is at the other end of a socket."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(created)f %(asctime)s %(name)s [%(levelname)s]  %(message)s"
    )
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.set_inheritable(descriptor, False)
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
        wire.send(("answer", 0, None, pickled_error(e)))
        raise
    signal.signal(signal.SIGTERM, lambda *_: resident.end("SIGTERM has come"))
    try:
        wire.send(("answer", 0, packed(resident.shown.record), None))
        resident.serve(wire, pid)
    except OSError:  # the script has gone already
        logger.info("The script has gone", exc_info=True)
    finally:
        resident.close()
