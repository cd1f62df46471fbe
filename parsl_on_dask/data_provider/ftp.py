"""Files from FTP servers."""

from __future__ import annotations

from parsl_on_dask.data_provider.provider_bases import FetchingInTask, FetchingTask


class FTPSeparateTaskStaging(FetchingTask):
    """Fetches files over FTP in tasks of their own, named ``_ftp_stage_in``.

    A name and password may be part of the URL; without, it is the anonymous user. Otherwise as
    :class:`~parsl_on_dask.data_provider.http.HTTPSeparateTaskStaging`. (Parsl's FTPSeparateTaskStaging.)

    Parameters
    ----------
    timeout, retries
        As of :class:`~parsl_on_dask.data_provider.http.HTTPSeparateTaskStaging`.

    Examples
    --------
    >>> from parsl_on_dask.data_provider.files import File
    >>> FTPSeparateTaskStaging().can_stage_in(File("ftp://example.org/a.txt"))
    True
    """

    schemes = ("ftp",)
    fetcher = "ftp:_ftp_stage_in"


class FTPInTaskStaging(FetchingInTask):
    """Fetches files over FTP in the task that needs them, so that workers need not share a file system.

    Otherwise as :class:`~parsl_on_dask.data_provider.http.HTTPInTaskStaging`. (Parsl's FTPInTaskStaging.)

    Parameters
    ----------
    timeout, retries
        As of :class:`~parsl_on_dask.data_provider.http.HTTPSeparateTaskStaging`.

    Examples
    --------
    >>> from parsl_on_dask.data_provider.files import File
    >>> FTPInTaskStaging().can_stage_in(File("http://example.org/a.txt"))
    False
    """

    schemes = ("ftp",)
    fetcher = "ftp:fetch_ftp"
