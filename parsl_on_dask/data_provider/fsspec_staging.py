"""Files on any file system that fsspec knows: S3, Google Cloud Storage, Azure, SSH, HDFS and many more."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.arguments import need, need_number
from parsl_on_dask.data_provider.destinations import Manager, working_dir
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.provider_bases import WrappingStaging
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.remote.filesystems import MARK, PACKAGES, FsspecTransfers, _fsspec_stage_in, _fsspec_stage_out

if TYPE_CHECKING:
    from parsl_on_dask.data_provider.data_future import DataFuture

#: What is staged unless ``protocols`` says something else.
COMMON = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "ssh", "sftp", "hdfs", "webhdfs", "memory")


class _Hidden(dict[str, Any]):
    """Options whose values are not shown: a configuration is logged, and there may be passwords among them."""

    def __repr__(self) -> str:
        shown = (f"{k!r}: {_Hidden(v)!r}" if isinstance(v, Mapping) else f"{k!r}: ..." for k, v in self.items())
        return f"{{{', '.join(shown)}}}"


class FsspecStaging(WrappingStaging):
    """Stages files on any file system that fsspec knows, in and out: ``s3://bucket/name``, ``ssh://host/path``, ….

    A file is copied on the worker, by the task that needs or makes it, to ``working_dir`` of the executor or else to
    the directory in which the worker runs, in a folder of its own for each URL. Tasks of one host that want the same
    URL at the same time share one copy. fsspec comes with Dask; the package of a file system (s3fs, gcsfs, adlfs,
    sshfs, paramiko, …) has to be installed on the workers. Not in Parsl; the file systems
    are those of fsspec's documentation.

    Parameters
    ----------
    protocols : str or list of str
        The schemes to stage. Default: s3, s3a, gs, gcs, abfs, abfss, az, ssh, sftp, hdfs, webhdfs and memory.
    storage_options : dict, optional
        What the file systems are opened with. Options of one protocol: ``{"s3": {"key": ..., "secret": ...}}``; or,
        when there is only one protocol, just its options. They travel to the workers with the calls; leave them out
        where the workers find credentials in their environment.
    separate : bool, default False
        Whether each copy is a task of its own, ``_fsspec_stage_in`` or ``_fsspec_stage_out``, which may run on another
        worker than the app: for workers that share ``working_dir``.
    keep : bool, default False
        Whether copies stay when no task on their host needs them any more. Copies that tasks of their own brought
        stay in any case.
    timeout : float, default 60
        Seconds that a file system has to answer, and that a copy may make no progress, as far as the file system
        tells.
    attempts : int, default 3
        How often a copy is tried when the connection breaks.

    Raises
    ------
    ConfigurationError
        For a protocol that fsspec does not know, and for arguments of another kind.

    Examples
    --------
    >>> staging = FsspecStaging("s3", storage_options={"anon": True})
    >>> staging.can_stage_in(File("s3://bucket/in.txt")), staging.can_stage_in(File("gs://bucket/in.txt"))
    (True, False)
    """

    wrapper = FsspecTransfers

    def __init__(
        self,
        protocols: str | Iterable[str] = COMMON,
        storage_options: Mapping[str, Any] | None = None,
        *,
        separate: bool = False,
        keep: bool = False,
        timeout: float = 60.0,
        attempts: int = 3,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.schemes = self.protocols = [protocols] if isinstance(protocols, str) else list(protocols)
        self.storage_options = _Hidden(storage_options or {})
        self.separate = separate
        self.keep = keep
        self.timeout = timeout
        self.attempts = attempts
        need(owner, "separate", separate, bool)
        need(owner, "keep", keep, bool)
        need(owner, "timeout", timeout, int, float)
        if timeout <= 0:
            raise ConfigurationError(f"{owner}(timeout={timeout!r}): write a number of seconds, above 0")
        need_number(owner, "attempts", attempts, at_least=1, example="3")
        self._options = self._by_protocol()

    def _by_protocol(self) -> dict[str, dict[str, Any]]:
        from fsspec import available_protocols
        from fsspec.registry import registry

        owner = type(self).__name__
        known = {*available_protocols(), *registry, *PACKAGES}
        unknown = [p for p in self.protocols if p not in known]
        if unknown or not self.protocols:
            raise ConfigurationError(
                f"{owner}(protocols={self.protocols!r}): fsspec knows no {', '.join(map(repr, unknown))}; "
                f"it knows {', '.join(sorted(known))}"
            )
        options = self.storage_options
        if not options:
            return {}
        if set(options) <= set(self.protocols) and all(isinstance(o, Mapping) for o in options.values()):
            return {p: dict(o) for p, o in options.items()}
        if len(self.protocols) == 1:
            return {self.protocols[0]: dict(options)}
        raise ConfigurationError(
            f"{owner}(storage_options={{{', '.join(f'{k!r}: ...' for k in options)}}}): with several protocols write "
            f"the options of each, storage_options={{{self.protocols[0]!r}: {{...}}}}"
        )

    def stage_in(self, dm: Manager, executor: str, file: File, parent_fut: Future[Any] | None) -> DataFuture | None:
        """Say where the copy will be; start a task that makes it, if that is asked for."""
        folder = hashlib.blake2b(file.url.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
        local = self._mark(dm, executor, file, folder, "in")
        if not self.separate:
            return None
        task: Any = dm.dfk.submit(
            _fsspec_stage_in,
            app_args=(file.url, local, self._options.get(file.scheme, {}), self._settings(), parent_fut),
            executors=[executor],
            app_kwargs={"outputs": [file], "_parsl_staging_inhibit": True},
        )
        made: DataFuture = task.outputs[0]
        return made

    def stage_out(self, dm: Manager, executor: str, file: File, app_fu: Future[Any]) -> Future[Any] | None:
        """Say where the app writes the file; start a task that takes it from there, if that is asked for."""
        local = self._mark(dm, executor, file, uuid.uuid4().hex[:10], "out")
        if not self.separate:
            return None
        return dm.dfk.submit(
            _fsspec_stage_out,
            app_args=(file.url, local, self._options.get(file.scheme, {}), self._settings(), app_fu),
            executors=[executor],
            app_kwargs={"_parsl_staging_inhibit": True},
        )

    def _wrapping(self, dm: Manager, executor: str) -> tuple[Any, ...]:
        return self._options, self._settings()

    def _mark(self, dm: Manager, executor: str, file: File, folder: str, way: str) -> str:
        name = file.filename
        if name in ("", ".", ".."):
            raise ValueError(f"{file.url!r} names a directory: a file is staged, so write the URL of one")
        local = os.path.join(working_dir(dm, executor) or "", f"staged-{folder}", name)
        file.local_path = local
        setattr(file, MARK, {"way": way, "separate": self.separate, "url": file.url, "local": local})
        return local

    def _settings(self) -> dict[str, Any]:
        return {"keep": self.keep, "timeout": self.timeout, "attempts": self.attempts}
