"""What a staging provider can do: the base of plug-ins for an executor's ``storage_access``."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.data_provider.files import File

if TYPE_CHECKING:
    from parsl_on_dask.data_provider.data_future import DataFuture
    from parsl_on_dask.data_provider.data_manager import DataManager


class Staging:
    """Brings files to where an app runs, and away from there.

    For each file that an app is given, the providers in the executor's ``storage_access`` are asked in turn with
    :meth:`can_stage_in`; the first that says yes gets :meth:`stage_in` and :meth:`replace_task`. Output files go the
    same way through the other three methods. There are two ways to do the work: start a task for it in ``stage_in``
    or ``stage_out``, or wrap the app's function in ``replace_task`` or ``replace_task_stage_out``. This base accepts
    no file and does nothing. (Parsl's Staging.)

    Examples
    --------
    >>> class FromArchive(Staging):
    ...     def can_stage_in(self, file):
    ...         return file.scheme == "archive"
    ...
    ...     def stage_in(self, dm, executor, file, parent_fut):
    ...         file.local_path = "/archive" + file.path
    >>> FromArchive().can_stage_in(File("archive:/2024/a.dat"))
    True
    """

    def can_stage_in(self, file: File) -> bool:
        """Whether this provider brings such files to an app."""
        return False

    def can_stage_out(self, file: File) -> bool:
        """Whether this provider takes such files from an app."""
        return False

    def stage_in(self, dm: DataManager, executor: str, file: File, parent_fut: Future[Any] | None) -> DataFuture | None:
        """Prepare a file for an app, while the app is being submitted.

        Parameters
        ----------
        dm : DataManager
            ``dm.dfk`` is the kernel, for starting tasks.
        executor : str
            Label of the executor that will run the app.
        file : File
            A copy that belongs to this one staging: setting its ``local_path`` is how to say where it will be.
        parent_fut : Future or None
            What makes the file, when another app does: work of one's own has to wait for it.

        Returns
        -------
        DataFuture or None
            A DataFuture over `file`, which the app then waits for; None when there is nothing to wait for.
        """
        return None

    def stage_out(self, dm: DataManager, executor: str, file: File, app_fu: Future[Any]) -> Future[Any] | None:
        """Prepare for taking a file away, while the app that makes it is being submitted.

        Parameters
        ----------
        dm, executor
            As for :meth:`stage_in`.
        file : File
            A copy that belongs to this one staging.
        app_fu : Future
            The app: work of one's own has to wait for it.

        Returns
        -------
        Future or None
            What completes the file; None when the app's end does.
        """
        return None

    def replace_task(
        self, dm: DataManager, executor: str, file: File, func: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """A function to run in place of the app's, which brings the file first; None keeps the app's.

        It is called with the app's arguments, on the worker, and must be something that can be pickled.
        """
        return None

    def replace_task_stage_out(
        self, dm: DataManager, executor: str, file: File, func: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """A function to run in place of the app's, which takes the file away afterwards; None keeps the app's."""
        return None
