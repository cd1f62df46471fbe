"""Arguments that HighThroughputExecutor had in earlier releases of Parsl."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.common.arguments import need, wrong_type
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.threads import check_managed
from parsl_on_dask.old_spellings.legacy import warn_once

#: What is said of each, in its order.
_TEXTS = {
    "max_workers": "(max_workers=) is now max_workers_per_node=.",
    "worker_ports": "(worker_ports=) is now worker_port=, a single port.",
    "start_method": "(start_method=) is gone; leave it out.",
    "suppress_failure": "(suppress_failure=) is gone; leave it out.",
    "mpi_launcher": "(mpi_launcher=) belongs to MPIExecutor; leave it out.",
}
_MPI_MODE = {
    True: "(enable_mpi_mode=True) is now MPIExecutor(), with max_workers_per_block= in place of max_workers_per_node=.",
    False: "(enable_mpi_mode=False) is what happens anyway; leave it out.",
}


def removed_arguments(owner: str, arguments: dict[str, Any]) -> None:
    """Report the old spellings that were given, and put what they mean in the place of today's arguments.

    Raises ConfigurationError when one has no meaning here, or contradicts today's spelling.
    """
    mpi_mode = arguments["enable_mpi_mode"]
    for name, text in _TEXTS.items():
        if arguments[name] is not None and not (name == "mpi_launcher" and mpi_mode):
            warn_once(f"htex.{name}", owner + text)
    if arguments["max_workers"] is not None:
        if arguments["max_workers_per_node"] is not None:
            raise ConfigurationError(
                f"{owner}: max_workers is the old name of max_workers_per_node. Write only the new one."
            )
        arguments["max_workers_per_node"] = arguments["max_workers"]
    if arguments["max_workers_per_node"] == float("inf"):
        arguments["max_workers_per_node"] = None
    ports = arguments["worker_ports"]
    if ports is not None:
        if not (isinstance(ports, (tuple, list)) and len(ports) == 2):
            raise wrong_type(owner, "worker_ports", ports, "two ints", "Write worker_port=54321 instead.")
        arguments["worker_port"] = ports[0] if arguments["worker_port"] is None else arguments["worker_port"]
    check_managed(owner, arguments["managed"])
    if mpi_mode is not None:
        need(owner, "enable_mpi_mode", mpi_mode, bool)
        warn_once("htex.enable_mpi_mode", owner + _MPI_MODE[mpi_mode])
