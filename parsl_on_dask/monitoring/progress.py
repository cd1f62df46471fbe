"""Bars that show how far tasks are, in a terminal, in a notebook, and in a log."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from parsl_on_dask.errors import ConfigurationError

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel

__all__ = ["Progress", "progress"]

#: Seconds between two looks, and between two lines where lines are all that can be shown.
LOOK = 0.2
LINE = 10.0


def progress(
    futures: Iterable[Future[Any]] | Future[Any] | None = None,
    *,
    background: bool = False,
    file: IO[str] | None = None,
    interval: float | None = None,
) -> Progress | None:
    """Show how far tasks are until they are done: done, running, waiting, failed and cached ones of each app.

    In a terminal these are bars, drawn with rich; in a notebook, bars in the output of the cell; anywhere else, a line
    every ten seconds. Exceptions of the tasks are not raised. Not in Parsl.

    Parameters
    ----------
    futures : future or iterable of futures, optional
        What to watch. Default: all tasks of the loaded kernel, also those that are made meanwhile.
    background : bool, default False
        Return at once and go on showing. What is returned is a context manager, and has ``stop()``.
    file : file, optional
        Where to. Default: ``sys.stderr``, or the notebook.
    interval : float, optional
        Seconds between two updates. Default: 0.2, and 10 between lines.

    Returns
    -------
    Progress or None
        Something to stop it with, if ``background``.

    Raises
    ------
    NoDataFlowKernelError
        Without futures, when nothing is loaded.
    ConfigurationError
        When `futures` are none, or the interval is not above 0.

    Examples
    --------
    >>> import parsl_on_dask as parsl  # doctest: +SKIP
    >>> results = [simulate(i) for i in range(1000)]  # doctest: +SKIP
    >>> parsl.progress()  # doctest: +SKIP
    """
    if interval is not None and not interval > 0:
        raise ConfigurationError(f"progress(interval={interval!r}): write seconds above 0, for example interval=1")
    watched: list[Future[Any]] | None = None
    kernel: Kernel | None = None
    if futures is None:
        from parsl_on_dask.dataflow.loader import DataFlowKernelLoader

        kernel = DataFlowKernelLoader.dfk()
    else:
        watched = [futures] if isinstance(futures, Future) else list(futures)
        for one in watched:
            if not isinstance(one, Future):
                raise ConfigurationError(
                    f"progress() watches futures, and got {one!r:.80}: give what calling apps returned"
                )
        kernel = next((r.dfk for f in watched if (r := getattr(f, "_record", None)) is not None), None)
    shown = Progress(kernel, watched, file, interval)
    if background:
        shown.start()
        return shown
    shown.wait()
    return None


class Progress:
    """Shows how far tasks are. :func:`progress` makes one.

    Parameters
    ----------
    kernel : Kernel, optional
    futures : list of futures, optional
        Default: all tasks of the kernel.
    file : file, optional
    interval : float, optional
    """

    def __init__(
        self,
        kernel: Kernel | None,
        futures: list[Future[Any]] | None = None,
        file: IO[str] | None = None,
        interval: float | None = None,
    ) -> None:
        from parsl_on_dask.monitoring.counts import Pace

        self.kernel = kernel
        self.futures = futures
        self.pace = Pace()
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None
        self.screen: Any = screen_for(file)
        self.interval = interval or (LINE if self.screen.slow else LOOK)

    def start(self) -> None:
        """Show it, in a thread, until :meth:`stop`."""
        self.thread = threading.Thread(target=self._show, name="parsl-progress", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Show how things are a last time, and no more. Quiet when called again."""
        self.ended.set()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(10)

    def wait(self) -> None:
        """Show it until all that is watched is done."""
        self.screen.open()
        try:
            while not self._look():
                self._rest()
        finally:
            self.screen.close(*self._now())

    def _rest(self) -> None:
        """Wait for the next update, or for the end if that comes before."""
        rest = self.interval
        while rest > 0 and not self.ended.wait(min(LOOK, rest)):
            rest -= LOOK
            if self.thread is None and self._all_done():
                return

    def __enter__(self) -> Progress:
        if self.thread is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _show(self) -> None:
        self.screen.open()
        try:
            while not self.ended.is_set():
                self._look()
                self._rest()
        finally:
            self.screen.close(*self._now())

    def _now(self) -> tuple[list[Any], Any]:
        from parsl_on_dask.monitoring import counts

        if self.futures is not None:
            rows = counts.of_futures(self.futures, self.kernel)
        else:
            assert self.kernel is not None
            rows = counts.of_kernel(self.kernel)
        self.pace.see(counts.total(rows))
        return rows, self.pace

    def _look(self) -> bool:
        self.screen.show(*self._now())
        return self._all_done()

    def _all_done(self) -> bool:
        if self.futures is not None:
            return all(f.done() for f in self.futures)
        from parsl_on_dask.common.states import FINAL_STATES

        assert self.kernel is not None
        with self.kernel.task_state_counts_lock:
            open_tasks = sum(n for state, n in self.kernel.task_state_counts.items() if state not in FINAL_STATES)
        return not open_tasks


def screen_for(file: IO[str] | None) -> Any:
    """What can be shown there: bars in a notebook or a terminal, else lines."""
    from parsl_on_dask.monitoring import screens

    if file is None and screens.in_notebook():
        return screens.Notebook()
    file = file or sys.stderr
    if screens.is_terminal(file):
        try:
            return screens.Terminal(file)
        except ImportError:
            return screens.Lines(file, "for bars: pip install 'parsl-on-dask[progress]'")
    return screens.Lines(file)
