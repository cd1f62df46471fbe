"""Files inside of zip files."""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.data_provider.destinations import Destination, Manager, bring_by_task, destination, working_dir
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.provider_bases import INTERNAL
from parsl_on_dask.data_provider.staging import Staging
from parsl_on_dask.errors import ParslError
from parsl_on_dask.utils import RepresentationMixin


class ZipAuthorityError(ParslError):
    """A ``zip:`` URL names a host, which means nothing."""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.file = file

    def __str__(self) -> str:
        return (
            f"ZipFileStaging cannot stage Files with an authority (netloc) section ({self.file.netloc}), for "
            f"{self.file.url}: write zip:/path/of/the.zip/name with one slash, which names a file on this host"
        )


class ZipFileStaging(Staging, RepresentationMixin):
    """Takes files out of zip files, and puts files into them.

    ``zip:/data/results.zip/run1/out.txt`` is the file ``run1/out.txt`` in ``/data/results.zip``. The work is done in
    the submitting process, by tasks ``_zip_stage_in`` and ``_zip_stage_out``, so it and the workers must both see the
    executor's ``working_dir``, which has to be set. Several tasks, processes and hosts may use one zip file at a time,
    if all of them do it in this way. A file that has been put into a zip file is removed from the ``working_dir``.
    (Parsl's ZipFileStaging.)

    Examples
    --------
    >>> ZipFileStaging().can_stage_out(File("zip:/data/results.zip/run1/out.txt"))
    True
    """

    def can_stage_in(self, file: File) -> bool:
        """True for ``zip:``; ZipAuthorityError for one with a host."""
        return self.is_zip_url(file)

    def can_stage_out(self, file: File) -> bool:
        """True for ``zip:``; ZipAuthorityError for one with a host."""
        return self.is_zip_url(file)

    def is_zip_url(self, file: File) -> bool:
        """Whether it is a ``zip:`` URL.

        Raises
        ------
        ZipAuthorityError
            When it names a host.
        """
        if file.scheme != "zip":
            return False
        if file.netloc:
            raise ZipAuthorityError(file)
        return True

    def stage_in(self, dm: Manager, executor: str, file: File, parent_fut: Future[Any] | None) -> DataFuture:
        """Start a task that takes the file out of its zip file."""
        from parsl_on_dask.remote.zips import _zip_stage_in

        zip_path, inside_path, where = self._destination(dm, executor, file, parent_fut)
        return bring_by_task(
            dm,
            executor,
            file,
            where,
            _zip_stage_in,
            zip_path,
            inside_path,
            working_dir(dm, executor),
            run_by=INTERNAL,
            parent_fut=parent_fut,
            version=where.version,
        )

    def stage_out(self, dm: Manager, executor: str, file: File, parent_fut: Future[Any]) -> Future[Any]:
        """Start a task that puts the file into its zip file when the app is done."""
        from parsl_on_dask.remote.zips import _zip_stage_out

        zip_path, inside_path, where = self._destination(dm, executor, file, None)
        os.makedirs(os.path.dirname(where.path), exist_ok=True)
        moved = dm.dfk.submit(
            _zip_stage_out,
            app_args=(zip_path, inside_path, working_dir(dm, executor)),
            executors=[INTERNAL],
            app_kwargs={"inputs": [file], "_parsl_staging_inhibit": True, "parent_fut": parent_fut},
        )
        where.used_by(moved)
        return moved

    def _destination(
        self, dm: Manager, executor: str, file: File, parent: Future[Any] | None
    ) -> tuple[str, str, Destination]:
        zip_path, inside_path = zip_path_split(file.path)
        if not working_dir(dm, executor):
            raise RuntimeError(
                f"zip file staging requires a working_dir to be specified, for {file.url}: give the executor "
                f"{executor!r} working_dir='/path' of a directory that this process and the workers see"
            )
        return zip_path, inside_path, destination(dm, executor, file, parent, inside_path)


def zip_path_split(path: str) -> tuple[str, str]:
    """The path of a zip file, and the name in it.

    Parameters
    ----------
    path : str
        Of a ``zip:`` URL.

    Raises
    ------
    ValueError
        When it does not have both.

    Examples
    --------
    >>> zip_path_split("/data/results.zip/run1/out.txt")
    ('/data/results.zip', 'run1/out.txt')
    """
    before, found, inside = path.partition(".zip/")
    if not found or not inside:
        raise ValueError(f"zip:{path} names no file in a zip file: write zip:/path/of/the.zip/name")
    return before + ".zip", inside
