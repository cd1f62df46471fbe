"""The promise of a file."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from concurrent.futures import CancelledError, Future
from typing import Any

from parsl_on_dask.common.parsl_paths import known_at
from parsl_on_dask.common.raising import PlainFuture, as_it_came, hide_this_frame
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.lanes.callbacks import Callbacks, PoliteFuture, when_done
from parsl_on_dask.lanes.dask_protocol import DaskProtocol
from parsl_on_dask.lanes.values import just
from parsl_on_dask.python_internals.futures import forget_callbacks


class DataFuture(PoliteFuture[File], PlainFuture[File], DaskProtocol[File]):
    """A file that a task is going to make.

    ``AppFuture.outputs`` holds one for each element of ``outputs``, in order. Give it to another app, and that
    app starts when the file is there, and gets the :class:`~parsl_on_dask.data_provider.files.File`.
    (Parsl's page on futures.)

    Parameters
    ----------
    fut : Future
        Completes when the file is there: the task's own future, or the one of its stage-out.
    file_obj : File
        The file; it becomes the result.
    tid : int
        The task's number.

    Raises
    ------
    TypeError
        When `file_obj` is no File.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> from parsl_on_dask import File
    >>> task = Future()
    >>> data = DataFuture(task, File("out.txt"), tid=7)
    >>> data.filepath, data.done()
    ('out.txt', False)
    >>> task.set_result(0)
    >>> data.result() is data.file_obj
    True
    """

    def __init__(self, fut: Future[Any], file_obj: File, tid: int) -> None:
        if not isinstance(file_obj, File):
            raise TypeError(f"a DataFuture is about a File, got {file_obj!r}: write File({str(file_obj)!r})")
        super().__init__()
        self._tid = tid
        self.file_obj = file_obj
        self.parent = fut
        when_done(fut, self.parent_callback)

    def parent_callback(self, parent_fu: Future[Any]) -> None:
        """Take over how the parent ended."""
        if parent_fu.cancelled():
            if super().cancel():
                self.set_running_or_notify_cancel()
            return
        try:
            error = as_it_came(parent_fu)
        except CancelledError as e:
            error = e
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(self.file_obj)
        # all of them have been called, and they would keep whoever waited
        forget_callbacks(self)

    def _callbacks(self) -> Callbacks:
        return self.parent._callbacks() if isinstance(self.parent, PoliteFuture) else super()._callbacks()

    @property
    def tid(self) -> int:
        """Number of the task that makes the file."""
        return self._tid

    @property
    def filepath(self) -> str:
        """Path of the file."""
        return self.file_obj.filepath

    @property
    def filename(self) -> str:
        """Path of the file, as :attr:`filepath`."""
        return self.filepath

    def cancel(self) -> bool:
        """Not for a file: cancel the task that makes it, ``parent``.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError("Cancel not implemented")

    def cancelled(self) -> bool:
        """Whether the task was cancelled before it made the file."""
        return super().cancelled()

    def running(self) -> bool:
        """Whether the task runs."""
        return self.parent.running()

    def __await__(self) -> Generator[Any, None, File]:
        yield from self._until_done()
        try:
            return self.result()
        except BaseException as e:
            hide_this_frame(e)
            raise

    def _dask_name(self) -> str:
        name: str = vars(self).setdefault("_name", f"parsl-file-{uuid.uuid4().hex}")
        return name

    def __reduce__(self) -> str | tuple[Any, ...]:
        from parsl_on_dask.lanes.dask_futures import is_here, reduced

        if is_here(self):
            return just(self.file_obj)
        return reduced(self) or super().__reduce__()

    def __repr__(self) -> str:
        kind = type(self)
        done = "done" if self.done() else "not done"
        return f"<{kind.__module__}.{kind.__qualname__} object at {id(self):#x} representing {self.file_obj!r} {done}>"


known_at("app.futures", vars())
