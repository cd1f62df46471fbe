"""Copying files from and to any file system that fsspec knows, on the worker that needs or has them."""

from __future__ import annotations

import hashlib
import os
import posixpath
import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

from .attempts import retried
from .errors import Failure
from .internals import parent_of
from .locks import kept_while_used
from .placing import place
from .wrapping import TransferWrapper, marked

T = TypeVar("T")

HOST = socket.gethostname()
#: Name of the attribute by which files are told from others.
MARK = "_parsl_fsspec"
#: What has to be installed for the protocols that need something.
PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "adl": "adlfs",
    "ssh": "sshfs",
    "sftp": "paramiko",
    "hdfs": "pyarrow",
    "arrow_hdfs": "pyarrow",
    "webhdfs": "requests",
    "http": "aiohttp",
    "https": "aiohttp",
    "smb": "smbprotocol",
    "webdav": "webdav4",
    "oss": "ossfs",
    "oci": "ocifs",
    "hf": "huggingface_hub",
    "dropbox": "dropboxdrivefs",
    "box": "boxfs",
    "root": "fsspec-xrootd",
    "github": "requests",
    "git": "pygit2",
    "lakefs": "lakefs-spec",
    "dvc": "dvc",
}
#: Where a file appears under its name only when all of it has been written.
WHOLE = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "tos", "memory", "hf", "http", "https"}
)
#: Seconds before the second try; each further one waits twice as long.
PAUSE = 0.5


class FsspecTransfers(TransferWrapper):
    """Fetches marked files before a function runs, or sends those that it made.

    - `function`, `way`: as of :class:`~parsl_on_dask.remote.wrapping.TransferWrapper`.
    - `options`: of each protocol: ``{"s3": {"key": ...}}``.
    - `settings`: ``keep``, ``timeout``, ``attempts``.
    """

    def __init__(
        self, function: Callable[..., Any], way: str, options: dict[str, dict[str, Any]], settings: dict[str, Any]
    ) -> None:
        super().__init__(function, way)
        self.options = options
        self.settings = settings

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        keep = self.settings["keep"]
        going = []
        with ExitStack() as stack:
            for _, file, note in marked(args, kwargs, MARK):
                if note["way"] != self.way:
                    continue
                file.local_path = os.path.abspath(note["local"])
                if note["separate"]:  # a task of its own brought it, or takes it
                    os.makedirs(os.path.dirname(file.local_path), exist_ok=True)
                elif self.way == "in":
                    if not keep:
                        stack.enter_context(kept_while_used(file.local_path))
                    self.copy(fetch, note, file.local_path)
                else:
                    os.makedirs(os.path.dirname(file.local_path), exist_ok=True)
                    if not keep:
                        stack.callback(remove, file.local_path)
                    going.append((file, note))
            try:
                value = super().__call__(*args, **kwargs)
            except BaseException:
                for file, note in going:
                    # what a failed app wrote to its output streams says why
                    if file in (kwargs.get("stdout"), kwargs.get("stderr")) and os.path.isfile(file.local_path):
                        with suppress(Exception):
                            self.copy(send, note, file.local_path)
                raise
            for file, note in going:
                self.copy(send, note, file.local_path)
            return value

    def copy(self, how: Callable[..., None], note: dict[str, Any], local: str) -> None:
        protocol = note["url"].partition(":")[0]
        how(
            note["url"],
            local,
            self.options.get(protocol, {}),
            self.settings["timeout"],
            self.settings["attempts"],
            self.__name__,
        )


def _fsspec_stage_in(
    url: str, local: str, options: dict[str, Any], settings: dict[str, Any], parent: Any = None, **_: Any
) -> None:
    """Fetch a file, as a task of its own."""
    fetch(url, os.path.abspath(local), options, settings["timeout"], settings["attempts"], "_fsspec_stage_in")


def _fsspec_stage_out(
    url: str, local: str, options: dict[str, Any], settings: dict[str, Any], parent: Any = None, **_: Any
) -> None:
    """Send a file, as a task of its own."""
    path = os.path.abspath(local)
    send(url, path, options, settings["timeout"], settings["attempts"], "_fsspec_stage_out")
    if not settings["keep"]:
        remove(path)


def fetch(url: str, local: str, options: dict[str, Any], timeout: float, attempts: int, app: str) -> None:
    """Copy a file from a file system to here, unless that very version of it is here.

    - `local`: absolute path. Nobody sees half of the file under this name.
    - `options`: of the file system.
    - `timeout`: seconds that the file system has to answer, and that a copy may take without progress.
    - `app`: for error texts.

    Raises Failure: ``StagingError``, which says what was to be copied where, and why that failed.
    """

    def copy() -> None:
        fs, path = _open(url, options, timeout)
        info = _in_time(lambda: _info(fs, path), timeout, f"{_host(url)} did not answer")
        if info.get("type") == "directory":
            raise IsADirectoryError(f"it is a directory: give each of its files, or an archive, instead of {url}")
        size = info.get("size")

        def write(part: str) -> None:
            progress = CopyProgress(part)
            _in_time(
                lambda: fs.get_file(path, part, callback=progress.callback()),
                timeout,
                "nothing more was copied",
                progress,
            )
            got = os.path.getsize(part)
            if size is not None and got != size:
                raise ConnectionError(f"{got} of {size} bytes came")

        place(local, write, key=url, version=_version(fs, path, info))

    _try(copy, attempts, "in", url, local, app)


def send(url: str, local: str, options: dict[str, Any], timeout: float, attempts: int, app: str) -> None:
    """Copy a file from here to a file system; parameters and errors as for :func:`fetch`."""
    if not os.path.isfile(local):
        what = "a directory was made where a file" if os.path.isdir(local) else "it was not made, and"
        raise Failure("MissingOutputs", f"App {app}: {what} was to be sent to {url}", [local])

    def copy() -> None:
        fs, path = _open(url, options, timeout)
        _in_time(lambda: _make_way(fs, url, path), timeout, f"{_host(url)} did not answer")
        size = os.path.getsize(local)
        progress = CopyProgress(None)

        def put(target: str) -> None:
            _in_time(
                lambda: fs.put_file(local, target, callback=progress.callback()),
                timeout,
                "nothing more was copied",
                progress,
            )
            fs.invalidate_cache(parent_of(fs, target))
            there = _in_time(lambda: fs.info(target), timeout, f"{_host(url)} did not answer").get("size")
            if there is not None and there != size:
                raise ConnectionError(f"{there} of {size} bytes arrived")

        if url.partition(":")[0] in WHOLE:
            put(path)
            return
        part = posixpath.join(posixpath.dirname(path), f".parsl-{os.urandom(8).hex()}.part")
        try:
            put(part)
            fs.mv(part, path)
        except BaseException:
            with suppress(Exception):
                fs.rm_file(part)
            raise

    _try(copy, attempts, "out", url, local, app)


def _open(url: str, options: dict[str, Any], timeout: float) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    opened: tuple[Any, str] = _in_time(lambda: url_to_fs(url, **options), timeout, f"{_host(url)} did not answer")
    return opened


def _info(fs: Any, path: str) -> dict[str, Any]:
    fs.invalidate_cache(parent_of(fs, path))  # it may have been listed before it was written
    found: dict[str, Any] = fs.info(path)
    return found


def _version(fs: Any, path: str, info: dict[str, Any]) -> str | None:
    """What changes when the file does; None where that cannot be told."""
    if not any(name in info for name in ("ETag", "etag", "md5Hash", "LastModified", "mtime", "created", "modified")):
        return None
    return hashlib.blake2b(repr(sorted(info.items(), key=lambda i: i[0])).encode(), digest_size=12).hexdigest()


def _make_way(fs: Any, url: str, path: str) -> None:
    """Make the directory of an output, where there are directories."""
    if url.partition(":")[0] not in WHOLE - {"memory"}:
        fs.makedirs(parent_of(fs, path), exist_ok=True)


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2] or url


# -- time ------------------------------------------------------------------------------------------------------


class CopyProgress:
    """When a copy last moved on; unknown before it first did, since not every file system tells."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.size = 0
        self.moved: float | None = None

    def callback(self) -> Any:
        from fsspec.callbacks import Callback

        progress = self

        class Watched(Callback):  # type: ignore[misc]
            def call(self, *_: Any, **__: Any) -> None:
                progress.moved = time.monotonic()

        return Watched()

    def stalled(self) -> float:
        """Seconds since it last moved on."""
        if self.path is not None:
            with suppress(OSError):
                size = os.path.getsize(self.path)
                if size != self.size:
                    self.size, self.moved = size, time.monotonic()
        return 0.0 if self.moved is None else time.monotonic() - self.moved


def _in_time(step: Callable[[], T], timeout: float, problem: str, progress: CopyProgress | None = None) -> T:
    """The result of a step; TimeoutError when it takes too long. It is then left behind, in a thread of its own."""
    outcome: list[Any] = []
    ended = threading.Event()

    def run() -> None:
        try:
            outcome.append((step(), None))
        except BaseException as e:
            outcome.append((None, e))
        ended.set()

    threading.Thread(target=run, name="parsl-fsspec", daemon=True).start()
    began = time.monotonic()
    # in short pieces, since an exception meant for this thread is only raised between two of them
    while not ended.wait(0.25):
        waited = time.monotonic() - began if progress is None else progress.stalled()
        if waited > timeout:
            raise TimeoutError(f"{problem} within {timeout} s (FsspecStaging's timeout)")
    value, error = outcome[0]
    if error is not None:
        raise error
    result: T = value
    return result


# -- errors ----------------------------------------------------------------------------------------------------


def _try(copy: Callable[[], None], attempts: int, way: str, url: str, local: str, app: str) -> None:
    try:
        retried(copy, attempts, PAUSE, _may_pass)
    except Exception as e:
        reason = f"{_explained(e, url.partition(':')[0])} (app {app!r})"
        raise Failure("StagingError", way, url, local, HOST, reason) from e


def _may_pass(e: Exception) -> bool:
    """Whether another try may go better."""
    if isinstance(e, (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError)):
        return False
    if isinstance(e, OSError) and e.errno in (28, 122):  # no space
        return False
    return isinstance(e, (OSError, EOFError)) or any(w in type(e).__name__ for w in ("Timeout", "Connect", "SSH"))


def _explained(e: Exception, protocol: str) -> str:
    """What went wrong, and what can be done about it."""
    if isinstance(e, ImportError):
        named = PACKAGES.get(protocol, "the package of this file system")
        return (
            f"{protocol}:// needs {named}, which is not installed in the Python of the worker ({e}). "
            f"Install it there: pip install {named}"
        )
    if isinstance(e, FileNotFoundError):
        return f"there is no such file ({e}). Check its name, and its bucket or directory"
    text = f"{type(e).__name__}: {e}"
    if isinstance(e, PermissionError) or _is_refusal(e):
        return (
            f"{text}. Check the credentials: FsspecStaging(storage_options={{{protocol!r}: {{...}}}}), or what the "
            "file system takes from the environment of the workers"
        )
    return text


def _is_refusal(e: Exception) -> bool:
    names = {cls.__name__ for cls in type(e).__mro__}
    return bool(
        names & {"NoCredentialsError", "PartialCredentialsError", "AuthenticationException", "PermissionDenied"}
    ) or any(word in str(e) for word in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "Forbidden"))


# -- copies ----------------------------------------------------------------------------------------------------


def remove(path: str) -> None:
    """Delete a copy and, if nothing else is in it, its folder; quiet when that cannot be done."""
    with suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    with suppress(OSError):
        os.rmdir(os.path.dirname(path))
