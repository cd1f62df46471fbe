"""Files from the web."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.arguments import need_number
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.landing import bring_by_task, land
from parsl_on_dask.data_provider.staging import Staging
from parsl_on_dask.utils import RepresentationMixin

if TYPE_CHECKING:
    from parsl_on_dask.data_provider.data_manager import DataManager

SCHEMES = ("http", "https")


class _FromTheWeb(Staging, RepresentationMixin):
    schemes: tuple[str, ...] = SCHEMES

    def __init__(self, *, timeout: float = 30, retries: int = 3) -> None:
        self.timeout = timeout
        self.retries = retries
        owner = type(self).__name__
        need_number(owner, "timeout", timeout, kind=float, above=0, example="30")
        need_number(owner, "retries", retries, at_least=0, example="3")

    def can_stage_in(self, file: File) -> bool:
        """True for its schemes."""
        return file.scheme in self.schemes


class HTTPSeparateTaskStaging(_FromTheWeb):
    """Fetches files over HTTP and HTTPS in tasks of their own, for a file system that all workers see.

    The tasks are named ``_http_stage_in``, run on the executor of the app, and put files into its ``working_dir``, or
    into the current directory of its workers. Calls that want the same file while it is on its way share the task.
    A connection that breaks is taken up where it broke, where the server can do that, or begun again; an app never
    sees half a file. (Parsl's HTTPSeparateTaskStaging.)

    Parameters
    ----------
    timeout : float
        Seconds for which a server may be silent. Default 30.
    retries : int
        How many attempts in a row may bring nothing, after the first. Default 3.

    Raises
    ------
    ConfigurationError
        When one of them cannot be used.

    Notes
    -----
    A name and password may be part of the URL, or in ``~/.netrc``. The environment's ``https_proxy``, ``no_proxy``
    and ``REQUESTS_CA_BUNDLE`` on the workers are respected.

    Examples
    --------
    >>> HTTPSeparateTaskStaging(timeout=5).can_stage_in(File("https://example.org/a.txt"))
    True
    """

    def stage_in(self, dm: DataManager, executor: str, file: File, parent_fut: Future[Any] | None) -> DataFuture:
        """Start the task, or join one that brings the file already."""
        from parsl_on_dask.remote.http import _http_stage_in  # late: it needs ssl and much else

        return bring_by_task(dm, executor, file, parent_fut, _http_stage_in, timeout=self.timeout, retries=self.retries)


class HTTPInTaskStaging(_FromTheWeb):
    """Fetches files over HTTP and HTTPS in the task that needs them, so that workers need not share a file system.

    Calls on one host that want the same file get it once, as long as one of them is not done. The rest is as for
    :class:`HTTPSeparateTaskStaging`. (Parsl's HTTPInTaskStaging.)

    Parameters
    ----------
    timeout : float
        Seconds for which a server may be silent. Default 30.
    retries : int
        How many attempts in a row may bring nothing, after the first. Default 3.

    Examples
    --------
    >>> HTTPInTaskStaging()
    HTTPInTaskStaging(retries=3, timeout=30)
    """

    def stage_in(self, dm: DataManager, executor: str, file: File, parent_fut: Future[Any] | None) -> None:
        """Decide where the file will be."""
        land(dm, executor, file, parent_fut)

    def replace_task(
        self, dm: DataManager, executor: str, file: File, f: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """The function with the fetching before it."""
        from parsl_on_dask.remote.http import fetch_http
        from parsl_on_dask.remote.staged import staged_in

        landing = dm.landings.of(file)
        return staged_in(f, fetch_http, file.url, landing.path, self.timeout, self.retries, landing.batch)
