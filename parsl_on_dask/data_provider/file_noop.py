"""Files that are already where the app runs."""

from __future__ import annotations

from parsl_on_dask.data_provider.provider_bases import SchemeStaging


class NoOpFileStaging(SchemeStaging):
    """Accepts paths and ``file:`` URLs and does nothing: for a file system that all workers see.

    (Parsl's NoOpFileStaging.)

    Examples
    --------
    >>> from parsl_on_dask import File
    >>> NoOpFileStaging().can_stage_in(File("in.txt")), NoOpFileStaging().can_stage_in(File("http://host/in.txt"))
    (True, False)
    """

    schemes = ("file",)
