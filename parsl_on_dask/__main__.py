"""``python -m parsl_on_dask script.py``: run a Parsl script, unchanged, on Dask."""

from __future__ import annotations

import os
import sys

from parsl_on_dask.common import overrides
from parsl_on_dask.front_door import cli, cut_short, run_as_main
from parsl_on_dask.importing import alias
from parsl_on_dask.old_spellings import dialect

__all__ = ["main"]


def main() -> None:
    """Run the program that the command line names, with ``import parsl`` meaning this package.

    Raises
    ------
    SystemExit
        The program called ``sys.exit``; or the command line is wrong (code 2), which is explained.
    BaseException
        Whatever the program does not catch.
    """
    overrides.adopt_run()
    call = cli.parse(sys.argv[1:])
    try:
        alias.install()
    except alias.AliasError as error:
        sys.exit(f"parsl_on_dask: {error}")
    if call.dialect is not None:
        os.environ[dialect.VARIABLE] = call.dialect  # also for scripts that the program starts
    if call.kind in cli.COMMANDS or call.detach or call.in_job is not None:
        with cut_short.quiet_when_cut_short():
            sys.exit(_command(call))
    overrides.set_cluster_override(call.cluster)
    overrides.set_linger_override(call.linger)
    overrides.show_progress = call.progress
    if call.kind == "script":
        run_as_main.run_script(call.target, call.args)
    elif call.kind == "module":
        run_as_main.run_module(call.target, call.args)
    elif call.kind == "code":
        run_as_main.run_code(call.target, call.args)
    else:
        run_as_main.run_stdin(call.args)


def _command(call: cli.Invocation) -> int:
    """Do what runs no program in this process, and return the exit code."""
    if call.kind == "checkpoint":
        from parsl_on_dask.checkpoint import cli as checkpoint_cli

        return checkpoint_cli.main(call.args)
    if call.kind in ("visualize", "report"):
        from parsl_on_dask.monitoring import cli as monitoring_cli

        return monitoring_cli.main(call.kind, call.args)
    if call.kind == "replay":
        from parsl_on_dask.front_door import replay

        return replay.main(call.args)
    if call.kind == "globus-auth":
        from parsl_on_dask.data_provider import globus

        globus.cli_run(call.args)
        return 0
    if call.kind in cli.RUN_COMMANDS:
        from parsl_on_dask.front_door import run_commands

        return run_commands.main(call.kind, call.args)
    if call.detach:
        from parsl_on_dask.front_door import detached

        return detached.start(call)
    if call.in_job is not None:
        from parsl_on_dask.front_door import in_job

        return in_job.start(call)
    overrides.set_cluster_override(call.cluster)
    overrides.set_linger_override(call.linger)
    if call.kind == "check":
        from parsl_on_dask.check import command

        return command.main(call.args)
    from parsl_on_dask.benchmark import perf

    perf.cli_run(call.args)
    return 0


if __name__ == "__main__":
    main()
