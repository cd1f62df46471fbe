"""``python -m parsl_on_dask replay``: runs a call again that has failed."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

from parsl_on_dask.common.command_line import CommandParser
from parsl_on_dask.common.failed_calls import FOLDER, read, read_executors
from parsl_on_dask.lanes.failures import from_failure
from parsl_on_dask.remote.tracebacks import without_ours

#: Variables that belong to a process, not to the call.
_OWN = {"PWD", "OLDPWD", "SHLVL", "_", "COLUMNS", "LINES", "TERM", "PARSL_ON_DASK_WORKER"}


def main(args: Sequence[str]) -> int:
    """Run the command. Its exit code: 0 when the call succeeds now, 1 when it fails again, 2 when it cannot run."""
    parser = _parser()
    options = parser.parse_args(args)
    folder = os.path.join(options.run_dir, FOLDER)
    kept = _kept(folder)
    if not kept:
        parser.error(f"no failed calls are kept in {options.run_dir}")
    if options.task is None:
        for task in kept:
            header = read(folder, task)[0]
            first = next(iter(header["error"][2].splitlines()), "")
            print(f"{task}: app {header['app']}: {header['error'][1]}: {first}")
        return 0
    if options.task not in kept:
        parser.error(f"task {options.task} is not kept in {options.run_dir}; there are {', '.join(map(str, kept))}")
    header, call = read(folder, options.task)
    here = ".".join(map(str, sys.version_info[:2]))
    if not header["python"].startswith(here + "."):
        parser.error(f"the call ran on Python {header['python']}, this is {here}: use python{header['python']}")
    _prepare(header)
    try:
        function, arguments, keywords = pickle.loads(call)
    except Exception as e:
        parser.error(f"the call cannot be rebuilt here: {type(e).__name__}: {e}")
    executors = read_executors(folder) if options.executor else {}
    if options.executor and options.executor not in executors:
        there = ", ".join(sorted(executors)) or "none"
        parser.error(f"the run has no executor {options.executor!r} that could be kept; there are {there}")
    print(f"task {header['task']}: app {header['app']}, which failed with {header['error'][1]}", file=sys.stderr)
    try:
        if options.executor:
            value = _there(pickle.loads(executors[options.executor]), function, arguments, keywords)
        else:
            value = function(*arguments, **keywords)
    except BaseException as e:
        error = from_failure(e, header["app"])
        frames = without_ours(error)
        traceback.print_exception(error)
        if options.pdb and frames is not None:
            import pdb

            pdb.post_mortem(frames)
        return 1
    print(f"it succeeded this time: {value!r}")
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(
        "replay",
        description="Run a failed call again, with its arguments, in its directory and environment.",
    )
    parser.add_argument("run_dir", metavar="RUN_DIR", help="directory of the run, as runinfo/003")
    parser.add_argument("task", metavar="TASK", type=int, nargs="?", help="number of the task; if left out, list them")
    parser.add_argument("--pdb", action="store_true", help="stop in Python's debugger where it fails")
    parser.add_argument("--executor", metavar="LABEL", help="run it on this executor of the run, which is started anew")
    return parser


def _kept(folder: str) -> list[int]:
    try:
        return sorted(int(name.removesuffix(".call")) for name in os.listdir(folder) if name.endswith(".call"))
    except FileNotFoundError:
        return []


def _prepare(header: dict[str, Any]) -> None:
    """Take over the directory, the module path and the environment of a call."""
    changed = {
        name: value
        for name, value in header["environment"].items()
        if name not in _OWN and os.environ.get(name) != value
    }
    os.environ.update(changed)
    if changed:
        print(f"variables as they were: {', '.join(sorted(changed))}", file=sys.stderr)
    try:
        os.chdir(header["directory"])
    except OSError as e:
        print(f"its directory {header['directory']} is not there, so this one is used: {e}", file=sys.stderr)
    sys.path[:0] = [entry for entry in header["path"] if entry not in sys.path]


def _there(executor: Any, function: Any, args: Any, keywords: Any) -> Any:
    """Run the call on an executor."""
    from parsl_on_dask.config import Config
    from parsl_on_dask.dataflow.dflow import DataFlowKernel

    with tempfile.TemporaryDirectory(prefix="parsl-replay-") as folder:
        config = Config(executors=[executor], run_dir=folder, kept_failures=None)
        with DataFlowKernel(config) as kernel:
            return kernel.submit(function, app_args=args, app_kwargs=keywords).result()
