"""Files that are already where the app runs."""

from __future__ import annotations

from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.staging import Staging
from parsl_on_dask.utils import RepresentationMixin


class NoOpFileStaging(Staging, RepresentationMixin):
    """Accepts paths and ``file:`` URLs and does nothing: for a file system that all workers see.

    (Parsl's NoOpFileStaging.)

    Examples
    --------
    >>> NoOpFileStaging().can_stage_in(File("in.txt")), NoOpFileStaging().can_stage_in(File("http://host/in.txt"))
    (True, False)
    """

    def can_stage_in(self, file: File) -> bool:
        """True for paths and ``file:`` URLs."""
        return file.scheme == "file"

    def can_stage_out(self, file: File) -> bool:
        """True for paths and ``file:`` URLs."""
        return file.scheme == "file"
