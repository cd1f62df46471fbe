"""Apps in threads of the script's own process."""

from __future__ import annotations

import os
import threading
from typing import Any

from parsl_on_dask.common.arguments import need, need_number
from parsl_on_dask.executors.lane_executor import LaneExecutor
from parsl_on_dask.old_spellings.dialect import old_defaults
from parsl_on_dask.old_spellings.legacy import warn_once
from parsl_on_dask.utils import RepresentationMixin


class ThreadPoolExecutor(LaneExecutor, RepresentationMixin):
    """Runs apps in threads of the script's process: the default executor.

    Arguments and results are handed over by reference, nothing is pickled. The behaviour is that of Parsl's
    ``parsl.executors.threads``. A Dask cluster in this process, whose tasks run on the same threads, is made when
    something of Dask's is asked for (``docs/dask.md``).

    Parameters
    ----------
    label : str
        Name of the executor in its Config. Default ``"threads"``.
    max_threads : int or None
        Default 2. None is :class:`concurrent.futures.ThreadPoolExecutor`'s own choice.
    thread_name_prefix : str, optional
        How the names of the threads begin. Default ``"ThreadPoolExecutor-" + label``.
    storage_access : list of Staging, optional
        How files get to the apps. Default: the usual ways; an empty list: none.
    working_dir : str, optional
        Where staged files go.
    remote_monitoring_radio : optional
        How apps report to monitoring, when there is any.
    managed
        Of Parsl's earlier releases; accepted when True, and reported once.
    batching, max_batch, in_flight, inline_limit
        See :class:`~parsl_on_dask.executors.lane_executor.LaneExecutor`.

    Raises
    ------
    ConfigurationError
        When an argument cannot be used.

    Examples
    --------
    >>> ThreadPoolExecutor(max_threads=4).max_threads
    4
    """

    kind: str = "threads"
    _legacy_arguments = frozenset({"managed"})

    @old_defaults
    def __init__(
        self,
        label: str = "threads",
        max_threads: int | None = 2,
        thread_name_prefix: str | None = None,
        storage_access: list[Any] | None = None,
        working_dir: str | None = None,
        remote_monitoring_radio: Any = None,
        *,
        managed: bool | None = None,
        batching: bool = True,
        max_batch: int = 512,
        in_flight: int | None = None,
        inline_limit: int = 65536,
    ) -> None:
        given = locals()
        super().__init__()
        self._describe(given)
        self.max_threads = max_threads
        self.thread_name_prefix = f"ThreadPoolExecutor-{label}" if thread_name_prefix is None else thread_name_prefix
        self.managed = managed
        check_managed(type(self).__name__, managed)
        self.validate()

    def validate(self) -> None:
        super().validate()
        owner = type(self).__name__
        need_number(owner, "max_threads", self.max_threads, at_least=1, optional=True, example="4")
        need(owner, "thread_name_prefix", self.thread_name_prefix, str)

    @property
    def workers_per_node(self) -> int:
        """The number of threads."""
        return min(32, (os.cpu_count() or 1) + 4) if self.max_threads is None else self.max_threads

    def shutdown(self, block: bool = True) -> None:
        """Finish the calls that were given, then end the threads. Quiet when nothing is started.

        Parameters
        ----------
        block : bool
            False returns at once and finishes in the background. Default True.
        """
        if block:
            self._close(wait=True)
        else:
            threading.Thread(target=self._close, args=(True,), name=f"{self.thread_name_prefix}-shutdown").start()

    @property
    def provider(self) -> None:
        """None: threads need no blocks."""
        return None

    def scale_out(self, workers: int = 1) -> list[str]:
        """Return an empty list: the number of threads is fixed."""
        return super().scale_out(workers)

    def monitor_resources(self) -> bool:
        """Return False: threads of one process cannot be told apart."""
        return False


def check_managed(owner: str, managed: Any) -> None:
    """Accept the removed argument ``managed`` where it means what happens anyway."""
    if managed is None:
        return
    need(owner, "managed", managed, bool)
    if managed:
        warn_once("executor.managed", f"{owner}(managed=True) is what happens anyway; leave it out.")
        return
    from parsl_on_dask.errors import ConfigurationError

    raise ConfigurationError(
        f"{owner}(managed=False): the kernel starts and ends every executor of its Config. "
        "Leave managed out; for a cluster that lives longer than the kernel use DaskExecutor('tcp://...')."
    )
