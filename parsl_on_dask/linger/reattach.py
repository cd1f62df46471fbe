"""Which resident a kernel gets: the one that an earlier life of the script has left, or a new one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from typing import Any

import cloudpickle

from parsl_on_dask.clusters.startup import package_folder
from parsl_on_dask.common import run_records
from parsl_on_dask.common.overrides import cluster_override
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.importing import alias
from parsl_on_dask.linger import records
from parsl_on_dask.linger.client import ANSWER, ResidentClient, say
from parsl_on_dask.linger.wire import Wire

#: Seconds for a resident to start.
START = 120.0
#: What a Config says about scaling.
_SCALING = ("strategy", "strategy_period", "max_idletime")

#: How many Configs of this process have had their resident.
_loaded = 0
#: Processes that were started and outlive this one, kept from complaining about that.
_started: list[subprocess.Popen[bytes]] = []


def seconds_of(config: Any, override: float | None) -> float | None:
    """For how long what a Config describes stays when its script dies; None when nothing does.

    Raises ConfigurationError when it cannot stay.
    """
    everywhere = wish_of(config, override)
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


def wish_of(config: Any, override: float | None) -> float | None:
    """For how long executors stay that say nothing themselves; the command line goes first."""
    linger: float | None = config.linger if override is None else override
    return linger


def stays(executor: Any, everywhere: float | None) -> bool:
    """Whether an executor is kept by a resident.

    Raises ConfigurationError when it was to be, and ends with the script.
    """
    if getattr(executor, "kind", "threads") == "threads" or not hasattr(executor, "linger"):
        return False
    if not (everywhere if executor.linger is None else executor.linger):
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

    - `linger`: seconds.
    - `run`: what monitoring calls this run; :attr:`ResidentClient.run` is what it was called in its first life.

    Raises ConfigurationError when there is one, and this script does not fit it. Raises ExecutorError when none can be
    started.
    """
    global _loaded
    script = records.script(_loaded)
    found = _found(config, os.path.dirname(run_dir), script, linger) or _start(config, run_dir, script, linger, run)
    _loaded += 1
    return found


def _found(config: Any, runs: str, script: list[str], linger: float) -> ResidentClient | None:
    for path, record in records.find(runs, script):
        name = os.path.relpath(path)
        if config.reattach is False:
            say(f"an earlier run of this script is still there, {name}, and is left alone; {_how_to_end(record)}")
            break
        found = _attached(config, path, record, linger)
        if found is not None:
            return found
    return None


def _how_to_end(record: dict[str, Any]) -> str:
    if not record["name"]:  # it has not noticed yet that its script is gone
        return f"`kill {record['process'][0]}` ends it"
    return f"`python -m parsl_on_dask stop {record['name']}` ends it"


def _attached(config: Any, path: str, record: dict[str, Any], linger: float) -> ResidentClient | None:
    name = os.path.relpath(path)
    if [record["host"], record["boot"]] != list(run_records.machine()):
        say(
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
        connection, answer = knock(record, pid=os.getpid(), linger=linger)
    except (OSError, ValueError):
        say(f"an earlier run of this script, {name}, does not answer. This one starts afresh; {_how_to_end(record)}")
        return None
    if not answer.get("welcome"):
        connection.close()
        if answer.get("refused") == "taken":
            since = time.strftime("%H:%M:%S", time.localtime(answer["since"]))
            say(
                f"an earlier run of this script, {name}, is in the hands of process {answer['pid']} since {since}. "
                "This one starts afresh"
            )
        else:
            say(f"an earlier run of this script, {name}, cannot be taken up: {answer.get('refused')}")
        return None
    client = ResidentClient(Wire(connection), path, answer["run"], linger, first=answer["first"])
    client.begin()
    try:
        for executor in config.executors:
            before, now = client.ask("description", executor.label), records.description(executor)
            if before is not None and before != now:
                had, has = records.differences(before, now)
                raise ConfigurationError(
                    f"an earlier run of this script, {name}, is still there, and its executor {executor.label!r} had "
                    f"{had}. Now it has {has}. Write it as it was; or {_how_to_end(record)}; or load "
                    "Config(reattach=False), which leaves it alone"
                )
    except BaseException:
        client.leaving = True
        client.close()
        raise
    blocks = sum(answer["blocks"].values())
    say(
        f"this is another life of run {name}, whose script left {answer['away']:.0f} s ago. Its calls: "
        f"{answer['running']} running, {answer['calls'] - answer['running']} waiting, {answer['ended']} ended since. "
        f"Its blocks: {blocks}"
    )
    others = sorted(answer["blocks"].keys() - {executor.label for executor in config.executors})
    if others:
        say(f"executors of that run which this Config does not have stay until the run ends: {', '.join(others)}")
    return client


def knock(record: dict[str, Any], **words: Any) -> tuple[socket.socket, dict[str, Any]]:
    """Connect to a resident of this machine.

    - `record`: see :mod:`parsl_on_dask.linger.records`.
    - `**words`: ``pid`` of a script that comes back and its ``linger``, or ``ask``.

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


def _start(config: Any, run_dir: str, script: list[str], linger: float, run: dict[str, Any]) -> ResidentClient:
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    client = ResidentClient(wire, run_dir, run, linger)
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
        "script": script,
        "linger": linger,
        "run": run,
        "recording": _recording(memoizer, run_dir),
        "scaling": {name: getattr(config, name) for name in _SCALING},
        "override": cluster_override(),
        "sys_path": sys.path,
        "alias": alias.environment(),
    }
    try:
        client.begin(("start", os.getpid(), cloudpickle.dumps(spec)), START)
    except BaseException:
        client.leaving = True
        client.close()
        raise
    return client


def _recording(memoizer: Any, run_dir: str) -> tuple[str, bool, bool]:
    """Where the resident records, so that it is where the memoizer would, if that writes results as they come."""
    place = os.path.join(run_dir, "checkpoint")
    if isinstance(memoizer, BasicMemoizer) and memoizer.checkpoint_mode == "task_exit":
        return os.path.abspath(memoizer.directory or place), memoizer.durability == "sync", memoizer.parsl_layout
    return place, False, False
