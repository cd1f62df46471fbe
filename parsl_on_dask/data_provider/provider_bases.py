"""What staging providers have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, ClassVar

from parsl_on_dask.common.arguments import need_number
from parsl_on_dask.data_provider.data_future import DataFuture
from parsl_on_dask.data_provider.destinations import Manager, bring_by_task, destination, working_dir
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.data_provider.staging import Staging
from parsl_on_dask.importing.lazily import by_name
from parsl_on_dask.remote.wrapping import TransferWrapper
from parsl_on_dask.utils import RepresentationMixin

#: Label of the threads in the submitting process that run tasks which move files from there.
INTERNAL = "_parsl_internal"
#: How many functions with transfers around them a provider remembers.
_REMEMBERED = 256


class SchemeStaging(Staging, RepresentationMixin):
    """Base of providers that go by the scheme of a file's URL.

    Attributes
    ----------
    schemes : sequence of str
    takes_outputs : bool
        Whether files are taken from apps, too.
    """

    schemes: Sequence[str] = ()
    takes_outputs: ClassVar[bool] = True

    def can_stage_in(self, file: File) -> bool:
        """True for its schemes."""
        return file.scheme in self.schemes

    def can_stage_out(self, file: File) -> bool:
        """True for its schemes, if it takes files from apps."""
        return self.takes_outputs and file.scheme in self.schemes


class FetchingStaging(SchemeStaging):
    """Base of providers that only fetch files.

    Attributes
    ----------
    fetcher : str
        The function that does it: its module below ``parsl_on_dask.remote``, a colon, and its name.
    """

    takes_outputs = False
    fetcher: ClassVar[str]

    def __init__(self, *, timeout: float = 30, retries: int = 3) -> None:
        self.timeout = timeout
        self.retries = retries
        owner = type(self).__name__
        need_number(owner, "timeout", timeout, kind=float, above=0, example="30")
        need_number(owner, "retries", retries, at_least=0, example="3")

    def _fetcher(self) -> Any:
        return by_name(f"remote.{self.fetcher}")  # late: it needs ssl and much else


class FetchingTask(FetchingStaging):
    """Fetches in tasks of its own, which run the fetcher."""

    def stage_in(self, dm: Manager, executor: str, file: File, parent_fut: Future[Any] | None) -> DataFuture:
        """Start the task, or join one that brings the file already."""
        where = destination(dm, executor, file, parent_fut)
        return bring_by_task(
            dm,
            executor,
            file,
            where,
            self._fetcher(),
            working_dir(dm, executor),
            parent_fut=parent_fut,
            version=where.version,
            timeout=self.timeout,
            retries=self.retries,
        )


class FetchingInTask(FetchingStaging):
    """Fetches in the task that needs the file, before it runs."""

    def stage_in(self, dm: Manager, executor: str, file: File, parent_fut: Future[Any] | None) -> None:
        """Decide where the file will be."""
        destination(dm, executor, file, parent_fut)

    def replace_task(self, dm: Manager, executor: str, file: File, f: Callable[..., Any]) -> Callable[..., Any] | None:
        """The function with the fetching before it."""
        from parsl_on_dask.remote.staged import staged_in

        where = dm.destinations.of(file)
        return staged_in(f, self._fetcher(), file.url, where.path, self.timeout, self.retries, where.version)


class WrappingStaging(SchemeStaging):
    """Base of providers whose wrapper around a function moves all of its files that go one way."""

    wrapper: ClassVar[type[TransferWrapper]]

    def __init__(self) -> None:
        #: One for all calls of a function, so that it is sent to a worker once.
        self._wrappers: OrderedDict[tuple[int, str, str], tuple[Any, Any, TransferWrapper]] = OrderedDict()

    @abstractmethod
    def _wrapping(self, dm: Manager, executor: str) -> tuple[Any, ...] | None:
        """What the wrapper is made with, besides function and way; None where nothing is moved."""

    def replace_task(self, dm: Manager, executor: str, file: File, func: Callable[..., Any]) -> TransferWrapper | None:
        """The function with the transfers before it."""
        return self._wrapped(dm, executor, func, "in")

    def replace_task_stage_out(
        self, dm: Manager, executor: str, file: File, func: Callable[..., Any]
    ) -> TransferWrapper | None:
        """The function with the transfers after it."""
        return self._wrapped(dm, executor, func, "out")

    def _wrapped(self, dm: Manager, executor: str, func: Callable[..., Any], way: str) -> TransferWrapper | None:
        parts = self._wrapping(dm, executor)
        if parts is None or self.wrapper.wraps(func, way):
            return None
        key = (id(func), way, executor)
        known = self._wrappers.get(key)
        if known is None or known[0] is not func or known[1] != parts:
            known = self._wrappers[key] = (func, parts, self.wrapper(func, way, *parts))
            while len(self._wrappers) > _REMEMBERED:
                self._wrappers.popitem(last=False)
        return known[2]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_wrappers": OrderedDict()}
