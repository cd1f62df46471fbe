"""Arguments that HighThroughputExecutor had in earlier releases of Parsl."""

from __future__ import annotations

from typing import Any, NamedTuple

from parsl_on_dask.common.arguments import need, wrong_type
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.threads import check_managed
from parsl_on_dask.old_spellings.legacy import warn_once


class Translated(NamedTuple):
    """Arguments of today, with the old spellings put in."""

    max_workers_per_node: Any
    worker_port: Any


def removed_arguments(
    owner: str,
    *,
    max_workers_per_node: Any,
    worker_port: Any,
    max_workers: Any,
    worker_ports: Any,
    managed: Any,
    start_method: Any,
    suppress_failure: Any,
    enable_mpi_mode: Any,
    mpi_launcher: Any,
) -> Translated:
    """Report the old spellings that were given, and return what they mean today.

    Raises
    ------
    ConfigurationError
        When one has no meaning here, or contradicts today's spelling.
    """
    if max_workers is not None:
        warn_once("htex.max_workers", f"{owner}(max_workers=) is now max_workers_per_node=.")
        if max_workers_per_node is not None:
            raise ConfigurationError(
                f"{owner}: max_workers is the old name of max_workers_per_node. Write only the new one."
            )
        max_workers_per_node = max_workers
    if max_workers_per_node == float("inf"):
        max_workers_per_node = None
    if worker_ports is not None:
        warn_once("htex.worker_ports", f"{owner}(worker_ports=) is now worker_port=, a single port.")
        if not (isinstance(worker_ports, (tuple, list)) and len(worker_ports) == 2):
            raise wrong_type(owner, "worker_ports", worker_ports, "two ints", "Write worker_port=54321 instead.")
        worker_port = worker_ports[0] if worker_port is None else worker_port
    check_managed(owner, managed)
    if start_method is not None:
        warn_once("htex.start_method", f"{owner}(start_method=) is gone; leave it out.")
    if suppress_failure is not None:
        warn_once("htex.suppress_failure", f"{owner}(suppress_failure=) is gone; leave it out.")
    if enable_mpi_mode is not None:
        need(owner, "enable_mpi_mode", enable_mpi_mode, bool)
        if enable_mpi_mode:
            warn_once(
                "htex.enable_mpi_mode",
                f"{owner}(enable_mpi_mode=True) is now MPIExecutor(), with max_workers_per_block= in the place of "
                "max_workers_per_node=.",
            )
        else:
            warn_once("htex.enable_mpi_mode", f"{owner}(enable_mpi_mode=False) is what happens anyway; leave it out.")
    if mpi_launcher is not None and not enable_mpi_mode:
        warn_once("htex.mpi_launcher", f"{owner}(mpi_launcher=) belongs to MPIExecutor; leave it out.")
    return Translated(max_workers_per_node, worker_port)
