"""Files on Globus endpoints."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.common.arguments import need, need_number
from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.data_provider.destinations import Destination, Manager, bring_by_task, destination, working_dir
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.globus_service import Globus, get_globus, sdk
from parsl_on_dask.data_provider.provider_bases import INTERNAL, SchemeStaging
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.remote.staged import make_room, saying, staged_in

__all__ = ["Globus", "GlobusStaging", "cli_run", "get_globus"]


class GlobusStaging(SchemeStaging):
    """Has Globus transfer files to and from the endpoint that belongs to an executor.

    ``globus://ENDPOINT/path/name`` is a file on another endpoint. The executor's ``working_dir`` has to be set, and be
    reachable through the executor's own endpoint. The submitting process asks for the transfers, in tasks
    ``_globus_stage_in`` and ``_globus_stage_out``; you allow it to do so once with
    ``python -m parsl_on_dask globus-auth``.
    (Parsl's GlobusStaging.)

    Parameters
    ----------
    endpoint_uuid : str
        Id of the endpoint through which the ``working_dir`` can be reached.
    endpoint_path : str, optional
        A directory as the endpoint names it...
    local_path : str, optional
        ...and the same directory as the workers name it; ``working_dir`` must be that or below. Default: both name all
        directories alike.
    timeout : float, optional
        Seconds after which a transfer is cancelled. Default: none, since Globus itself tries for days.

    Raises
    ------
    ConfigurationError
        When one of them cannot be used.

    Examples
    --------
    >>> GlobusStaging("7d2dc622-2edb-11e8-b8be-0ac6873fc732", "/~/scratch", "/scratch/me").local_path
    '/scratch/me'
    """

    schemes = ("globus",)

    def __init__(
        self,
        endpoint_uuid: str,
        endpoint_path: str | None = None,
        local_path: str | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        self.endpoint_uuid = endpoint_uuid
        self.endpoint_path = endpoint_path
        self.local_path = local_path
        self.timeout = timeout
        self.globus: Globus | None = None
        owner = "GlobusStaging"
        need(owner, "endpoint_uuid", endpoint_uuid, str, hint="Write the id of an endpoint.")
        for name in ("endpoint_path", "local_path"):
            need(owner, name, getattr(self, name), str, type(None), hint="Write a path.")
        need_number(owner, "timeout", timeout, kind=float, above=0, optional=True, example="3600")
        if not endpoint_uuid:
            raise ConfigurationError("GlobusStaging(endpoint_uuid=''): write the id of an endpoint.")
        if (endpoint_path is None) != (local_path is None):
            raise ConfigurationError(
                "GlobusStaging: endpoint_path and local_path are two names of one directory. Give both or neither."
            )

    def stage_in(self, dm: Manager, executor: str, file: File, parent_fut: Future[Any] | None) -> DataFuture:
        """Start a task that has the file transferred."""
        where, path = self._destination(dm, executor, file, parent_fut)
        task = _named("_globus_stage_in", _globus_stage_in, self, path)
        return bring_by_task(dm, executor, file, where, task, run_by=INTERNAL, parent_fut=parent_fut)

    def stage_out(self, dm: Manager, executor: str, file: File, app_fu: Future[Any]) -> Future[Any]:
        """Start a task that has the file transferred when the app is done."""
        where, path = self._destination(dm, executor, file, None)
        moved = dm.dfk.submit(
            _named("_globus_stage_out", _globus_stage_out, self, path),
            app_args=(app_fu,),
            executors=[INTERNAL],
            app_kwargs={"inputs": [file], "_parsl_staging_inhibit": True},
        )
        where.used_by(moved)
        return moved

    def replace_task_stage_out(
        self, dm: Manager, executor: str, file: File, func: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """The function with the making of the file's directory before it."""
        return staged_in(func, make_room, file.url, dm.destinations.of(file).path)

    def initialize_globus(self) -> None:
        """Log in, if need be."""
        if self.globus is None:
            self.globus = get_globus()

    def _destination(
        self, dm: Manager, executor: str, file: File, parent: Future[Any] | None
    ) -> tuple[Destination, str]:
        """The destination, and the file's path as the executor's endpoint names it."""
        sdk()
        if not file.netloc:
            raise ValueError(f"{file.url!r} names no endpoint: write globus://ENDPOINT/path/name")
        folder = working_dir(dm, executor)
        if not folder:
            raise ValueError(
                f"executor working_dir must be specified for GlobusStaging: give the executor {executor!r} "
                "working_dir='/path' of a directory that its endpoint can reach"
            )
        where = destination(dm, executor, file, parent)
        path = os.path.normpath(where.path)
        if self.endpoint_path is not None and self.local_path is not None:
            below = os.path.relpath(path, os.path.normpath(self.local_path))
            if below.split(os.sep)[0] == os.pardir:
                raise ValueError(
                    f"GlobusStaging(local_path={self.local_path!r}): the executor's working_dir={folder!r} must "
                    "be that directory, or below it"
                )
            path = os.path.join(os.path.normpath(self.endpoint_path), below)
        return where, path


def _named(name: str, func: Any, *args: Any) -> Any:
    step = functools.partial(func, *args)
    step.__name__ = name  # type: ignore[attr-defined]
    return step


def _globus_stage_in(provider: GlobusStaging, path: str, outputs: Sequence[Any], **_: Any) -> None:
    """The task that has a file transferred before those that need it."""
    file = outputs[0]
    with saying("in", file.url, file.local_path):
        provider.initialize_globus()
        Globus.transfer_file(file.netloc, provider.endpoint_uuid, file.path, path, provider.timeout)


def _globus_stage_out(provider: GlobusStaging, path: str, app_fu: Any, inputs: Sequence[Any], **_: Any) -> None:
    """The task that has an app's output transferred."""
    file = inputs[0]
    with saying("out", file.url, file.local_path):
        provider.initialize_globus()
        Globus.transfer_file(provider.endpoint_uuid, file.netloc, path, file.path, provider.timeout)


def cli_run(argv: Sequence[str] | None = None) -> None:
    """The command ``globus-auth``: asks for leave to transfer files, unless it was given.

    Parameters
    ----------
    argv : sequence of str, optional
        Its words, of which it takes none but ``--help``. Default: none.
    """
    import sys

    from parsl_on_dask.common.command_line import CommandParser
    from parsl_on_dask.errors import OptionalModuleMissing

    CommandParser("globus-auth", description="Allow Globus to transfer files for you.").parse_args(argv or ())

    print("Parsl Globus command-line authorizer")
    print("If you have not allowed Parsl to transfer files for you, you are asked to now.")
    try:
        get_globus()
    except (OptionalModuleMissing, OSError) as e:
        sys.exit(f"parsl_on_dask globus-auth: {e}")
    except Exception as e:  # the service's own errors, of a module that may be missing
        sys.exit(f"parsl_on_dask globus-auth: Globus refused: {type(e).__name__}: {e}")
    print("Authorization complete")
