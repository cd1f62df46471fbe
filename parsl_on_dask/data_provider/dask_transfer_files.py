"""What the script knows of the files that move between it and the workers."""

from __future__ import annotations

import os
import shutil
import threading
import weakref
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.data_provider.dask_transfer_cluster import ClusterTransfers
from parsl_on_dask.data_provider.dask_transfer_file import TransferFile, lost
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.python_internals.futures import forget_callbacks
from parsl_on_dask.remote import scratch
from parsl_on_dask.remote.chunks import describe, wait_for
from parsl_on_dask.remote.placing import place


class OutputFuture(Future[Any]):
    """Is done when the task that makes a file is."""

    def __init__(self, task: Future[Any], moved: TransferFile) -> None:
        super().__init__()
        self.moved = moved
        # or a task, its outputs and what they wait for would keep each other, and the file, until a garbage collection
        self._task = weakref.ref(task)
        task.add_done_callback(self._end)

    def running(self) -> bool:
        """Whether the task runs."""
        task = self._task()
        return task is not None and task.running()

    def _end(self, task: Future[Any]) -> None:
        if task.cancelled():
            self.cancel()
            self.set_running_or_notify_cancel()
            return
        error = task.exception()
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(None)
        forget_callbacks(self)


class Exchange:
    """The files of one kernel, and the clusters that they move on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.clusters: dict[int, ClusterTransfers] = {}
        self.moved: weakref.WeakValueDictionary[str, TransferFile] = weakref.WeakValueDictionary()
        self.by_path: weakref.WeakValueDictionary[tuple[Any, ...], TransferFile] = weakref.WeakValueDictionary()
        self.by_name: weakref.WeakValueDictionary[str, TransferFile] = weakref.WeakValueDictionary()
        self.scratch = ""
        self.closed = False

    def cluster(self, client: Any, timeout: float, links: bool) -> ClusterTransfers:
        """What moves files on a cluster."""
        with self.lock:
            cluster = self.clusters.get(id(client))
            if cluster is None:
                cluster = self.clusters[id(client)] = ClusterTransfers(self, client, timeout, links)
            return cluster

    def _remember(self, moved: TransferFile) -> TransferFile:
        self.moved[moved.key] = moved
        weakref.finalize(moved, _forgotten, weakref.ref(self), moved.key).atexit = False
        return moved

    def local(self, file: File) -> TransferFile:
        """A file of this machine.

        Raises IsADirectoryError when it is a directory.
        """
        path = os.path.abspath(file.path)
        try:
            known = describe(path)
        except FileNotFoundError:
            known = None  # it may be made before it is needed
        version = (path, *sorted(known.items())) if known is not None else None
        with self.lock:
            found = self.by_path.get(version) if version is not None else None
            if found is None:
                found = self._remember(TransferFile(self, file.url, _name(file), path))
                found.known = known
                found.made = True
                if version is not None:
                    self.by_path[version] = found
            return found

    def promised(self, file: File, task: Any, here: bool) -> TransferFile:
        """A file that an app is going to make, in this process (``here``) or on a worker."""
        path = None if file.scheme == "worker" else os.path.abspath(file.path)
        moved = TransferFile(self, file.url, _name(file), path)
        moved.task = f"task {getattr(task, 'tid', '?')}"
        if here:
            if path is None:
                moved.path = os.path.join(self._scratch(), moved.key, moved.name)
                os.makedirs(os.path.dirname(moved.path))
            task.add_done_callback(lambda _: setattr(moved, "made", True))
        elif path is not None:
            task.add_done_callback(lambda done: _taken_as_made(moved, done))
        with self.lock:
            self._remember(moved)
            if path is None:
                self.by_name[file.url] = moved
        return moved

    def named(self, url: str) -> TransferFile:
        """A file on the workers, by its URL.

        Raises FileNotFoundError when no task was given it as an output, or nothing refers to that any more.
        """
        found = self.by_name.get(url)
        if found is None:
            raise FileNotFoundError(
                f"no file {url!r} is on the workers, and no task is going to make it: give the app the DataFuture of "
                "the task that makes it, some_future.outputs[0]; the file is kept as long as that exists"
            )
        return found

    def _scratch(self) -> str:
        with self.lock:
            if not self.scratch:
                self.scratch = scratch.make(purpose="files")
            return self.scratch

    def arrived(self, moved: TransferFile) -> None:
        """A file was brought to its path: it need not be sent if that is given to an app."""
        assert moved.path is not None
        moved.known = describe(moved.path)
        with self.lock:
            version = (moved.path, *sorted(moved.known.items()))
            self.by_path[version] = moved

    # -- files of other clusters, and for the script ------------------------------------------------------------

    def holder(self, moved: TransferFile, but: ClusterTransfers | None = None) -> ClusterTransfers | None:
        """A cluster where the file is."""
        for cluster in list(self.clusters.values()):
            if cluster is not but and cluster.has(moved.key):
                return cluster
        return None

    def here(self, moved: TransferFile) -> str:
        """Path of the file on this machine, brought here if need be. Not for an event loop."""
        if moved.path is not None and (moved.known is not None or os.path.exists(moved.path)):
            return moved.path
        cluster = self.holder(moved)
        if cluster is None:
            raise FileNotFoundError(lost(moved, []))
        path = os.path.join(self._scratch(), moved.key, moved.name)
        place(path, lambda part: cluster.copy_to(moved.key, part), key=moved.key, version=moved.key)
        moved.path, moved.known = path, describe(path)
        return path

    def bring(self, moved: TransferFile, file: File, after: Future[Any] | None) -> Future[None]:
        """Bring a file to this machine, for an app that runs here."""
        done: Future[None] = Future()

        def bring() -> None:
            try:
                file.local_path = self.here(moved)
                done.set_result(None)
            except BaseException as e:
                done.set_exception(e)

        def made(parent: Future[Any]) -> None:
            error = parent.exception() if not parent.cancelled() else None
            if error is not None:
                done.set_exception(error)
            else:
                threading.Thread(target=bring, name="parsl-files", daemon=True).start()

        if after is None:
            after = Future()
            after.set_result(None)
        after.add_done_callback(made)
        return done

    def fetch(self, moved: TransferFile, made: Future[Any], path: str) -> str:
        """Copy a file to a path of the script's choice."""
        wait_for(made)
        cluster = self.holder(moved)
        if cluster is None and moved.path is None:
            raise FileNotFoundError(lost(moved, []))
        if cluster is None:
            assert moved.path is not None
            here = moved.path
            place(path, lambda part: _copy(here, part))
        else:
            place(path, lambda part: cluster.copy_to(moved.key, part))
        return path

    def close(self) -> None:
        """Remove what is left on the workers and here."""
        self.closed = True
        for cluster in list(self.clusters.values()):
            cluster.close()
        self.clusters.clear()
        if self.scratch:
            scratch.remove(self.scratch)
            self.scratch = ""


def _taken_as_made(moved: TransferFile, task: Future[Any]) -> None:
    """A task whose result comes from the cache has made its file in an earlier run."""
    if not moved.made and not task.cancelled() and task.exception() is None:
        moved.made = True


def _copy(source: str, target: str) -> None:
    shutil.copy2(source, target)


def _name(file: File) -> str:
    name = os.path.basename(file.path)
    if name in ("", ".", ".."):
        raise IsADirectoryError(f"{file.url!r} names a directory: files are moved, so name one, or pack it with tar")
    return name


def _forgotten(exchange: weakref.ref[Exchange], key: str) -> None:
    found = exchange()
    if found is not None and not found.closed:
        for cluster in list(found.clusters.values()):
            cluster.forget(key)
