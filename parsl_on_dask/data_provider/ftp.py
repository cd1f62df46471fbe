"""Files from FTP servers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.http import _FromTheWeb
from parsl_on_dask.data_provider.landing import bring_by_task, land

if TYPE_CHECKING:
    from parsl_on_dask.data_provider.data_manager import DataManager


class FTPSeparateTaskStaging(_FromTheWeb):
    """Fetches files over FTP in tasks of their own, named ``_ftp_stage_in``.

    A name and password may be part of the URL; without, it is the anonymous user. Otherwise as
    :class:`~parsl_on_dask.data_provider.http.HTTPSeparateTaskStaging`. (Parsl's FTPSeparateTaskStaging.)

    Parameters
    ----------
    timeout : float
        Seconds for which a server may be silent. Default 30.
    retries : int
        How many attempts in a row may bring nothing, after the first. Default 3.

    Examples
    --------
    >>> FTPSeparateTaskStaging().can_stage_in(File("ftp://example.org/a.txt"))
    True
    """

    schemes = ("ftp",)

    def stage_in(self, dm: DataManager, executor: str, file: File, parent_fut: Future[Any] | None) -> DataFuture:
        """Start the task, or join one that brings the file already."""
        from parsl_on_dask.remote.ftp import _ftp_stage_in

        return bring_by_task(dm, executor, file, parent_fut, _ftp_stage_in, timeout=self.timeout, retries=self.retries)


class FTPInTaskStaging(_FromTheWeb):
    """Fetches files over FTP in the task that needs them, so that workers need not share a file system.

    Otherwise as :class:`~parsl_on_dask.data_provider.http.HTTPInTaskStaging`. (Parsl's FTPInTaskStaging.)

    Parameters
    ----------
    timeout : float
        Seconds for which a server may be silent. Default 30.
    retries : int
        How many attempts in a row may bring nothing, after the first. Default 3.

    Examples
    --------
    >>> FTPInTaskStaging().can_stage_in(File("http://example.org/a.txt"))
    False
    """

    schemes = ("ftp",)

    def stage_in(self, dm: DataManager, executor: str, file: File, parent_fut: Future[Any] | None) -> None:
        """Decide where the file will be."""
        land(dm, executor, file, parent_fut)

    def replace_task(
        self, dm: DataManager, executor: str, file: File, f: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """The function with the fetching before it."""
        from parsl_on_dask.remote.ftp import fetch_ftp
        from parsl_on_dask.remote.staged import staged_in

        landing = dm.landings.of(file)
        return staged_in(f, fetch_ftp, file.url, landing.path, self.timeout, self.retries, landing.batch)
