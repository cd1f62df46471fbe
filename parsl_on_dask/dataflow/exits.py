"""Cleans kernels up that are still there when the interpreter exits."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any

from parsl_on_dask.dataflow.parts import Run
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.python_internals.exits import at_exit
from parsl_on_dask.python_internals.futures import error_of

logger = logging.getLogger("parsl.dataflow.dflow")

_strong: dict[int, tuple[Run, bool, int]] = {}


def watch(kernel: Run, clean_up: bool) -> None:
    """Remember a kernel that is to be cleaned up at exit, or, if not, complained about."""
    if not _strong:
        _register()
    _strong[id(kernel)] = (kernel, clean_up, os.getpid())


def forget(kernel: Run) -> None:
    """A kernel was cleaned up."""
    _strong.pop(id(kernel), None)


#: What to say about calls of apps that come after the end; empty before it.
_too_late = ""


def too_late() -> str:
    """Why there is no kernel any more; empty as long as the interpreter has not cleaned one up at its exit."""
    return _too_late


@cache
def _register() -> None:
    at_exit(_clean_up)


def _clean_up() -> None:
    global _too_late
    interrupt: KeyboardInterrupt | None = None
    for kernel, clean_up, pid in list(_strong.values()):
        if pid != os.getpid():  # a forked child: the kernel is its parent's
            continue
        if clean_up:
            logger.info("Cleaning up the kernel at interpreter exit")
            _too_late = (
                "the script has ended, and its kernel was cleaned up: functions of atexit run after that. Call the app "
                "before the last line of the script, or at the end of a `with parsl.load(config):` block"
            )
            if kernel.resident is not None and _has_crashed():
                kernel.resident.stay()
            unfinished = _unfinished(kernel)
            try:
                kernel.cleanup()
            except Exception:
                logger.exception("Clean-up at interpreter exit failed")
            except KeyboardInterrupt as e:  # the other kernels are to be cleaned up, too
                interrupt = e
            _tell(unfinished)
        else:
            logger.warning(
                "the interpreter exits and the kernel was not cleaned up: load() was told disable_cleanup=True, "
                "so call dfk.cleanup() or parsl.clear()"
            )
    if interrupt is not None:
        raise interrupt


def _has_crashed() -> bool:
    """Whether the script ends as one that will be started again: by an exception, or with a notebook's kernel."""
    kind = getattr(sys, "last_type", None)
    if kind is not None and issubclass(kind, Exception):
        return True
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _unfinished(kernel: Run) -> list[tuple[str, Future[Any]]]:
    """Apps and futures of the tasks that are not done."""
    futures = [(r.func_name, getattr(r, "app_fu", None)) for r in list(kernel.tasks.values())]  # done: no future
    return [(app, future) for app, future in futures if future is not None and not future.done()]


def _tell(unfinished: Sequence[tuple[str, Future[Any]]]) -> None:
    """Say on stderr how many tasks were given up, since the script that forgot to wait sees nothing of it otherwise."""
    apps = Counter(app for app, future in unfinished if isinstance(error_of(future), ExecutorError))
    # after an error or Ctrl-C nobody expects them to be done
    if not apps or getattr(sys, "last_type", None) is not None:
        return
    count = sum(apps.values())
    named = ", ".join(f"{n} of app {name!r}" for name, n in apps.most_common(5)) + (", ..." if len(apps) > 5 else "")
    print(
        f"parsl: the script ended before {count} of its tasks {'was' if count == 1 else 'were'} done ({named}), and "
        f"{'it was' if count == 1 else 'they were'} given up. Wait for them with future.result(), or with "
        "parsl.wait_for_current_tasks().",
        file=sys.stderr,
    )
