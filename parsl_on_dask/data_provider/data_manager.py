"""Finds the provider that stages a file, and lets it change the call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Literal

from parsl_on_dask.common.kernel import Kernel
from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.data_provider.destinations import Destinations
from parsl_on_dask.data_provider.file_noop import NoOpFileStaging
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.ftp import FTPSeparateTaskStaging
from parsl_on_dask.data_provider.http import HTTPSeparateTaskStaging
from parsl_on_dask.data_provider.staging import Staging
from parsl_on_dask.data_provider.zip import ZipFileStaging

logger = logging.getLogger("parsl.data_provider.data_manager")

default_staging: list[Staging] = [
    NoOpFileStaging(),
    FTPSeparateTaskStaging(),
    HTTPSeparateTaskStaging(),
    ZipFileStaging(),
]
"""Providers of executors that have ``storage_access=None``."""

#: What providers are asked about when an error has to say what could be staged.
_WELL_KNOWN = ("file", "http", "https", "ftp", "globus", "zip", "s3", "gs", "abfs", "ssh", "rsync", "worker")

Direction = Literal["in", "out"]


class DataManager:
    """Finds the staging provider for a file and lets it work. The kernel has one, ``dfk.data_manager``.

    All methods raise ValueError when no provider of the executor accepts the file, and KeyError when no executor
    has the label: both while the app is being called. (Parsl's DataManager.)

    Parameters
    ----------
    dfk : DataFlowKernel
        Only its ``executors`` are read; staging providers may use all of it.
    """

    def __init__(self, dfk: Kernel) -> None:
        self.dfk = dfk
        self.destinations = Destinations()
        self._at_end: list[Callable[[], None]] = []

    def at_end(self, step: Callable[[], None]) -> None:
        """Have a provider's clean-up done when the kernel's begins, while the executors still run."""
        self._at_end.append(step)

    def close(self) -> None:
        """Do what :meth:`at_end` was told. The kernel calls it."""
        while self._at_end:
            try:
                self._at_end.pop()()
            except Exception:
                logger.exception("A staging provider could not clean up")

    def optionally_stage_in(
        self, input: Any, func: Callable[..., Any], executor: str
    ) -> tuple[Any, Callable[..., Any]]:
        """Stage an argument in, if it is a file.

        Parameters
        ----------
        input
            An argument of an app. A File or DataFuture is staged, on a copy of the file; anything else is not.
        func : callable
            The app's function.
        executor : str
            Label of the executor that will run it.

        Returns
        -------
        tuple
            Argument and function to use instead.
        """
        if isinstance(input, DataFuture):
            file = input.file_obj.cleancopy()
            # done when the original is, but with the copy that the provider may write to
            input = DataFuture(input, file, tid=input.tid)
        elif isinstance(input, File):
            input = file = input.cleancopy()
        else:
            return input, func
        return self.stage_in(file, input, executor), self.replace_task(file, func, executor)

    def stage_in(self, file: File, input: Any, executor: str) -> Any:
        """Let a provider prepare a file for an app.

        Parameters
        ----------
        file : File
            The copy that the provider may write to.
        input : File or DataFuture
            What the app is given unless the provider has something else.
        executor : str
            Label of the executor that will run the app.

        Returns
        -------
        File or DataFuture
        """
        parent = input if isinstance(input, DataFuture) else None
        staged = self._provider("in", file, executor).stage_in(self, executor, file, parent_fut=parent)
        return input if staged is None else staged

    def replace_task(self, file: File, func: Callable[..., Any], executor: str) -> Callable[..., Any]:
        """The function to run, possibly wrapped by the provider that stages `file` in."""
        wrapped = self._provider("in", file, executor).replace_task(self, executor, file, func)
        return func if wrapped is None else wrapped

    def stage_out(self, file: File, executor: str, app_fu: Future[Any]) -> Future[Any] | None:
        """Let a provider prepare for taking a file away.

        Parameters
        ----------
        file : File
            The copy that the provider may write to.
        executor : str
            Label of the executor that will run the app.
        app_fu : Future
            The app that makes the file.

        Returns
        -------
        Future or None
            What completes the file; None when `app_fu` does.
        """
        return self._provider("out", file, executor).stage_out(self, executor, file, app_fu)

    def replace_task_stage_out(self, file: File, func: Callable[..., Any], executor: str) -> Callable[..., Any]:
        """The function to run, possibly wrapped by the provider that stages `file` out."""
        wrapped = self._provider("out", file, executor).replace_task_stage_out(self, executor, file, func)
        return func if wrapped is None else wrapped

    def _provider(self, direction: Direction, file: File, executor: str) -> Staging:
        providers = self._providers(executor)
        for provider in providers:
            if _accepts(provider, direction, file):
                logger.debug("%r stages %s %r on executor %s", provider, direction, file, executor)
                return provider
        raise ValueError(_no_provider(direction, file, executor, providers))

    def _providers(self, executor: str) -> Sequence[Staging]:
        try:
            described = self.dfk.executors[executor]
        except KeyError:
            labels = ", ".join(repr(label) for label in self.dfk.executors if not label.startswith("_"))
            raise KeyError(
                f"a file was given to an app with executors=[{executor!r}], and no executor has that label: "
                f"use {labels}"
            ) from None
        providers: Sequence[Staging] | None = getattr(described, "storage_access", None)
        return default_staging if providers is None else providers


def _accepts(provider: Staging, direction: Direction, file: File) -> bool:
    return provider.can_stage_in(file) if direction == "in" else provider.can_stage_out(file)


def _no_provider(direction: Direction, file: File, executor: str, providers: Sequence[Staging]) -> str:
    could = {scheme: name for scheme in reversed(_WELL_KNOWN) for name in _names_for(scheme, direction, providers)}
    if not providers:
        has = "it has storage_access=[], which stages nothing"
    elif could:
        schemes = ", ".join(f"{scheme} ({could[scheme]})" for scheme in _WELL_KNOWN if scheme in could)
        has = f"it can stage {direction} these schemes: {schemes}"
    else:
        has = f"its providers {[type(p).__name__ for p in providers]} accept no common scheme"
    local = "copy it to a path that the workers see and give that" if direction == "in" else "write to a local path"
    what = f"stage file {file!r}" if direction == "in" else f"stage out file {file!r}"
    return (
        f"Executor {executor} cannot {what}: no provider accepts it (scheme {file.scheme!r}); {has}. "
        f"Either {local}, or give the executor storage_access=[...] with a Staging class for {file.scheme!r}; "
        "FsspecStaging takes what fsspec knows, such as s3, gs and ssh"
    )


def _names_for(scheme: str, direction: Direction, providers: Sequence[Staging]) -> list[str]:
    example = File("zip:/a.zip/name" if scheme == "zip" else f"{scheme}://host/path/name")
    for provider in providers:
        try:
            accepted = _accepts(provider, direction, example)
        except Exception:  # a provider may look closer than an example can stand
            accepted = False
        if accepted:
            return [type(provider).__name__]
    return []
