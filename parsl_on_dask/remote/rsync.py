"""Moves files with rsync, on the worker."""

from __future__ import annotations

import os
import subprocess

from .placing import place
from .staged import need_output, saying


def fetch_rsync(hostname: str, source: str, path: str, timeout: float, version: str | None = None) -> None:
    """Bring a file from another host.

    - `hostname`: as for ssh: ``host`` or ``user@host``.
    - `source`: absolute path there.
    - `path`: where it goes here.
    - `timeout`: seconds for which the other side may be silent.
    - `version`: see :func:`~parsl_on_dask.remote.placing.place`.

    Raises Failure: ``StagingError``.
    """
    remote = f"{hostname}:{source}"
    with saying("in", remote, path):
        place(path, lambda part: rsync(remote, os.path.abspath(part), timeout), key=remote, version=version)


def send_rsync(hostname: str, target: str, path: str, timeout: float) -> None:
    """Take a file to another host, where it appears when all of it is there.

    - `target`: absolute path there.
    - `path`: where it is here.

    Raises Failure: ``StagingError``.
    """
    remote = f"{hostname}:{target}"
    with saying("out", remote, path):
        need_output(path)
        rsync(os.path.abspath(path), remote, timeout)


def rsync(source: str, target: str, timeout: float) -> None:
    """Run rsync for one file. A path on this host is absolute, since rsync takes ``a:b`` for another host's.

    Raises OSError with what rsync said.
    """
    # -L: the file that a symbolic link leads to; -s: names are not for the other side's shell
    command = ["rsync", "-L", "-s", f"--timeout={max(1, round(timeout))}", "--", source, target]
    environment = dict(os.environ)
    # ssh must not ask for a password, nor wait for a host without end
    environment.setdefault("RSYNC_RSH", f"ssh -o BatchMode=yes -o ConnectTimeout={max(1, round(timeout))}")
    try:
        ran = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
    except FileNotFoundError:
        raise OSError("rsync is not installed here: install it on the workers and on the submitting host") from None
    if ran.returncode:
        said = "; ".join(line.strip() for line in ran.stderr.splitlines() if line.strip())[-1000:]
        raise OSError(f"rsync ended with exit code {ran.returncode}: {said or 'it said nothing'}")
    if "skipping" in ran.stdout:
        raise OSError(f"rsync moved nothing: {ran.stdout.strip()}")
