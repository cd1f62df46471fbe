"""The channel to the machine that the script runs on."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping

from parsl_on_dask.channels.base import Channel
from parsl_on_dask.old_spellings.legacy import warn_once
from parsl_on_dask.utils import RepresentationMixin, execute_wait


class LocalChannel(Channel, RepresentationMixin):
    """Runs commands and copies files on this machine, as Parsl's did until 2024.

    Providers accept one and need none.

    Parameters
    ----------
    userhome : path
        Directory in which commands run. Default: the current one.
    envs : mapping of str to str
        Environment variables for commands.
    script_dir : path, optional
        Directory for submit scripts; the kernel chooses it since Parsl 2024.
    """

    def __init__(
        self,
        userhome: str | os.PathLike[str] = ".",
        envs: Mapping[str, str] | None = None,
        script_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.userhome = os.path.abspath(userhome)
        self.envs = dict(envs or {})
        self.script_dir = None if script_dir is None else os.fspath(script_dir)
        self.hostname = "localhost"
        if script_dir is not None:
            warn_once(
                "LocalChannel.script_dir", "LocalChannel(script_dir=) has no effect: scripts are kept in run_dir."
            )

    def execute_wait(
        self, cmd: str, walltime: float | None = None, envs: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        """Run a command and return its exit code, stdout and stderr; see :func:`parsl_on_dask.utils.execute_wait`."""
        exports = "".join(f"export {k}={shlex.quote(v)}; " for k, v in {**self.envs, **(envs or {})}.items())
        return execute_wait(f"cd {shlex.quote(self.userhome)} && {exports}{cmd}", walltime or None)

    def push_file(self, source: str, dest_dir: str) -> str:
        """Copy a file into a directory, which is made if need be, and return the copy's path."""
        target = os.path.join(dest_dir, os.path.basename(source))
        os.makedirs(dest_dir, exist_ok=True)
        if not (os.path.exists(target) and os.path.samefile(source, target)):
            shutil.copyfile(source, target)
            os.chmod(target, 0o700)
        return target

    def pull_file(self, remote_source: str, local_dir: str) -> str:
        """Copy a file into a directory; the same as :meth:`push_file`."""
        return self.push_file(remote_source, local_dir)
