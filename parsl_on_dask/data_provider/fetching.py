"""What the providers share that only fetch files, each in its two kinds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar

from parsl_on_dask.common.arguments import need_number
from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.landing import bring_by_task, land
from parsl_on_dask.data_provider.staging import Staging
from parsl_on_dask.utils import RepresentationMixin

if TYPE_CHECKING:
    from parsl_on_dask.data_provider.data_manager import DataManager


class Fetching(Staging, RepresentationMixin):
    """Base of providers that fetch files of some schemes."""

    schemes: ClassVar[tuple[str, ...]]

    def __init__(self, *, timeout: float = 30, retries: int = 3) -> None:
        self.timeout = timeout
        self.retries = retries
        owner = type(self).__name__
        need_number(owner, "timeout", timeout, kind=float, above=0, example="30")
        need_number(owner, "retries", retries, at_least=0, example="3")

    def can_stage_in(self, file: File) -> bool:
        """True for its schemes."""
        return file.scheme in self.schemes

    @staticmethod
    @abstractmethod
    def _fetcher() -> Callable[..., Any]:
        """The function that does it, imported late: it needs ssl and much else."""


class FetchingTask(Fetching):
    """Fetches in tasks of its own; ``_fetcher`` gives what these run."""

    def stage_in(self, dm: DataManager, executor: str, file: File, parent_fut: Future[Any] | None) -> DataFuture:
        """Start the task, or join one that brings the file already."""
        task = self._fetcher()
        return bring_by_task(dm, executor, file, parent_fut, task, timeout=self.timeout, retries=self.retries)


class FetchingInTask(Fetching):
    """Fetches in the task that needs the file; ``_fetcher`` gives what runs before it."""

    def stage_in(self, dm: DataManager, executor: str, file: File, parent_fut: Future[Any] | None) -> None:
        """Decide where the file will be."""
        land(dm, executor, file, parent_fut)

    def replace_task(
        self, dm: DataManager, executor: str, file: File, f: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """The function with the fetching before it."""
        from parsl_on_dask.remote.staged import staged_in

        landing = dm.landings.of(file)
        return staged_in(f, self._fetcher(), file.url, landing.path, self.timeout, self.retries, landing.batch)
