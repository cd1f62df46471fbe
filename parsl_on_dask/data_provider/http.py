"""Files from the web."""

from __future__ import annotations

from parsl_on_dask.data_provider.provider_bases import FetchingInTask, FetchingTask

SCHEMES = ("http", "https")


class HTTPSeparateTaskStaging(FetchingTask):
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
    >>> from parsl_on_dask.data_provider.files import File
    >>> HTTPSeparateTaskStaging(timeout=5).can_stage_in(File("https://example.org/a.txt"))
    True
    """

    schemes = SCHEMES
    fetcher = "http:_http_stage_in"


class HTTPInTaskStaging(FetchingInTask):
    """Fetches files over HTTP and HTTPS in the task that needs them, so that workers need not share a file system.

    Calls on one host that want the same file get it once, as long as one of them is not done. The rest is as for
    :class:`HTTPSeparateTaskStaging`. (Parsl's HTTPInTaskStaging.)

    Parameters
    ----------
    timeout, retries
        As of :class:`HTTPSeparateTaskStaging`.

    Examples
    --------
    >>> HTTPInTaskStaging()
    HTTPInTaskStaging(retries=3, timeout=30)
    """

    schemes = SCHEMES
    fetcher = "http:fetch_http"
