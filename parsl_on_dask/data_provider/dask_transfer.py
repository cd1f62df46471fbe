"""Files of workers that share no file system, moved through Dask's own connections."""

from __future__ import annotations

import os
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.arguments import need
from parsl_on_dask.data_provider.dask_transfer_file import TransferFile
from parsl_on_dask.data_provider.dask_transfer_files import Exchange, OutputFuture
from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.data_provider.destinations import Manager, working_dir
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.provider_bases import WrappingStaging
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.remote.transfer import MARK, DaskTransfers

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel

#: The scheme of files that stay on the workers.
ON_WORKERS = "worker"

_exchanges: weakref.WeakKeyDictionary[Kernel, Exchange] = weakref.WeakKeyDictionary()


class DaskTransferStaging(WrappingStaging):
    """Moves local files between the script and the workers, and from worker to worker, through Dask's connections.

    For workers that share no file system with the script, or with each other. Two kinds of files are staged:

    - Paths and ``file:`` URLs mean files of the script's machine. As inputs they are sent to the workers that need
      them; as ``outputs``, ``stdout`` or ``stderr`` they are brought back to that path before the app counts as done.
    - ``File("worker:name")`` is a file that stays where it was made. An app that is given its DataFuture gets it
      straight from there. It is removed when nothing refers to that DataFuture, or its task, any more.

    Inside the app, ``filepath`` is a path in a directory of the worker's own. This package need not be installed on the
    workers. Files travel in pieces with a checksum each; an interrupted transfer goes on where it was. A host fetches a
    file once, however many of its tasks and worker processes need it, and a file that many hosts need is passed on from
    host to host. What remains on the workers is removed with the kernel. On a ThreadPoolExecutor, whose apps run on the
    script's machine, nothing moves. Not in Parsl.

    Parameters
    ----------
    timeout : float, default 120
        Seconds without a sign of the other side after which a transfer fails.
    links : bool, default True
        Whether workers that see each other's files, because they run on one machine or share a disk after all, take
        them from there instead of having them sent.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used.

    Examples
    --------
    >>> staging = DaskTransferStaging()
    >>> [staging.can_stage_in(File(url)) for url in ("in.txt", "worker:sorted.txt", "https://example.org/in.txt")]
    [True, True, False]
    """

    schemes = ("file", ON_WORKERS)
    wrapper = DaskTransfers

    def __init__(self, *, timeout: float = 120.0, links: bool = True) -> None:
        super().__init__()
        owner = type(self).__name__
        need(owner, "timeout", timeout, int, float)
        if timeout <= 0:
            raise ConfigurationError(f"{owner}(timeout={timeout!r}): write a number of seconds, above 0")
        need(owner, "links", links, bool)
        self.timeout = timeout
        self.links = links

    def stage_in(self, dm: Manager, executor: str, file: File, parent_fut: Future[Any] | None) -> DataFuture | None:
        """Note which file it is, so that the worker can ask for it."""
        exchange = exchange_of(dm)
        client = self._client(dm, executor)
        moved = _made_by(parent_fut)
        if moved is None and file.scheme == ON_WORKERS:
            moved = exchange.named(file.url)
        if moved is None and parent_fut is not None:
            ready: Future[None] = Future()

            def made(parent: Future[Any]) -> None:
                try:
                    parent.result()
                    self._mark_in(exchange, client, file, exchange.local(file))
                    ready.set_result(None)
                except BaseException as e:
                    ready.set_exception(e)

            parent_fut.add_done_callback(made)
            return DataFuture(ready, file, tid=getattr(parent_fut, "tid", -1))
        if moved is None:
            moved = exchange.local(file)
        if client is None and moved.path is None:
            return DataFuture(exchange.bring(moved, file, parent_fut), file, tid=getattr(parent_fut, "tid", -1))
        self._mark_in(exchange, client, file, moved)
        return None

    def _mark_in(self, exchange: Exchange, client: Any, file: File, moved: TransferFile) -> None:
        if client is None:
            file.local_path = moved.path
        else:
            exchange.cluster(client, self.timeout, self.links)
            setattr(file, MARK, {"way": "in", "key": moved.key, "name": moved.name, "url": file.url, "moved": moved})

    def stage_out(self, dm: Manager, executor: str, file: File, app_fu: Future[Any]) -> Future[Any] | None:
        """Note which file it is, so that the worker can tell of it."""
        exchange = exchange_of(dm)
        client = self._client(dm, executor)
        bring = file.scheme != ON_WORKERS
        moved = exchange.promised(file, app_fu, here=client is None)
        if client is None:
            file.local_path = moved.path
        else:
            exchange.cluster(client, self.timeout, self.links)
            # which does not keep the file: that is for the DataFuture to do
            setattr(
                file,
                MARK,
                {"way": "out", "key": moved.key, "name": moved.name, "url": file.url, "bring": bring},
            )
        return OutputFuture(app_fu, moved)

    def _wrapping(self, dm: Manager, executor: str) -> tuple[Any, ...] | None:
        client = self._client(dm, executor)
        if client is None:
            return None
        topic = exchange_of(dm).cluster(client, self.timeout, self.links).topic
        base = working_dir(dm, executor)
        return topic, None if base is None else os.fspath(base), self.timeout

    def fetch(self, data: DataFuture, path: str | os.PathLike[str]) -> str:
        """Bring a file that is on a worker to a path of this machine, and wait for it.

        Parameters
        ----------
        data : DataFuture
            Of a ``worker:`` file.
        path : path
            Where to.

        Returns
        -------
        str
            The path.

        Raises
        ------
        ValueError
            When the file is not one that this provider moves.
        FileNotFoundError
            When it was lost with its worker.
        """
        moved = _made_by(data)
        if moved is None:
            raise ValueError(f"{data!r} is not an output that DaskTransferStaging moves")
        return moved.exchange.fetch(moved, data, os.fspath(path))

    def _client(self, dm: Manager, executor: str) -> Any:
        """The Dask client of an executor; None for one whose apps run on this machine."""
        described = dm.dfk.executors[executor]
        lane = getattr(described, "lane", None)
        if lane is None:
            raise ValueError(
                f"DaskTransferStaging moves files of executors that run on Dask, and executor {executor!r}, a "
                f"{type(described).__name__}, does not: leave it out of its storage_access"
            )
        return lane.client if lane.remote else None


def exchange_of(dm: Manager) -> Exchange:
    """The exchange of a kernel, which knows all files that were moved."""
    found = _exchanges.get(dm.dfk)
    if found is None:
        found = _exchanges.setdefault(dm.dfk, Exchange())
        dm.at_end(found.close)
    return found


def _made_by(future: Any) -> TransferFile | None:
    """The file that a DataFuture promises, if it is one of ours."""
    while future is not None:
        if isinstance(future, OutputFuture):
            return future.moved
        future = getattr(future, "parent", None)
    return None
