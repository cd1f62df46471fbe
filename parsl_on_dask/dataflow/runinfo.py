"""Logs what a run is at its start, and how it went at its end."""

from __future__ import annotations

import getpass
import logging
import os
import socket
import sys
from typing import Any

from parsl_on_dask import version
from parsl_on_dask.common.states import States
from parsl_on_dask.dataflow.parts import Run

logger = logging.getLogger("parsl.dataflow.dflow")


def log_start(kernel: Run) -> dict[str, Any]:
    """Log who runs what where, and return it."""
    info = {
        "python_version": ".".join(map(str, sys.version_info[:3])),
        "parsl_version": version.VERSION,
        "time_began": kernel.time_began,
        "run_id": kernel.run_id,
        "workflow_name": kernel.workflow_name,
        "workflow_version": kernel.workflow_version,
        "rundir": kernel.run_dir,
        "tasks_completed_count": 0,
        "tasks_failed_count": 0,
        "user": _user(),
        "host": socket.gethostname(),
    }
    _log(kernel, "startup", info)
    return info


def log_end(kernel: Run) -> None:
    """Log how the run went."""
    info = {
        "tasks_failed_count": kernel.task_state_counts[States.failed],
        "tasks_completed_count": kernel.task_state_counts[States.exec_done],
        "time_completed": kernel.time_completed,
        "run_id": kernel.run_id,
        "rundir": kernel.run_dir,
    }
    _log(kernel, "shutdown", info)


def _log(kernel: Run, when: str, info: dict[str, Any]) -> None:
    extra = {"parsl.dfk": kernel.run_id, **{f"parsl.workflow_info.{k}": v for k, v in info.items()}}
    logger.info("Workflow %s information: %r", when, info, extra=extra)


def workflow_name() -> str:
    """File name of the script, as far as there is one."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not os.path.abspath(name).startswith(here) and not name.startswith("<frozen"):
            return os.path.basename(name)
        frame = frame.f_back  # type: ignore[assignment]
    return "unnamed"


def type_name(thing: Any) -> str:
    """Module and name of an object's class, as a script spells them: what is ours has Parsl's names in logs."""
    module = type(thing).__module__
    ours = __name__.partition(".")[0]
    if module == ours or module.startswith(ours + "."):
        module = "parsl" + module[len(ours) :]
    return f"{module}.{type(thing).__name__}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry
        return str(os.getuid())
