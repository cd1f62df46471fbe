"""Shows a kernel while it runs, apart from the database: on Dask's dashboard, and as bars if these are asked for."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from parsl_on_dask.clusters import dask_page
from parsl_on_dask.common import overrides
from parsl_on_dask.dask_internals.clients import scheduler_id
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.lanes.forbidden_waits import never_wait_here

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel
    from parsl_on_dask.monitoring.progress import Progress
    from parsl_on_dask.monitoring.published import Published

logger = logging.getLogger("parsl.monitoring.views")

#: Milliseconds between two reports to a dashboard.
PERIOD = 500
#: The file in the run directory that has the links to dashboards, with their keys, while the run goes on.
LINKS = "dashboard.txt"


class Views:
    """Keeps the views of one kernel up to date until :meth:`close`.

    `kernel`: its executors run.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.reporters: list[Reporter] = []
        self.closed = False
        self._closing = threading.Lock()
        self.bars: Progress | None = None
        self.published: Published | None = None
        self.links = os.path.join(kernel.run_dir, LINKS)
        for label in kernel.labels():
            lane: Any = getattr(kernel.executors[label], "lane", None)
            if lane is not None:
                lane.when_connected(partial(self._show, label, lane))
        from parsl_on_dask.monitoring import screens

        if screens.in_notebook():
            for label, link in dashboard_links(kernel).items():
                print(f"Dask's dashboard for executor {label}: {link}")
        if overrides.show_progress:
            from parsl_on_dask.monitoring.progress import Progress

            self.bars = Progress(kernel)
            self.bars.start()
        if overrides.run_record() is not None:
            from parsl_on_dask.monitoring.published import Published

            self.published = Published(kernel)

    def _show(self, label: str, lane: Any) -> None:
        link = dashboard_link(self.kernel, label)
        with self._closing:  # clusters of threads come while the kernel goes
            if link is None or self.closed:
                return
            # a log can be read by others as often as not, and the link has the key
            where = self._kept(label, link) if lane.parsl_page else link
        logger.info("Dask's dashboard for executor %s: %s", label, where)
        if lane.parsl_page and all(r.client is not lane.client for r in self.reporters):
            self.reporters.append(Reporter(self.kernel, lane.client))

    def _kept(self, label: str, link: str) -> str:
        """Write a link where only the user can read it, and say where that is."""
        try:
            with open(os.open(self.links, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
                file.write(f"{label} {link}\n")
        except OSError as e:
            return f"dfk.dashboard_links has the link, since {self.links} cannot be written: {e.strerror or e}"
        return f"the link is in {self.links}"

    def close(self) -> None:
        """Stop showing."""
        with self._closing:
            self.closed = True
            with suppress(OSError):
                os.remove(self.links)
        for reporter in self.reporters:
            reporter.stop()
        if self.bars is not None:
            self.bars.stop()
        if self.published is not None:
            self.published.close()


class Reporter:
    """Tells a scheduler that we started how many tasks of each app are in which state. Lives in its client's loop."""

    def __init__(self, kernel: Kernel, client: Any) -> None:
        self.kernel = kernel
        self.client = client
        self.callback: Any = None
        self.last: Any = None
        self.ended = False
        client.loop.add_callback(self._begin)

    def _begin(self) -> None:
        from tornado.ioloop import PeriodicCallback

        # who reads what a resident says may wait for this loop
        never_wait_here("the event loop of Dask's client")
        if not self.ended:
            self.callback = PeriodicCallback(self._tell, PERIOD)
            self.callback.start()

    def _tell(self) -> None:
        if self.ended or self.client.status != "running":
            return
        from parsl_on_dask.monitoring import counts

        rows = [tuple(row) for row in counts.of_kernel(self.kernel)]
        if rows == self.last:
            return
        try:
            message = {"op": dask_page.OPERATION, "rows": rows, "workflow": str(self.kernel.workflow_name)}
            self.client.scheduler_comm.send(message)
            self.last = rows
        except Exception:  # the run goes on without the page
            logger.debug("the dashboard was not told", exc_info=True)

    def stop(self) -> None:
        """Send no more."""

        def end() -> None:
            self.ended = True
            if self.callback is not None:
                self.callback.stop()

        try:
            self.client.loop.add_callback(end)
        except Exception:  # the client was closed before
            logger.debug("no client to stop reporting to", exc_info=True)


def client_of(executor: Any) -> Any:
    """The Dask client of an executor that runs, or None."""
    try:
        return getattr(getattr(executor, "lane", None), "client", None)
    except ExecutorError:  # the lane was closed meanwhile
        return None


def dashboard_links(kernel: Kernel) -> dict[str, str]:
    """Dashboards of a kernel's executors, by label; those of clusters that we started lead to the Parsl page."""
    links = {label: dashboard_link(kernel, label) for label in kernel.labels()}
    return {label: link for label, link in links.items() if link is not None}


def dashboard_link(kernel: Kernel, label: str) -> str | None:
    """The dashboard of one executor, if it has any."""
    executor: Any = kernel.executors[label]
    client = client_of(executor)
    if client is None or client.status != "running":
        return None
    try:
        link = client.dashboard_link
    except Exception:  # a cluster object of somebody else's
        logger.debug("no dashboard link of %s", label, exc_info=True)
        return None
    if not link:
        return None
    if str(client.scheduler.address).startswith("inproc:"):  # which names a host, and its dashboard is on loopback
        link = f"http://127.0.0.1:{urlsplit(link).port}/status"
    if executor.lane.parsl_page and link.endswith("/status"):
        from parsl_on_dask.clusters.dashboard import key_of

        return f"{link.removesuffix('status')}{key_of(scheduler_id(client))}/{dask_page.NAME}"
    return str(link)
