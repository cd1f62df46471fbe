"""The nodes of the batch job that a script runs in, for ``DaskExecutor(hosts="allocation")``."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

from parsl_on_dask.clusters.hosts import OPTIONS, HostSite
from parsl_on_dask.common.arguments import need_number, wrong_value
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.high_throughput.mpi_prefix_composer import (
    compose_aprun_launch_cmd,
    compose_mpiexec_launch_cmd,
    compose_open_mpi,
)
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.launchers.launchers import command_file
from parsl_on_dask.providers.allocation import ALLOCATION, SHARES, Allocation, allocation_here
from parsl_on_dask.providers.local_provider import LocalProvider
from parsl_on_dask.remote.nodes import is_open_mpi, mpiexec_version

HOW = "Start the script in one (sbatch, salloc, qsub, bsub, flux batch), or name the machines: hosts=['node1', 'node2']"


class StartCommand(NamedTuple):
    """How a command is started on nodes.

    Attributes
    ----------
    text : str
        Shell text, behind which the command comes, as words.
    carries : bool
        Whether the environment goes there with it.
    """

    text: str
    carries: bool = True


class NodesLauncher(Launcher):
    """Starts the command once on each of some nodes, with the program that the batch system has for that."""

    several_nodes = True

    def __init__(self, start: StartCommand) -> None:
        super().__init__()
        self.start = start

    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str = "") -> str:
        # of the CPUs of a node a job may have some
        cores = "export PARSL_CORES=\\${PARSL_CORES:-\\${SLURM_CPUS_ON_NODE:-\\${NCPUS:-}}}"
        before = (
            [] if self.start.carries else ['. "$SCRIPT_DIR/$JOBNAME.environment"', f"cd {shlex.quote(os.getcwd())}"]
        )
        write, path = command_file("\n".join([*before, cores, command]), script_dir, "$JOBNAME")
        note = "" if self.start.carries else 'export -p > "$SCRIPT_DIR/$JOBNAME.environment"\n'
        return f"{write}{note}{self.start.text} /bin/bash {path}\n"


class AllocationProvider(LocalProvider):
    """Gives blocks of workers on the nodes of the Slurm, PBS, LSF, Flux, Grid Engine or OAR job that the script is in.

    One block with all nodes, unless ``nodes_per_block`` says otherwise; several blocks are on different nodes. The
    workers are started with ``srun``, ``flux exec``, ``jsrun`` or ``blaunch``, ``mpiexec``, ``aprun``, or SSH where
    there is none of them, and know when the job ends. Not in Parsl.

    Parameters
    ----------
    nodes_per_block : int, optional
        Default: all nodes of the job.
    launcher : Launcher, optional
        One to use instead of what the system has.
    init_blocks, min_blocks, max_blocks : int, optional
        Blocks at the start (default: as many as there are nodes for), at the least when idle (0), at the most (as many
        as there are nodes for).
    worker_init : str
        Shell text that runs on the script's node before the workers start.
    cmd_timeout : float
        Seconds that the processes of a block have to end after they are told to. Default 30.
    parallelism : float
        Worker slots wanted for each waiting task. Default 1.
    python : str, optional
        Path of the workers' Python. Default: the script's.
    interface : str, optional
        Network interface that script and workers use, for example ``"ib0"``.
    local_directory : str, optional
        Where workers put temporary files. Default: the system's place.

    Raises
    ------
    ConfigurationError
        When a number is out of range, or the job has fewer nodes. That there is no job is an error when the executor
        starts.

    Examples
    --------
    >>> AllocationProvider(nodes_per_block=2).nodes_per_block
    2
    """

    def __init__(
        self,
        *,
        nodes_per_block: int | None = None,
        launcher: Launcher | None = None,
        init_blocks: int | None = None,
        min_blocks: int = 0,
        max_blocks: int | None = None,
        worker_init: str = "",
        cmd_timeout: float = 30,
        parallelism: float = 1,
        python: str | None = None,
        interface: str | None = None,
        local_directory: str | None = None,
    ) -> None:
        owner = type(self).__name__
        need_number(owner, "nodes_per_block", nodes_per_block, at_least=1, optional=True, example="1")
        try:
            self.found = allocation_here()
        except (OSError, ValueError):
            self.found = None  # told by enter()
        there = len(self.found.nodes) if self.found is not None else nodes_per_block or 1
        each = nodes_per_block or there
        if each > there:
            raise wrong_value(owner, "nodes_per_block", nodes_per_block, f"this is {self.found}.")
        most = there // each if max_blocks is None else max_blocks
        super().__init__(
            nodes_per_block=each,
            launcher=launcher or NodesLauncher(StartCommand("")),
            init_blocks=min(there // each, most) if init_blocks is None else init_blocks,
            min_blocks=min_blocks,
            max_blocks=most,
            worker_init=worker_init,
            cmd_timeout=cmd_timeout,
            parallelism=parallelism,
        )
        self.python = python
        self.interface = interface
        self.local_directory = local_directory

    @property
    def label(self) -> str:
        """Always ``"allocation"``."""
        return ALLOCATION

    @property
    def site(self) -> HostSite:
        """What the nodes are like, as far as it was said."""
        return HostSite(self.python, self.interface, self.local_directory)

    @property
    def reaches_others(self) -> bool:
        return True

    def enter(self) -> None:
        """Raise unless the script is in a batch job whose nodes are known.

        Raises
        ------
        ConfigurationError
        """
        try:
            found = allocation_here()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"hosts={ALLOCATION!r}: the job's nodes cannot be found out: {error}") from error
        if found is None:
            raise ConfigurationError(f"hosts={ALLOCATION!r}: this script is not in a job of a batch system. {HOW}")
        self.found = found

    def start(self) -> str:
        """What starts the workers of the first block."""
        if self.found is None:
            return "what the batch system has for it"
        launcher = self._launcher_for(self.found.nodes[: self.nodes_per_block])
        return launcher.start.text if isinstance(launcher, NodesLauncher) else repr(launcher)

    def _share(self) -> list[str]:
        return SHARES.take(self.found.nodes, self.nodes_per_block) if self.found is not None else []

    def _for_launcher(self, path: str, nodes: list[str]) -> list[str]:
        return [] if isinstance(self.launcher, NodesLauncher) else super()._for_launcher(path, nodes)

    def _launcher_for(self, nodes: list[str]) -> Any:
        if self.found is None or not isinstance(self.launcher, NodesLauncher):
            return self.launcher
        return NodesLauncher(start_on(self.found, nodes))


def start_on(found: Allocation, nodes: Sequence[str]) -> StartCommand:
    """How a command is started once on each of some nodes of a job."""
    count = len(nodes)
    one_each = {"num_nodes": count, "ranks_per_node": 1}
    if found.system == "Slurm":
        each = f"--nodes={count} --ntasks={count} --ntasks-per-node=1 --nodelist={','.join(nodes)}"
        return StartCommand(f"srun --overlap --whole --cpu-bind=none {each}")
    if found.system == "Flux" and not found.job:  # beside the instance's own jobs, which keep all cores of the nodes
        ranks = [str(found.nodes.index(node)) for node in nodes]
        return StartCommand(f"flux exec --noinput --rank={','.join(ranks)}")
    if found.system == "LSF" and shutil.which("jsrun"):
        return StartCommand(f"jsrun --nrs={count} --rs_per_host=1 --tasks_per_rs=1 --cpu_per_rs=ALL_CPUS --bind=none")
    if found.system == "LSF" and shutil.which("blaunch"):
        return StartCommand(f"blaunch -z {shlex.quote(' '.join(nodes))}")
    if shutil.which("mpiexec"):
        return _mpiexec(one_each, nodes)
    if shutil.which("aprun"):
        return StartCommand(compose_aprun_launch_cmd(one_each, nodes)[1])
    words = shlex.join(["ssh", "-tt", *OPTIONS])
    return StartCommand(
        f'_on() {{ for host in {" ".join(nodes)}; do {words} "$host" "$@" </dev/null & done; wait; }}; _on', False
    )


def _mpiexec(one_each: dict[str, int], nodes: Sequence[str]) -> StartCommand:
    version = mpiexec_version()
    if is_open_mpi(version):
        return StartCommand(
            compose_open_mpi({**one_each, "launcher_options": "--bind-to none"}, nodes)[1], carries=False
        )
    cray = re.search("pals|cray", f"{version} {os.path.realpath(shutil.which('mpiexec') or '')}", re.IGNORECASE)
    options = "--cpu-bind none" if cray else "-bind-to none"
    return StartCommand(compose_mpiexec_launch_cmd({**one_each, "launcher_options": options}, nodes)[1])
