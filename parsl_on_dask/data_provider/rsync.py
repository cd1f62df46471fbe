"""Files that rsync moves between the submitting host and the workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.common.arguments import need, need_number
from parsl_on_dask.data_provider.destinations import Manager, destination
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.provider_bases import SchemeStaging
from parsl_on_dask.errors import ConfigurationError


class RSyncStaging(SchemeStaging):
    """Moves local files to the workers and back with rsync, which the workers run.

    Paths and ``file:`` URLs are those of the submitting host; relative ones count from the current directory. A worker
    has to be able to log in there with ssh, without being asked anything. Files go into the executor's
    ``working_dir``, or into the current directory of the worker. (Parsl's RSyncStaging.)

    Parameters
    ----------
    hostname : str
        The submitting host, as the workers give it to ssh: ``host`` or ``user@host``.
    timeout : float
        Seconds for which the other side may be silent. Default 60.

    Raises
    ------
    ConfigurationError
        When one of them cannot be used.

    Notes
    -----
    How rsync logs in can be changed with its own variable ``RSYNC_RSH`` in the environment of the workers.

    Examples
    --------
    >>> RSyncStaging("me@login1.example.org").can_stage_out(File("out.txt"))
    True
    """

    schemes = ("file",)

    def __init__(self, hostname: str, *, timeout: float = 60) -> None:
        self.hostname = hostname
        self.timeout = timeout
        need("RSyncStaging", "hostname", hostname, str, hint="Write for example hostname='login1.example.org'.")
        need_number("RSyncStaging", "timeout", timeout, kind=float, above=0, example="60")
        if not hostname or hostname.startswith("-") or any(c in hostname for c in ":/ \t\r\n\0"):
            raise ConfigurationError(
                f"RSyncStaging(hostname={hostname!r}): this is not the name of a host. "
                "Write for example hostname='login1.example.org'."
            )

    def stage_in(self, dm: Manager, executor: str, file: File, parent_fut: Future[Any] | None) -> None:
        """Decide where the file will be."""
        self._decide(dm, executor, file, parent_fut)

    def stage_out(self, dm: Manager, executor: str, file: File, parent_fut: Future[Any]) -> None:
        """Decide where the file will be."""
        self._decide(dm, executor, file, None)

    def _decide(self, dm: Manager, executor: str, file: File, parent: Future[Any] | None) -> None:
        # on the other side there is another current directory
        file.path = os.path.abspath(file.path)
        destination(dm, executor, file, parent, url=file.path)

    def replace_task(self, dm: Manager, executor: str, file: File, f: Callable[..., Any]) -> Callable[..., Any] | None:
        """The function with rsync before it."""
        from parsl_on_dask.remote.rsync import fetch_rsync
        from parsl_on_dask.remote.staged import staged_in

        where = dm.destinations.of(file)
        return staged_in(f, fetch_rsync, self.hostname, file.path, where.path, self.timeout, where.version)

    def replace_task_stage_out(
        self, dm: Manager, executor: str, file: File, f: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """The function with rsync after it."""
        from parsl_on_dask.remote.rsync import send_rsync
        from parsl_on_dask.remote.staged import make_room, staged_in, staged_out

        where = dm.destinations.of(file)
        f = staged_in(f, make_room, file.path, where.path)
        return staged_out(f, send_rsync, self.hostname, file.path, where.path, self.timeout)
