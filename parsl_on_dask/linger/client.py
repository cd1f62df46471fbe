"""A script's side of its resident: starting it, finding it again, talking to it."""

from __future__ import annotations

import itertools
import json
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import cloudpickle

from parsl_on_dask.clusters.startup import package_folder
from parsl_on_dask.common import run_records
from parsl_on_dask.common.overrides import cluster_override
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.errors import ConfigurationError, ParslError
from parsl_on_dask.importing import alias
from parsl_on_dask.lanes.forbidden_waits import CheckedFuture, never_wait_here
from parsl_on_dask.linger import records
from parsl_on_dask.linger.wire import Functions, Wire

logger = logging.getLogger("parsl.linger.client")

#: Seconds for a resident to start, and for one that is there to answer.
START, ANSWER = 120.0, 30.0
#: Seconds that a script waits at its end for its resident's.
END = 180.0
#: Lines of its log that an error shows.
TAIL = 15
#: What a Config says about scaling.
_SCALING = ("strategy", "strategy_period", "max_idletime")

#: Processes that were started and outlive this one, kept from complaining about that.
_started: list[subprocess.Popen[bytes]] = []


class ResidentGone(ParslError):
    """The process that keeps a run's executors has ended."""


class ResidentClient:
    """A connection to a resident.

    Attributes
    ----------
    run : dict
        What monitoring calls the run.
    again : bool
        Whether an earlier life of the script has started it.
    leaving : bool
        Whether the script goes without a goodbye, so that the resident stays.
    """

    def __init__(self, wire: Wire, run_dir: str, run: dict[str, Any], again: bool = False) -> None:
        self.wire = wire
        self.run_dir = run_dir
        self.run = run
        self.again = again
        self.leaving = False
        self.gone: ResidentGone | None = None
        self.functions = Functions()
        #: numbers of values that have gone, which may be noted while anything runs
        self.released: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._deliver: dict[int, Callable[..., None]] = {}
        self._losing: list[Callable[[ResidentGone], None]] = []
        self._messages: dict[str, Callable[..., None]] = {}
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self.sending = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="parsl-resident", daemon=True)

    @property
    def log(self) -> str:
        """The file that the resident logs to."""
        return os.path.join(self.run_dir, "resident.log")

    def begin(self) -> None:
        """Listen."""
        self._thread.start()

    def number(self) -> int:
        """A new number for a call."""
        return next(self._numbers)

    def expect(self, number: int, deliver: Callable[..., None]) -> None:
        """Have the outcome of a call given to a function."""
        self._deliver[number] = deliver

    def when_lost(self, function: Callable[[ResidentGone], None]) -> None:
        """Have a function called when the resident has ended."""
        self._losing.append(function)

    def hear(self, kind: str, function: Callable[..., None]) -> None:
        """Have messages of a kind given to a function."""
        self._messages[kind] = function

    def tell(self, *message: Any) -> None:
        """Send a message.

        Raises
        ------
        ResidentGone
        """
        try:
            self.wire.send(message)
        except OSError:
            raise self.gone or self._error() from None

    def ask(self, what: str, *arguments: Any, timeout: float | None = ANSWER) -> Any:
        """Ask something, and wait for the answer.

        Raises
        ------
        ResidentGone
        TimeoutError
        Exception
            What the question raised there.
        """
        number = next(self._numbers)
        answer: Future[Any] = CheckedFuture()
        with self._lock:
            if self.gone is not None:
                raise self.gone
            self._asked[number] = answer
        self.tell("ask", number, what, *arguments)
        return answer.result(timeout)

    def prepare(self, memoizer: Any) -> None:
        """Have a memoizer use what the resident has recorded."""
        if not isinstance(memoizer, BasicMemoizer):
            return
        if memoizer.checkpoint_mode is None:
            memoizer.checkpoint_mode = "task_exit"
        before = os.path.join(self.run_dir, "checkpoint")
        if memoizer.checkpoint_files is not None and os.path.isdir(before):
            given: Sequence[Any] = memoizer.checkpoint_files
            memoizer.checkpoint_files = [*given, before]

    def close(self) -> None:
        """Leave; unless :attr:`leaving` the resident ends, and all that it has started."""
        if self._closed:
            return
        self._closed = True
        if self.leaving or self.gone is not None:
            self.wire.close()
            return
        try:
            if self.again:
                joined, new = self.ask("counts")
                _say(
                    f"run {os.path.relpath(self.run_dir)}: {joined} calls of this life were found there, {new} were new"
                )
            self.tell("bye")
        except (ResidentGone, TimeoutError):
            self.wire.close()
            return
        self._thread.join(END)
        if self._thread.is_alive():
            logger.warning("The process that keeps the executors is still ending them; its log is %s", self.log)
        self.wire.close()

    # -- the thread ----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        never_wait_here("the thread that reads what executors with linger= have done")
        while (message := self.wire.receive()) is not None:
            try:
                self._release()
                self._take(*message)
            except BaseException:  # what is unpickled runs code of the user's
                logger.exception("A message of the resident cannot be dealt with: %s", message[0])
        error = self._error()
        with self._lock:
            self.gone = error
            asked, self._asked = self._asked, {}
        for answer in asked.values():
            answer.set_exception(error)
        if not self._closed and not self.leaving:
            logger.error("%s", error)
        for lose in self._losing:
            lose(error)

    def _release(self) -> None:
        """Tell of the values that are not needed any more; the resident says something every second."""
        while not self.released.empty():
            self.tell("release", self.released.get())

    def _take(self, kind: str, number: Any, *rest: Any) -> None:
        if kind in ("done", "again"):
            deliver = self._deliver.pop(number, None)
            if deliver is not None:
                deliver(kind, number, *rest)
        elif kind == "answer":
            with self._lock:
                answer = self._asked.pop(number, None)
            if answer is None:
                return
            value, error = rest
            try:
                found = cloudpickle.loads(value if error is None else error)
            except BaseException as e:
                error = found = e
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(found)
        elif kind in self._messages:
            self._messages[kind](number, *rest)

    def _error(self) -> ResidentGone:
        try:
            with open(self.log, errors="replace") as file:
                tail = "".join(file.readlines()[-TAIL:])
        except OSError:
            tail = ""
        return ResidentGone(
            f"the process that keeps the executors with linger= has ended. The end of {self.log}:\n{tail}"
        )


def seconds_of(config: Any, override: float | None) -> float | None:
    """For how long what a Config describes stays when its script dies; None when nothing does.

    Raises
    ------
    ConfigurationError
        When it cannot stay.
    """
    everywhere = override if override is not None else config.linger
    wishes = [s for e in config.executors if (s := getattr(e, "linger", None)) is not None]
    if everywhere is not None:
        wishes.append(everywhere)
    if not wishes or max(wishes) == 0:
        return None
    staying = [e for e in config.executors if stays(e, everywhere)]
    if not staying:
        labels = ", ".join(repr(e.label) for e in config.executors)
        raise ConfigurationError(
            f"linger={max(wishes):g}: executor {labels} runs its calls in threads of this process, and these end with "
            "it. Use an executor with processes of its own, such as HighThroughputExecutor(), or leave linger= out"
        )
    return float(max(wishes))


def stays(executor: Any, everywhere: float | None) -> bool:
    """Whether an executor is kept by a resident.

    Raises
    ------
    ConfigurationError
        When it was to be, and ends with the script.
    """
    if getattr(executor, "kind", "threads") == "threads" or not hasattr(executor, "linger"):
        return False
    if executor.linger is None and everywhere is None:
        return False
    if getattr(executor, "cluster", None) is not None:
        raise ConfigurationError(
            f"executor {executor.label!r}: cluster= is an object of this process, which ends with it. To have calls go "
            "on when the script dies, start the cluster on its own ('dask scheduler', 'dask worker') and write "
            "DaskExecutor(address=...), or leave linger= out"
        )
    return True


def resident_for(config: Any, run_dir: str, linger: float, run: dict[str, Any]) -> ResidentClient:
    """The resident of a run: the one that an earlier life of this script has left, or a new one.

    Parameters
    ----------
    config : Config
    run_dir : str
    linger : float
        Seconds.
    run : dict
        What monitoring calls this run; :attr:`ResidentClient.run` is what it was called in its first life.

    Raises
    ------
    ConfigurationError
        When there is one, and this script does not fit it.
    ExecutorError
        When none can be started.
    """
    runs = os.path.dirname(run_dir)
    for path, record in records.find(runs, records.script()):
        name = os.path.relpath(path)
        if config.reattach is False:
            _say(f"an earlier run of this script is still there, {name}, and is left alone; {_how_to_end(record)}")
            break
        found = _attached(config, path, record)
        if found is not None:
            return found
    return _start(config, run_dir, linger, run)


def _how_to_end(record: dict[str, Any]) -> str:
    return f"`python -m parsl_on_dask stop {record['name']}` ends it"


def _say(text: str) -> None:
    logger.warning(text)
    print(f"parsl: {text}", file=sys.stderr)


def _attached(config: Any, path: str, record: dict[str, Any]) -> ResidentClient | None:
    name = os.path.relpath(path)
    if [record["host"], record["boot"]] != list(run_records.machine()):
        _say(
            f"an earlier run of this script, {name}, goes on at {record['host']}, and can only be taken up there. This "
            "one starts afresh"
        )
        return None
    here = records.versions()
    for what, there in record["versions"].items():
        if here.get(what) != there:
            raise ConfigurationError(
                f"an earlier run of this script, {name}, is still there, with {what} {there}, and this is {what} "
                f"{here.get(what)}. Start the script with the version of then; or {_how_to_end(record)}; or load "
                "Config(reattach=False), which leaves it alone"
            )
    try:
        connection, answer = knock(record, pid=os.getpid())
    except (OSError, ValueError):
        logger.info("The resident of %s does not answer", path)
        return None
    if not answer.get("welcome"):
        connection.close()
        if answer.get("refused") == "taken":
            since = time.strftime("%H:%M:%S", time.localtime(answer["since"]))
            _say(
                f"an earlier run of this script, {name}, is in the hands of process {answer['pid']} since {since}. "
                "This one starts afresh"
            )
        else:
            _say(f"an earlier run of this script, {name}, cannot be taken up: {answer.get('refused')}")
        return None
    client = ResidentClient(Wire(connection), path, answer["run"], again=True)
    client.begin()
    try:
        for executor in config.executors:
            before = client.ask("description", executor.label)
            if before is not None and before != records.description(executor):
                raise ConfigurationError(
                    f"an earlier run of this script, {name}, is still there, and its executor {executor.label!r} was "
                    f"{before}. Now it is {records.description(executor)}. Write it as it was; or "
                    f"{_how_to_end(record)}; or load Config(reattach=False), which leaves it alone"
                )
    except BaseException:
        client.leaving = True
        client.close()
        raise
    blocks = sum(answer["blocks"].values())
    _say(
        f"this is another life of run {name}, whose script left {answer['away']:.0f} s ago: {answer['running']} of its "
        f"calls run, {answer['calls'] - answer['running']} wait, {answer['ended']} have ended since; "
        f"{blocks} {'block is' if blocks == 1 else 'blocks are'} there"
    )
    return client


def knock(record: dict[str, Any], **words: Any) -> tuple[socket.socket, dict[str, Any]]:
    """Connect to a resident of this machine.

    Parameters
    ----------
    record : dict
        See :mod:`parsl_on_dask.linger.records`.
    **words
        ``pid`` of a script that comes back, or ``ask``.

    Returns
    -------
    (socket, dict)
        The connection, and what the resident says.

    Raises
    ------
    OSError, ValueError
        When nobody answers, or nobody that makes sense.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(ANSWER)
    try:
        connection.connect(record["socket"])
        connection.sendall(json.dumps({"token": record["token"], **words}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(_line(connection))
    except BaseException:
        connection.close()
        raise
    connection.settimeout(None)
    return connection, answer


def _line(connection: socket.socket) -> bytes:
    """A line, and nothing that comes after it."""
    line = b""
    while not line.endswith(b"\n"):
        part = connection.recv(1)
        if not part:
            raise OSError("it has closed the connection")
        line += part
    return line


def _start(config: Any, run_dir: str, linger: float, run: dict[str, Any]) -> ResidentClient:
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    client = ResidentClient(wire, run_dir, run)
    code = (
        f"import sys; sys.path.insert(0, {package_folder()!r}); "
        f"from parsl_on_dask.linger.resident import main; main({theirs.fileno()})"
    )
    with theirs, open(client.log, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    _started.append(process)
    memoizer = config.memoizer
    spec = {
        "run_dir": run_dir,
        "script": records.script(),
        "linger": linger,
        "run": run,
        "recording": _recording(memoizer, config, run_dir),
        "scaling": {name: getattr(config, name) for name in _SCALING},
        "override": cluster_override(),
        "sys_path": sys.path,
        "alias": alias.environment(),
    }
    answer: Future[Any] = CheckedFuture()
    client._asked[0] = answer
    client.begin()
    client.tell("start", os.getpid(), cloudpickle.dumps(spec))
    answer.result(START)
    return client


def _recording(memoizer: Any, config: Any, run_dir: str) -> tuple[str, bool, bool]:
    """Where the resident records, so that it is where the memoizer would, if that writes results as they come."""
    place = os.path.join(run_dir, "checkpoint")
    if isinstance(memoizer, BasicMemoizer) and memoizer.checkpoint_mode == "task_exit":
        return os.path.abspath(memoizer.directory or place), memoizer.durability == "sync", memoizer.parsl_layout
    return place, False, False
