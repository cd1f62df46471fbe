"""Starts the parts of a kernel."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from parsl_on_dask.dataflow import runinfo
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.dataflow.parts import Run

if TYPE_CHECKING:
    from parsl_on_dask.config import Config

logger = logging.getLogger("parsl.dataflow.dflow")


def memoizer_of(config: Config) -> BasicMemoizer:
    """The memoizer of a Config that names none."""
    return BasicMemoizer(
        checkpoint_files=config.checkpoint_files,
        checkpoint_mode=config.checkpoint_mode,
        checkpoint_period=config.checkpoint_period,
        memoize=config.app_cache is not False,
    )


def start_executor(kernel: Run, executor: Any) -> None:
    """Tell an executor about its run, and start it.

    Raises
    ------
    ExecutorError
        When it cannot be started.
    """
    kind = runinfo.type_name(executor)
    extra = {"parsl.executor.label": executor.label, "parsl.executor.type": kind}
    logger.info("Adding executor %s of type %s", executor.label, kind, extra=extra)
    executor.run_id = kernel.run_id
    executor.run_dir = kernel.run_dir
    executor.log_config = kernel.log_config
    if hasattr(executor, "provider") and hasattr(executor.provider, "script_dir"):
        executor.provider.script_dir = os.path.join(kernel.run_dir, "submit_scripts")
        os.makedirs(executor.provider.script_dir, exist_ok=True)
    if kernel.monitoring is not None:
        kernel.monitoring.prepare(executor)
    executor.start()
    if kernel.monitoring is not None:
        kernel.monitoring.join(executor)
