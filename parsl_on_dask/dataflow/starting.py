"""Starts the parts of a kernel."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common import overrides, run_records
from parsl_on_dask.dataflow import runinfo
from parsl_on_dask.dataflow.memoization import BasicMemoizer, Memoizer
from parsl_on_dask.dataflow.parts import Run
from parsl_on_dask.importing.lazily import by_name

if TYPE_CHECKING:
    from parsl_on_dask.config import Config

logger = logging.getLogger("parsl.dataflow.dflow")


def memoizer_of(config: Config, resident: Any) -> Memoizer:
    """The memoizer of a Config, which uses what a resident has recorded, if there is one."""
    memoizer = config.memoizer or BasicMemoizer(
        checkpoint_files=config.checkpoint_files,
        checkpoint_mode=config.checkpoint_mode,
        checkpoint_period=config.checkpoint_period,
        memoize=config.app_cache is not False,
    )
    if resident is not None:
        resident.prepare(memoizer)
    return memoizer


def resident_of(kernel: Run, info: dict[str, Any]) -> Any:
    """The process that keeps executors when the script dies, a ``ResidentClient``; None where nothing lingers.

    A kernel that takes up what an earlier life of its script has left goes on with that run, for monitoring: by its
    ``info``, too.

    Raises ConfigurationError when an executor that is to stay cannot, or what an earlier life of the script has left
    does not fit.
    """
    config, everywhere = kernel.config, overrides.linger_override()
    if everywhere is None and config.linger is None and not any(getattr(e, "linger", None) for e in config.executors):
        return None
    linger = by_name("linger.reattach:seconds_of")(config, everywhere)
    if linger is None:
        return None
    run = {name: info[name] for name in ("run_id", "workflow_name", "workflow_version")}
    resident = by_name("linger.reattach:resident_for")(config, kernel.run_dir, linger, run)
    run_records.note_run_dirs(resident.run_dir, kernel.run_dir)
    info.update(resident.run)
    kernel.run_id = kernel.tasklog.run_id = resident.run["run_id"]
    return resident


def start_executor(kernel: Run, executor: Any) -> None:
    """Tell an executor about its run, and start it.

    Raises ExecutorError when it cannot be started.
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
    if kernel.resident is not None and by_name("linger.reattach:stays")(
        executor, by_name("linger.reattach:wish_of")(kernel.config, overrides.linger_override())
    ):
        executor.resident = kernel.resident
    executor.start()
    if kernel.monitoring is not None:
        kernel.monitoring.join(executor)
