"""Where files from elsewhere go on the side of the apps, and which calls share them."""

from __future__ import annotations

import os
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol

from parsl_on_dask.common.kernel import Kernel
from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.data_provider.files import File


class Destination:
    """One file on the side of the apps.

    It is shared by the calls that use it until the last of them is done; the next call after that gets it anew.

    - `url`: where it comes from, or goes to.
    - `path`: where it is for the apps.
    - `version`: names this file of this time, for :func:`~parsl_on_dask.remote.placing.place`.
    """

    def __init__(self, url: str, path: str) -> None:
        self.url = url
        self.path = path
        self.version = uuid.uuid4().hex
        self._users: weakref.WeakSet[Future[Any]] = weakref.WeakSet()
        self._tasks: dict[str, Future[Any]] = {}

    def used_by(self, future: Future[Any]) -> None:
        """Note that the file is in use until this future is done."""
        self._users.add(future)

    @property
    def in_use(self) -> bool:
        """Whether a call that uses it is not done."""
        return any(not future.done() for future in list(self._users))

    def under_way(self, executor: str) -> Future[Any] | None:
        """The task that brings the file right now for an executor."""
        task = self._tasks.get(executor)
        return None if task is None or task.done() else task

    def brought_by(self, executor: str, task: Future[Any]) -> None:
        """Note the task that brings the file."""
        self._tasks[executor] = task
        task.add_done_callback(lambda _: self._tasks.pop(executor, None))


class Destinations:
    """Gives out destinations. A :class:`~parsl_on_dask.data_provider.data_manager.DataManager` has one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._at: dict[str, dict[int, Destination]] = {}
        self._of: weakref.WeakKeyDictionary[File, Destination] = weakref.WeakKeyDictionary()
        self._sweep_at = 1000

    @contextmanager
    def for_call(self, future: Future[Any]) -> Iterator[None]:
        """What is given out in this block, in this thread, is in use until `future` is done."""
        before = getattr(self._local, "call", None)
        self._local.call = future
        try:
            yield
        finally:
            self._local.call = before

    def at(self, path: str, url: str, parent: Future[Any] | None = None) -> Destination:
        """The destination of a file.

        - `path`: where it should be. While another file is in use there, it is put in a directory of its own beside it.
        - `parent`: what makes the file, if an app does: its file is another one than what was there before.
        """
        # the futures that providers are given are made for one call; what they wait for is the same for all
        made_by = id(getattr(parent, "parent", parent)) if parent is not None else 0
        with self._lock:
            self._sweep()
            if any(other.url != url and other.in_use for other in self._at.get(path, {}).values()):
                import hashlib

                folder, name = os.path.split(path)
                path = os.path.join(folder, hashlib.blake2b(url.encode(), digest_size=4).hexdigest(), name)
            here = self._at.setdefault(path, {})
            found = here.get(made_by)
            if found is None or found.url != url or not found.in_use:
                found = here[made_by] = Destination(url, path)
            call = getattr(self._local, "call", None)
            if call is not None:
                found.used_by(call)
            return found

    def of(self, file: File) -> Destination:
        """The destination that was given out last for this very File."""
        known = self._of.get(file)
        return Destination(file.url, file.filepath) if known is None else known

    def note(self, file: File, found: Destination) -> None:
        """Note where a File will be, and set its ``local_path``."""
        self._of[file] = found
        file.local_path = found.path

    def _sweep(self) -> None:
        if len(self._at) >= self._sweep_at:
            self._at = {path: here for path, here in self._at.items() if any(x.in_use for x in here.values())}
            self._sweep_at = max(1000, 2 * len(self._at))


class Manager(Protocol):
    """A DataManager, as staging providers see it."""

    destinations: Destinations
    dfk: Kernel

    def at_end(self, step: Callable[[], None]) -> None: ...


def local_path(dm: Manager, executor: str, file: File, name: str | None = None) -> str:
    """Where a file goes by default: into the executor's ``working_dir``, or where its apps run.

    - `dm`, `executor`, `file`: as a provider gets them.
    - `name`: its name there, which may have directories. Default: the file's own.

    Raises ValueError when that would be no file below that directory.
    """
    name = file.filename if name is None else name
    parts = name.split("/")
    if not parts[-1] or ".." in parts or "." in parts or name.startswith("/") or "\0" in name:
        raise ValueError(
            f"{file.url!r} cannot be staged: its last part, {name!r}, is not the name of a file below the working "
            "directory. Write a URL that ends with a file's name, without '..'"
        )
    folder = working_dir(dm, executor)
    return os.path.join(folder, name) if folder else name


def working_dir(dm: Manager, executor: str) -> str | None:
    """The ``working_dir`` of an executor, if it has one."""
    found: str | None = getattr(dm.dfk.executors[executor], "working_dir", None)
    return found


def destination(
    dm: Manager,
    executor: str,
    file: File,
    parent: Future[Any] | None = None,
    name: str | None = None,
    url: str | None = None,
) -> Destination:
    """Set a file's ``local_path`` to where it will be for the apps of an executor.

    - `dm`, `executor`, `file`: as a provider gets them.
    - `parent`: what makes the file.
    - `name`: its name below the working directory. Default: the file's own.
    - `url`: what it is known by. Default: the file's own.

    Raises ValueError when its name is none for a file.
    """
    found = dm.destinations.at(local_path(dm, executor, file, name), file.url if url is None else url, parent)
    dm.destinations.note(file, found)
    return found


def bring_by_task(
    dm: Manager,
    executor: str,
    file: File,
    where: Destination,
    task: Any,
    *args: Any,
    run_by: str | None = None,
    **options: Any,
) -> DataFuture:
    """Have a task of its own bring a file to an executor, or join one that does so right now.

    - `task`: is called with `args`, ``outputs=[file]`` and `options`.
    - `run_by`: label of the executor that runs it. Default: `executor`.
    """
    bringing = where.under_way(executor)
    if bringing is None:
        bringing = dm.dfk.submit(
            task,
            app_args=args,
            executors=[run_by or executor],
            app_kwargs={"outputs": [file], "_parsl_staging_inhibit": True, **options},
        )
        where.brought_by(executor, bringing)
    return DataFuture(bringing, file, tid=getattr(bringing, "tid", -1))
