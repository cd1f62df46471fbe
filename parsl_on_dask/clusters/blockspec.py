"""What a node of a block is told, and what it makes of that.

:func:`node_spec` runs where the script runs, :func:`workers_of_node` on the node.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters.placement import describe_workers
from parsl_on_dask.clusters.startup import Start, first_file, places, start_command, start_files
from parsl_on_dask.clusters.supervisor import dask_config
from parsl_on_dask.executors.specifications import MEGABYTE, room
from parsl_on_dask.providers.walltimes import seconds
from parsl_on_dask.providers.worker_args import WorkerOptions
from parsl_on_dask.remote.jobend import DRAIN, JOB_END, SLURM_JOB_END
from parsl_on_dask.remote.sidefiles import write_private

if TYPE_CHECKING:
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor

logger = logging.getLogger("parsl.clusters.blockspec")

#: Seconds that a job is taken to have when its processes get SIGTERM: what batch systems give by default.
NOTICE = 30.0
#: Seconds for which a node looks for its scheduler, unless the site's settings say another number.
DEATH_TIMEOUT = 60.0


def node_spec(
    executor: HighThroughputExecutor,
    block: str,
    addresses: list[str],
    pems: dict[str, str] | None,
    shared: str,
    loopback: bool,
    scheduler: dict[str, Any] | None = None,
    config: str | None = None,
) -> dict[str, Any]:
    """What the nodes of a block are told.

    - `block`: its id.
    - `addresses`: where the scheduler is; empty when it runs in the first block and is looked up in ``shared``.
    - `pems`: certificates; None for no TLS.
    - `shared`: the block's directory, which its nodes and the submitting process see; ``""`` if there is none.
    - `loopback`: whether workers listen on loopback only.
    - `scheduler`: settings of the scheduler, if this block is the one to start it.
    - `config`: Dask's settings, as JSON. Default: those of this process.
    """
    from parsl_on_dask.importing import alias

    provider: Any = executor.provider
    if pems is not None and scheduler is None:  # the keys of others are no business of workers
        pems = {name: text for name, text in pems.items() if name.startswith(("tls_ca", "tls_worker"))}
    site = site_of(provider)
    options = site("worker") or WorkerOptions()
    drain_period = getattr(executor, "drain_period", None)
    return {
        "addresses": addresses,
        "scheduler": scheduler,
        "security": pems,
        **places(),
        "config": json.dumps(dask_config(None), default=str) if config is None else config,
        "alias": alias.environment(),
        "shared": shared,
        "logs": os.path.join(executor.worker_logdir, f"block-{block}"),
        "host": "127.0.0.1" if loopback else None,
        "interface": site("interface"),
        "local_directory": site("local_directory"),
        "death_timeout": site("death_timeout") or DEATH_TIMEOUT,
        "walltime": job_seconds(provider),
        "job_end": provider.allocation_end() if hasattr(provider, "allocation_end") else None,
        "notice": NOTICE,
        "ranks": getattr(getattr(provider, "launcher", None), "several_nodes", False),
        "drain_period": options.lifetime if drain_period is None else drain_period,
        "drain_stagger": options.stagger if drain_period is None else 0.0,
        "preload": [list(options.preload), list(options.preload_argv)],
        "offered": offered(provider),
        "label": executor.label,
        "block": block,
        "cores_per_worker": executor.cores_per_worker,
        "mem_per_worker": executor.mem_per_worker,
        "max_workers_per_node": None if executor.max_workers_per_node == math.inf else executor.max_workers_per_node,
        "accelerators": executor.available_accelerators,
        "cpu_affinity": executor.cpu_affinity,
        "worker_debug": executor.worker_debug,
        "memory_limit": memory_limit(executor),
    }


def memory_limit(executor: Any) -> int:
    """Bytes that a worker may have; 0 for no limit."""
    return int((executor.memory_limit or 0) * MEGABYTE)


def site_of(provider: Any) -> Any:
    """A function that looks a setting of the provider's site up; None where it has none."""
    site = getattr(provider, "site", None)
    return lambda name: getattr(site, name, None)


def python_of(executor: HighThroughputExecutor) -> str | None:
    """The Python that the user has named for the workers: the executor's, else the provider's or its site's."""
    named: str | None = getattr(executor, "python", None) or site_of(executor.provider)("python")
    return named


def write_start_files(executor: HighThroughputExecutor, folder: str, start: Start) -> None:
    """Write the files that nodes start with to a folder."""
    for path, text in start_files(folder, start, python_of(executor)).items():
        write_private(path, text)


def node_command(executor: HighThroughputExecutor, folder: str, orders: str) -> str:
    """The shell command that starts a node with the files in a folder, and gives it its orders."""
    python = python_of(executor)
    return prefixed(executor, start_command(python, first_file(folder, python), orders))


def prefixed(executor: HighThroughputExecutor, command: str) -> str:
    """A command that starts a node, behind what a HighThroughputExecutor's ``launch_cmd`` has in front."""
    return f"{getattr(executor, 'launch_prefix', '')} {command}".lstrip()


def offered(provider: Any) -> tuple[dict[str, float], int]:
    """Dask's abstract resources that a worker offers by the site's settings, and how many workers of a node do.

    These are as many as dask-jobqueue would start on a node, so that a node offers what it would offer there.
    """
    site = site_of(provider)
    resources = getattr(site("worker"), "resources", None)
    if not resources:
        return {}, 0
    from distributed.deploy.utils import nprocesses_nthreads

    return dict(resources), site("worker").processes or site("processes") or nprocesses_nthreads(site("cores") or 1)[0]


def job_seconds(provider: Any) -> float | None:
    """How long a provider's jobs may run, in seconds; None when that has no end, or cannot be known."""
    if hasattr(provider, "walltime_seconds"):
        found: float | None = provider.walltime_seconds
        return found
    return seconds(getattr(provider, "walltime", None))


def warn_of_idle_nodes(executor: HighThroughputExecutor) -> None:
    """Say so where a block has nodes on which its launcher starts nothing."""
    from parsl_on_dask.launchers.launchers import SimpleLauncher, SingleNodeLauncher

    nodes = int(getattr(executor.provider, "nodes_per_block", 1))
    launcher = type(getattr(executor.provider, "launcher", None))
    if (
        nodes > 1
        and not getattr(executor, "enable_mpi_mode", False)
        and launcher in (SimpleLauncher, SingleNodeLauncher)
    ):
        logger.warning(
            "Executor %s: %s starts all workers on one of the %d nodes per block; use SrunLauncher, MpiExecLauncher or "
            "another launcher that reaches all of them, or MPIExecutor for MPI programs",
            executor.label,
            launcher.__name__,
            nodes,
        )


def job_end(spec: dict[str, Any], environment: Any) -> float | None:
    """When the job ends that this process is in, in seconds since 1970; None when nobody knows.

    Examples
    --------
    >>> job_end({"began": 1000.0, "walltime": 600.0}, {})
    1600.0
    >>> job_end({"began": 1000.0, "walltime": None}, {"SLURM_JOB_END_TIME": "1500"})
    1500.0
    """
    if spec.get("job_end"):  # it was asked for just now
        return float(spec["job_end"])
    known = environment.get(SLURM_JOB_END, "")
    if known.isdigit():
        return float(known)
    end: float | None = spec["began"] + spec["walltime"] if spec["walltime"] else None
    return end


def drain_time(spec: dict[str, Any]) -> float | None:
    """From when on the workers of this node are to take no more calls, in seconds since 1970."""
    at: float | None = spec["began"] + spec["drain_period"] if spec["drain_period"] else None
    return at


def workers_of_node(spec: dict[str, Any], node: str, logs: str) -> list[dict[str, Any]]:
    """The settings of each worker of this node.

    - `spec`: what the node was told.
    - `node`: its id.
    - `logs`: directory for the workers' logs.

    Raises SystemExit when there is room for none, with a text that says why.
    """
    import psutil

    cores = int(os.environ.get("PARSL_CORES") or os.cpu_count() or 1)
    memory = float(os.environ.get("PARSL_MEMORY_GB") or psutil.virtual_memory().available / 2**30)
    count = int(room(spec, cores, memory))
    if count < 1:
        raise SystemExit(
            f"parsl_on_dask: a node with {cores} cores and {memory:.1f} GB has no room for a worker with "
            f"cores_per_worker={spec['cores_per_worker']:g}, mem_per_worker={spec['mem_per_worker']}"
        )
    end, drain = job_end(spec, os.environ), drain_time(spec)
    resources, offering = spec["offered"]
    made = describe_workers(spec, count, prefix=f"{spec['label']}-block{spec['block']}-{node}", pool_id=node, logs=logs)
    for rank, worker in enumerate(made):
        # of workers that leave at the same time all calls would have to go elsewhere at once
        leaves = None if drain is None else drain + random.uniform(-spec["drain_stagger"], spec["drain_stagger"])
        worker["env"].update({name: f"{at:.0f}" for name, at in ((JOB_END, end), (DRAIN, leaves)) if at is not None})
        worker["resources"] = resources if rank < offering else None
    return made


def spec_text(spec: dict[str, Any]) -> str:
    """The spec as one line."""
    return json.dumps(spec, default=str)
