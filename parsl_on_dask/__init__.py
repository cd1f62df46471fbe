"""Parsl scripts on Dask: the Parsl API, with ``dask.distributed`` running the tasks.

``import parsl_on_dask as parsl`` is the changed import line of a Parsl script; ``python -m parsl_on_dask
script.py`` needs no change at all. Importing this package imports neither Dask nor distributed: that happens
when a Config is loaded.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from parsl_on_dask import version
from parsl_on_dask.importing.lazily import lazily

if TYPE_CHECKING:
    __version__: str

    from parsl_on_dask.app.app import App as App
    from parsl_on_dask.app.app import bash_app, join_app, python_app
    from parsl_on_dask.app.call_options import options
    from parsl_on_dask.check.plan import explain
    from parsl_on_dask.config import Config
    from parsl_on_dask.data_provider.files import File
    from parsl_on_dask.dataflow.dflow import DataFlowKernel
    from parsl_on_dask.dataflow.failed import failed
    from parsl_on_dask.dataflow.loader import DataFlowKernelLoader
    from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor
    from parsl_on_dask.front_door.ipython import load_ipython_extension as load_ipython_extension
    from parsl_on_dask.front_door.ipython import unload_ipython_extension as unload_ipython_extension
    from parsl_on_dask.importing.alias import install
    from parsl_on_dask.log_utils import set_file_logger, set_stream_logger
    from parsl_on_dask.monitoring.monitoring import MonitoringHub
    from parsl_on_dask.monitoring.progress import progress

    load = DataFlowKernelLoader.load
    clear = DataFlowKernelLoader.clear
    dfk = DataFlowKernelLoader.dfk
    wait_for_current_tasks = DataFlowKernelLoader.wait_for_current_tasks

__author__ = "The parsl_on_dask developers"

#: ``stdout=parsl.AUTO_LOGNAME`` gives each task's output a file of its own.
AUTO_LOGNAME = -1

# A script that attaches no handler should see nothing, as with any library
logging.getLogger("parsl").addHandler(logging.NullHandler())

_LOADER = "dataflow.loader:DataFlowKernelLoader"
_WHERE = {
    "App": "app.app:App",
    "Config": "config:Config",
    "DaskExecutor": "executors:DaskExecutor",
    "DataFlowKernel": "dataflow.dflow:DataFlowKernel",
    "DataFlowKernelLoader": _LOADER,
    "File": "data_provider.files:File",
    "ExtremeScaleExecutor": "executors:ExtremeScaleExecutor",
    "HighThroughputExecutor": "executors:HighThroughputExecutor",
    "IPyParallelExecutor": "executors:IPyParallelExecutor",
    "MonitoringHub": "monitoring.monitoring:MonitoringHub",
    "NullHandler": "old_spellings.legacy:NullHandler",
    "ThreadPoolExecutor": "executors:ThreadPoolExecutor",
    "WorkQueueExecutor": "executors:WorkQueueExecutor",
    "bash_app": "app.app:bash_app",
    "clear": f"{_LOADER}.clear",
    "dfk": f"{_LOADER}.dfk",
    "explain": "check.plan:explain",
    "install": "importing.alias:install",
    "join_app": "app.app:join_app",
    "load": f"{_LOADER}.load",
    "load_ipython_extension": "front_door.ipython:load_ipython_extension",
    "progress": "monitoring.progress:progress",
    "failed": "dataflow.failed:failed",
    "options": "app.call_options:options",
    "python_app": "app.app:python_app",
    "set_file_logger": "log_utils:set_file_logger",
    "set_stream_logger": "log_utils:set_stream_logger",
    "unload_ipython_extension": "front_door.ipython:unload_ipython_extension",
    "wait_for_current_tasks": f"{_LOADER}.wait_for_current_tasks",
}

__all__ = [
    "AUTO_LOGNAME",
    "Config",
    "DaskExecutor",
    "DataFlowKernel",
    "DataFlowKernelLoader",
    "File",
    "HighThroughputExecutor",
    "MonitoringHub",
    "ThreadPoolExecutor",
    "bash_app",
    "clear",
    "dfk",
    "explain",
    "failed",
    "install",
    "join_app",
    "load",
    "options",
    "progress",
    "python_app",
    "set_file_logger",
    "set_stream_logger",
    "wait_for_current_tasks",
]


_named, _names = lazily(__name__, _WHERE)


def __getattr__(name: str) -> Any:
    """Import a public name, or a submodule, when it is first asked for."""
    # not kept: it may change with the dialect
    return version.VERSION if name == "__version__" else _named(name)


def __dir__() -> list[str]:
    return sorted({*_names(), "__version__"})
