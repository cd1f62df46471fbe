"""Parsl's launchers. Where names, arguments and the commands they run come from: Parsl's ``parsl.launchers``.

All of them are pure functions from a command to shell text (bash). Those that hand the command to a starter on
several nodes write it to a file ``cmd_<job>.sh`` in the script directory first, or in the directory where the job runs
when the node has no script directory. Their texts use the environment variable ``JOBNAME``, which providers set (the
ones for ``srun`` use Slurm's own without it).
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.old_spellings.legacy import note_once, warn_once

logger = logging.getLogger("parsl.launchers.launchers")

_CORES_HERE = "export CORES=$(getconf _NPROCESSORS_ONLN)"
_CORES_SLURM = "export CORES=$SLURM_CPUS_ON_NODE\nexport NODES=$SLURM_JOB_NUM_NODES"
# Slurm's own name of the job is not that of the block when a user gives all jobs the same.
_SLURM_JOB = "${JOBNAME:-$SLURM_JOB_NAME}"


_PASS_ON = (
    r"child=\$! told=1 code=127",
    r"trap 'told=1; kill -TERM \$child 2>/dev/null' TERM USR1 USR2",
    # a signal ends a wait, and 127 is the answer to one too many
    r'while [ -n "\$told" ]; do told=; wait \$child; got=\$?; [ "\$got" -eq 127 ] || code=\$got; done',
    r"exit \$code",
)


def _script(*parts: str) -> str:
    return "\n".join(part for part in parts if part) + "\n"


def _in_script_dir(name: str) -> str:
    """Shell text for a file in the script directory, where there is one."""
    return f'"${{SCRIPT_DIR:+$SCRIPT_DIR/}}{name}"'


def command_file(command: str, script_dir: str, job: str, forward: bool = False) -> tuple[str, str]:
    """Shell text that writes ``command`` to a file, and the file's name in shell text.

    With ``forward`` the shell that runs the file passes a batch system's signals on to the command, as SIGTERM, and
    goes on waiting for it. Without, it would end, and with it, for a batch system, the task.
    """
    # The delimiter is not quoted, so variables in the command are replaced when the block's script runs,
    # as commands written for Parsl expect.
    path = _in_script_dir(f"cmd_{job}.sh")
    if forward and not command.rstrip().endswith(("&", ";")):
        command = _script(f"{command.rstrip()} &", *_PASS_ON).rstrip()
    text = _script(f"cat > {path} << COMMAND_OF_A_TASK", command, "COMMAND_OF_A_TASK", f"chmod a+x {path}")
    # where the directory of the submitting machine is not, there is none
    return _script(f'SCRIPT_DIR="{script_dir}"', '[[ -d $SCRIPT_DIR ]] || SCRIPT_DIR=""') + text, path


# Where batch systems say which nodes a job has, and how these are listed.
_NODES = {
    "PBS_NODEFILE": 'cat "$PBS_NODEFILE"',
    "SLURM_JOB_NODELIST": 'scontrol show hostnames "$SLURM_JOB_NODELIST"',
    "LSB_DJOB_HOSTFILE": 'cat "$LSB_DJOB_HOSTFILE"',
    "PE_HOSTFILE": 'cut -d " " -f 1 "$PE_HOSTFILE"',
    "OAR_NODEFILE": 'cat "$OAR_NODEFILE"',
}


_NODE_FILE = _in_script_dir("$JOBNAME.nodes")


def _node_list(path: str) -> str:
    """Shell text that writes the block's nodes, each once, to a file."""
    lines: list[str] = []
    for variable, command in _NODES.items():
        lines += [f'{"el" if lines else ""}if [ -n "${variable}" ]; then', f"    {command} | sort -u > {path}"]
    return _script(*lines, "else", f"    echo localhost > {path}", "fi")


class SimpleLauncher(Launcher):
    """Runs the command as it is, once, on the block's first node.

    Examples
    --------
    >>> SimpleLauncher()("dask worker", 1, 1)
    'dask worker'
    """

    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str = "") -> str:
        return command


class WrappedLauncher(Launcher):
    """Puts another command in front, for example one that enters a container.

    Parameters
    ----------
    prepend : str
        What stands in front.
    debug : bool
        Default True.

    Examples
    --------
    >>> WrappedLauncher("apptainer exec image.sif")("dask worker", 1, 1)
    'apptainer exec image.sif dask worker'
    """

    def __init__(self, prepend: str, debug: bool = True) -> None:
        super().__init__(debug=debug)
        self.prepend = prepend

    def __call__(
        self,
        command: str,
        tasks_per_node: int,
        nodes_per_block: int,
        script_dir: str = "",
        *,
        debug: bool | None = None,
    ) -> str:
        if debug is not None:
            note_once("WrappedLauncher.debug", "WrappedLauncher()(debug=) has no effect: it reports no progress")
        for name, number in (("tasks per node", tasks_per_node), ("nodes per block", nodes_per_block)):
            if number > 1:
                logger.warning(
                    "WrappedLauncher starts the command once and ignores the number of %s (%d)", name, number
                )
        return f"{self.prepend} {command}"


class SingleNodeLauncher(Launcher):
    """Starts all copies of the command on the block's first node, and waits for them.

    Parameters
    ----------
    debug : bool
        Default True.
    fail_on_any : bool
        True: the block fails when one copy fails. False (default): when all copies fail.
    """

    def __init__(self, debug: bool = True, fail_on_any: bool = False) -> None:
        super().__init__(debug=debug)
        self.fail_on_any = fail_on_any

    def __call__(
        self,
        command: str,
        tasks_per_node: int,
        nodes_per_block: int,
        script_dir: str = "",
        *,
        fail_on_any: bool | None = None,
    ) -> str:
        count = tasks_per_node * nodes_per_block
        if fail_on_any is not None:
            warn_once(
                "SingleNodeLauncher.fail_on_any",
                "SingleNodeLauncher()(fail_on_any=) is an argument of the constructor now.",
            )
        strict = self.fail_on_any if fail_on_any is None else fail_on_any
        failed = '[ "$failures" -eq 0 ]' if strict else f'[ "$failures" -lt {count} ]'
        return _script(
            _CORES_HERE,
            'echo "Found cores: $CORES"' if self.debug else "",
            f"WORKERCOUNT={count}",
            "CMD() {",
            command,
            "}",
            "pids=()",
            f"for COUNT in $(seq 1 {count}); do",
            '    echo "Launching worker: $COUNT"' if self.debug else "",
            '    CMD "$COUNT" &',
            '    pids+=("$!")',
            "done",
            "failures=0",
            'for pid in "${pids[@]}"; do',
            '    wait "$pid" || failures=$((failures + 1))',
            "done",
            'echo "All workers done, $failures failed"' if self.debug else "",
            failed,
        )


#: Said of each launcher that takes nothing else.
_PARAMETERS = """\
    Parameters
    ----------
    debug : bool
        Let the text report its progress on stdout. Default True.
    overrides : str
        More options for the program that starts the command. Default none.
    """


class _CommandFileLauncher(Launcher):
    """Base of those that write the command to a file, and have a starter run that on the nodes."""

    several_nodes = True
    #: lines that find out what there is, and what is said about it
    _finds: ClassVar[tuple[str, ...]] = (_CORES_HERE,)
    _found: ClassVar[str] = "Found cores: $CORES"
    _said_at_the_end: ClassVar[str] = "Done"
    #: the job's name in shell text; whether signals are passed on; whether the starter reads a list of nodes
    _job: ClassVar[str] = "$JOBNAME"
    _forward: ClassVar[bool] = False
    _lists_nodes: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" not in vars(cls):
            cls.__doc__ = f"{(cls.__doc__ or '').rstrip()}\n\n{_PARAMETERS}"

    def __init__(self, debug: bool = True, overrides: str = "") -> None:
        super().__init__(debug=debug)
        self.overrides = overrides

    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str = "") -> str:
        count = tasks_per_node * nodes_per_block
        write, path = command_file(command, script_dir, self._job, self._forward)
        return _script(
            "set -e",
            *self._finds,
            f'echo "{self._found}"' if self.debug and self._found else "",
            f"WORKERCOUNT={count}",
            write.rstrip(),
            _node_list(_NODE_FILE).rstrip() if self._lists_nodes else "",
            *self._start(count, tasks_per_node, path),
            f'echo "{self._said_at_the_end}"' if self.debug else "",
        )

    @abstractmethod
    def _start(self, count: int, per_node: int, path: str) -> Sequence[str]:
        """Shell lines that run the file at ``path`` so often."""


class GnuParallelLauncher(_CommandFileLauncher):
    """Starts the command on every node with GNU parallel over ssh.

    GNU parallel has to be on the PATH, and ssh between the nodes must ask no password. The nodes are those in
    ``$PBS_NODEFILE``, or what Slurm, LSF, Grid Engine or OAR say; only this machine without.
    """

    _lists_nodes = True
    _said_at_the_end = "All workers done"

    def __init__(self, debug: bool = True) -> None:
        super().__init__(debug)

    def _start(self, count: int, per_node: int, path: str) -> Sequence[str]:
        jobs, log = (_in_script_dir(f"$JOBNAME.{end}") for end in ("parallel", "sh.parallel.log"))
        return (
            f": > {jobs}",
            f"for COUNT in $(seq 1 {count}); do",
            f"    echo sh {path} >> {jobs}",
            "done",
            f"parallel --env _ --joblog {log} --sshloginfile {_NODE_FILE} --jobs {per_node} < {jobs}",
        )


class MpiExecLauncher(_CommandFileLauncher):
    """Starts the command on every node with ``mpiexec`` and a host file.

    The nodes are those in ``$PBS_NODEFILE``, or what Slurm, LSF, Grid Engine or OAR say; only this machine without.

    Parameters
    ----------
    debug : bool
        Default True.
    bind_cmd : str
        mpiexec's option for binding, which is given the value ``none``. Default ``"--bind-to"``
        (``"--cpu-bind"`` for MPICH and Cray).
    overrides : str
        More options for mpiexec.
    """

    _lists_nodes = True
    _said_at_the_end = "All workers done"

    def __init__(self, debug: bool = True, bind_cmd: str = "--bind-to", overrides: str = "") -> None:
        super().__init__(debug, overrides)
        self.bind_cmd = bind_cmd

    def _start(self, count: int, per_node: int, path: str) -> Sequence[str]:
        options = f"{self.bind_cmd} none {self.overrides} -n {count} --hostfile {_NODE_FILE}"
        return (f"mpiexec {options} /usr/bin/sh {path}",)


class MpiRunLauncher(_CommandFileLauncher):
    """Starts the command on every node with ``mpirun``.

    Parameters
    ----------
    debug : bool
        Default True.
    bash_location : str
        The shell that runs the command. Default ``"/bin/bash"``.
    overrides : str
        More options for mpirun.
    """

    _said_at_the_end = "All workers done"

    def __init__(self, debug: bool = True, bash_location: str = "/bin/bash", overrides: str = "") -> None:
        super().__init__(debug, overrides)
        self.bash_location = bash_location

    def _start(self, count: int, per_node: int, path: str) -> Sequence[str]:
        return (f"mpirun -np {count} {self.overrides} {self.bash_location} {path}",)


class SrunLauncher(_CommandFileLauncher):
    """Starts the command on every node of a Slurm job with one ``srun``."""

    _finds = (_CORES_SLURM,)
    _found = "Found cores: $CORES, nodes: $NODES"
    _job = _SLURM_JOB
    _forward = True

    def _start(self, count: int, per_node: int, path: str) -> Sequence[str]:
        return (f"srun --ntasks {count} -l {self.overrides} bash {path}",)


class SrunMPILauncher(_CommandFileLauncher):
    """Starts one ``srun`` for each copy of the command, so that each can run MPI programs of its own.

    With more copies than nodes each srun gets an equal share of the block's cores, else an equal share of its nodes.
    """

    # tasks for one process each: the job's number of CPUs for a task would not fit in often enough
    _finds = (_CORES_SLURM, "unset SRUN_CPUS_PER_TASK")
    _found = "Found cores: $CORES, nodes: $NODES"
    _job = _SLURM_JOB

    def _start(self, count: int, per_node: int, path: str) -> Sequence[str]:
        return (
            f'if [ {count} -gt "$NODES" ]; then',
            f'    share="--ntasks $((NODES * CORES / {count}))" each=0',
            # tasks of one core each, whatever the job's tasks have
            "    unset SRUN_CPUS_PER_TASK",
            "else",
            f"    each=$((NODES / {count}))",
            # Without a number of tasks each srun would start those of the whole job, and without a place
            # all of them on the first node when it has cores enough.
            '    share="--exclusive --nodes $each --ntasks $each"',
            "fi",
            'echo "Each of the $WORKERCOUNT task blocks gets $share"' if self.debug else "",
            f"for COUNT in $(seq 1 {count}); do",
            '    place=""',
            '    [ "$each" -eq 0 ] || place="--relative $(((COUNT - 1) * each))"',
            f"    srun $share $place -l {self.overrides} bash {path} &",
            "done",
            "wait",
        )


class AprunLauncher(_CommandFileLauncher):
    """Starts the command on every node with Cray's ``aprun``."""

    _finds = ()
    _found = ""

    def _start(self, count: int, per_node: int, path: str) -> Sequence[str]:
        return (f"aprun -n {count} -N {per_node} {self.overrides} /bin/bash {path} &", "wait")


class JsrunLauncher(_CommandFileLauncher):
    """Starts the command on every node with IBM's ``jsrun``."""

    _finds = ()
    _found = ""

    def _start(self, count: int, per_node: int, path: str) -> Sequence[str]:
        return (f"jsrun -n {count} -r {per_node} {self.overrides} /bin/bash {path} &", "wait")
