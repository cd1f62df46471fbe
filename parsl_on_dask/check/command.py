"""``python -m parsl_on_dask check FILE``: what a script, a notebook or a file with a Config becomes in Dask.

The file is run in a process of its own, as far as its first ``parsl.load()`` (:mod:`parsl_on_dask.check.trial`).
Wherever that is called, in a thread or in a child process too, all processes of the file end there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from parsl_on_dask.check.plan import ExecutorPlan, Plan, dialect_in_use
from parsl_on_dask.check.reading import read, units_of
from parsl_on_dask.common.command_line import CommandParser
from parsl_on_dask.common.overrides import CHECKING, cluster_override

#: Seconds that a file has until it loads a Config.
TIME_LIMIT = 120.0


def check(path: str | os.PathLike[str], arguments: Sequence[str] = (), *, time_limit: float = TIME_LIMIT) -> Plan:
    """Run a file as far as its first ``parsl.load()``, and tell what it becomes.

    That far its own statements have their effects. No app of it runs, and nothing is started. Of the rest its imports
    and the labels of its apps are looked at. Where a file cannot be run for reasons of its own, such as a module that
    is missing here, its further definitions and Configs are looked at all the same.

    - `path`: a script, a notebook, or a file that defines Configs, or functions without arguments that return them.
    - `arguments`: those of the script.
    - `time_limit`: seconds until a file that has not loaded a Config is ended. Default 120.
    """
    path = os.fspath(path)
    found, labels = _tried(path, arguments, time_limit)
    found.dialect = dialect_in_use()
    try:
        units = units_of(path)
    except (OSError, ValueError) as e:
        found.unseen = [str(e)]
        return found
    # an executor that was refused has a label, too
    text = read(units, [] if found.refused or found.unseen else labels)
    found.old += [line for line in text.old if line not in found.old]
    places = {line.split(": ")[0] for line in found.refused}
    found.refused += [line for line in text.refused if line.split(": ")[0] not in places]
    return found


def _tried(path: str, arguments: Sequence[str], time_limit: float) -> tuple[Plan, list[str]]:
    """Run a file in a process of its own. Returns what it found, and the labels of all executors."""
    import psutil

    override = cluster_override()
    order = {"path": path, "arguments": list(arguments), "cluster": asdict(override) if override else None}
    with tempfile.TemporaryDirectory(prefix="parsl-check-") as folder:
        report = os.path.join(folder, "report")
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        start = f"import sys; sys.path.append({package!r}); from parsl_on_dask.check import trial; trial.main()"
        process = subprocess.Popen(
            [sys.executable, "-c", start, json.dumps(order)],
            env={**os.environ, CHECKING: report},
            stdin=subprocess.DEVNULL,
        )
        ended = True
        try:
            process.wait(time_limit)
        except subprocess.TimeoutExpired:
            ended = False
        finally:
            if process.poll() is None:
                first = psutil.Process(process.pid)
                for one in [*first.children(recursive=True), first]:
                    try:
                        one.kill()
                    except psutil.Error:
                        pass
                process.wait()
        try:
            with open(report, encoding="utf-8") as file:
                written: dict[str, Any] = json.load(file)
        except FileNotFoundError:
            code = process.returncode
            if ended:
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                why = f"{path} ended with {how} before it loaded a Config"
            else:
                why = (
                    f"{path} had loaded no Config after {time_limit:g} seconds, and was ended. If it does much before "
                    "parsl.load(), write check --time-limit SECONDS"
                )
            return Plan(unseen=[why]), []
    labels = written.pop("labels")
    plans = [ExecutorPlan(**plan) for plan in written.pop("executors")]
    return Plan(executors=plans, **written), labels


def main(arguments: Sequence[str]) -> int:
    """Run the command ``check``; 0 when all could be looked at and nothing is refused, else 1."""
    parser = CommandParser(
        "check",
        description="Show what a script, a notebook, or a file with a Config becomes in Dask. The file runs up to its "
        "first parsl.load(); none of its apps runs.",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        default=TIME_LIMIT,
        metavar="SECONDS",
        help="end a file that has loaded no Config by then. Default: %(default)g",
    )
    parser.add_argument("file", help="the script, the notebook, or a Python file that defines a Config")
    rest = parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of the script")
    rest.required = False  # argparse says so of them, though there may be none
    options = parser.parse_args(list(arguments))
    if not os.path.isfile(options.file):
        parser.error(f"there is no file {options.file}")
    if not options.time_limit > 0:
        parser.error(f"--time-limit {options.time_limit:g}: write a number of seconds above 0")
    found = check(options.file, options.arguments, time_limit=options.time_limit)
    print(found)
    return 1 if found.refused or found.unseen else 0
