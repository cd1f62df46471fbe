"""``run --detach``: a script that goes on when the terminal does not."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

from parsl_on_dask.common import overrides, run_records
from parsl_on_dask.common.processes_here import this_process
from parsl_on_dask.common.run_records import RunRecord
from parsl_on_dask.front_door import ends
from parsl_on_dask.front_door.cli import Invocation
from parsl_on_dask.front_door.keeper import command_of, keeper_command

#: The folder of the current directory in which logs are.
FOLDER = "runinfo"


def start(call: Invocation) -> int:
    """Start what a command line names in a session of its own, and say how to follow it. Returns an exit code."""
    try:
        record = new_record(call, kind="detached", keeper=this_process())
    except (OSError, ValueError) as e:
        print(f"parsl_on_dask: {getattr(e, 'strerror', None) or e}", file=sys.stderr)
        return 2
    path = run_records.path_of(record.name, record.folder)
    environment = {k: v for k, v in os.environ.items() if k not in (overrides.RUN, ends.TAG)}
    with open(record.log, "ab") as log:
        keeper = subprocess.Popen(
            keeper_command(path),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert keeper.stdout is not None
    keeper.stdout.read()  # until it says that the script runs, or has ended itself
    started = run_records.read(record.name, where=record.folder)
    if started is None or started.process is None:
        run_records.remove(record.name, where=record.folder)
        print(f"parsl_on_dask: {record.name} could not be started: {record.log} says why", file=sys.stderr)
        return 1
    tell(record, "runs without this terminal")
    return 0


def new_record(call: Invocation, **what: Any) -> RunRecord:
    """Make the record of a run, and its empty log.

    Raises OSError when there is no place for the log or the record. Raises ValueError when the name is taken, or is
    none.
    """
    if call.kind == "script" and not os.path.exists(call.target):
        raise ValueError(f"can't open file {call.target!r}: there is no such file in {os.getcwd()}")
    folder = os.path.abspath(FOLDER)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as e:
        text = f"no folder for the log can be made at {folder} ({e.strerror}): start it in a directory of yours"
        raise OSError(e.errno, text) from e
    record = run_records.create(
        call.name or "",
        stem=_stem(call),
        argv=command_of(list(call.words)),
        cwd=os.getcwd(),
        script=call.target if call.kind == "script" else f"-{call.kind[0]} {call.target}",
        **what,
    )
    log = os.path.join(folder, record.name + ".log")
    try:
        with suppress(FileNotFoundError):
            os.replace(log, log + ".1")  # of an earlier run of this name
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError:
        run_records.remove(record.name, where=record.folder)
        raise
    return run_records.update(record.name, where=record.folder, log=log)


def tell(record: RunRecord, how: str) -> None:
    """Say what a run is called, and how it is followed."""
    rows = {
        f"attach {record.name}": "shows its progress",
        f"logs -f {record.name}": "its output",
        f"wait {record.name}": "waits for its end",
        f"stop {record.name}": "ends it",
    }
    width = max(map(len, rows))
    lines = [f"  {ours()} {command:{width}}  {what}" for command, what in rows.items()]
    try:
        print("\n".join([f"{record.name} {how}; its output is in {os.path.relpath(record.log)}", *lines]), flush=True)
    except BrokenPipeError:  # whoever reads this has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def ours() -> str:
    """How this command was called."""
    called = os.path.basename(sys.argv[0])
    return called if called.startswith("parsl-on-dask") else "python -m parsl_on_dask"


def _stem(call: Invocation) -> str:
    if call.kind == "script":
        return os.path.splitext(os.path.basename(os.path.abspath(call.target)))[0]
    return call.target.rpartition(".")[2] if call.kind == "module" else "code"
