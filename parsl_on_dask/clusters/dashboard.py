"""Dask's dashboard, made when somebody opens it.

Bokeh takes most of a second to import. That would be a third of the time that a run needs to begin, for pages that
nobody looks at in most runs; so a scheduler that we start gets them at the first request for one. Until then
it answers what needs no Bokeh, such as ``/health`` and ``/metrics``.
"""

from __future__ import annotations

import logging
from typing import Any

from parsl_on_dask.monitoring import dask_page

logger = logging.getLogger("parsl.clusters.dashboard")

#: A list of pages, which Dask gives without its dashboard, too; it is empty then.
_LIST = "/individual-plots.json"


def has_bokeh() -> bool:
    """Whether there can be a dashboard."""
    from importlib.util import find_spec

    return find_spec("bokeh") is not None


def attach(scheduler: Any) -> None:
    """Let a scheduler that was made with ``dashboard=False`` have a dashboard later.

    Parameters
    ----------
    scheduler : distributed.Scheduler
        That listens.
    """
    dask_page.attach(scheduler)
    if not has_bokeh():
        _explain(scheduler)
        return
    from tornado.web import ErrorHandler

    application = scheduler.http_application
    known = application.find_handler

    def find_handler(request: Any, **options: Any) -> Any:
        found = known(request, **options)
        if request.path != _LIST and found and not issubclass(found.handler_class, ErrorHandler):
            return found
        # in this thread, although that holds the scheduler up: two threads that import Bokeh break it
        del application.find_handler
        _connect(scheduler)
        return known(request, **options)

    application.find_handler = find_handler


def plain_worker() -> Any:
    """Dask's worker without pages of its own, for clusters that give every worker some."""
    from distributed import Worker

    class PlainWorker(Worker):
        def __init__(self, *args: Any, dashboard: bool | None = None, **options: Any) -> None:
            super().__init__(*args, dashboard=False, **options)

    return PlainWorker


def _connect(scheduler: Any) -> None:
    try:
        dask_page.pages()
        from distributed.dashboard import scheduler as pages

        dask_page.into_menu(scheduler)
        pages.connect(scheduler.http_application, scheduler.http_server, scheduler, prefix="/")
    except Exception:  # there is an unsuitable Bokeh, and the run goes on without a dashboard
        logger.warning("Dask's dashboard cannot be shown", exc_info=True)
        _explain(scheduler)


def _explain(scheduler: Any) -> None:
    """Give a scheduler Dask's page that says which Bokeh is needed."""
    from distributed.http.utils import get_handlers

    pages = get_handlers(scheduler, ["distributed.http.scheduler.missing_bokeh"], prefix="/")
    scheduler.http_application.add_handlers(".*$", pages)
