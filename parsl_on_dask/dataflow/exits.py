"""Clean-up when the interpreter exits without one."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parsl_on_dask.dataflow.dflow import DataFlowKernel

logger = logging.getLogger("parsl.dataflow.dflow")

_strong: dict[int, tuple[DataFlowKernel, bool, int]] = {}


def watch(kernel: DataFlowKernel, clean_up: bool) -> None:
    """Remember a kernel that is to be cleaned up at exit, or, if not, complained about."""
    if not _strong:
        # threading's hook runs while threads can still be started and joined; atexit is too late for Dask
        _register(_at_exit)
    _strong[id(kernel)] = (kernel, clean_up, os.getpid())


def forget(kernel: DataFlowKernel) -> None:
    """A kernel was cleaned up."""
    _strong.pop(id(kernel), None)


_registered = False


def _register(function: object) -> None:
    global _registered
    if _registered:
        return
    _registered = True
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(function)
    else:
        atexit.register(function)  # type: ignore[arg-type]


def _at_exit() -> None:
    for kernel, clean_up, pid in list(_strong.values()):
        if pid != os.getpid():  # a forked child: the kernel is its parent's
            continue
        if clean_up:
            logger.info("Cleaning up the kernel at interpreter exit")
            try:
                kernel.cleanup()
            except Exception:
                logger.exception("Clean-up at interpreter exit failed")
        else:
            logger.warning(
                "the interpreter exits and the kernel was not cleaned up: load() was told disable_cleanup=True, "
                "so call dfk.cleanup() or parsl.clear()"
            )
