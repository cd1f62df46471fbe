"""Dask's dashboard, made when somebody opens it.

Bokeh takes most of a second to import. That would be a third of the time that a run needs to begin, for pages that
nobody looks at in most runs; so a scheduler that we start gets them at the first request for one. Until then
it answers what needs no Bokeh, such as ``/health`` and ``/metrics``. The import is done in a thread, so that the
scheduler goes on with its work; requests for pages wait for it.

The pages show arguments, logs and what runs, and every user of the machine can open the port. So the first part of
their path is a key. Dask's links are relative, for proxies; thus all that a page loads, its web socket too, has it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from parsl_on_dask.clusters import dask_page
from parsl_on_dask.common import late_threads

logger = logging.getLogger("parsl.clusters.dashboard")

#: A list of pages, which Dask gives without its dashboard, too; it is empty then.
_LIST = "/individual-plots.json"


#: What says that a scheduler is alive, and nothing else.
_OPEN = "/health"
_REFUSAL = """<!doctype html><title>Not for you</title>
<p>Open the link that <code>dfk.dashboard_link</code> gives, or <code>dashboard.txt</code> in the run directory: it
has a key, since these pages show arguments and logs, and every user of this machine can open this port.</p>
"""


def key_of(scheduler_id: str) -> str:
    """The key of a scheduler's pages. Its id is known to itself and to those that its certificates let in."""
    digest = hashlib.sha256(f"dashboard of {scheduler_id}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:18]).decode()


def has_bokeh() -> bool:
    """Whether there can be a dashboard."""
    from importlib.util import find_spec

    return find_spec("bokeh") is not None


def attach(scheduler: Any) -> None:
    """Let a scheduler that was made with ``dashboard=False`` have a dashboard later.

    - `scheduler`: that listens.
    """
    dask_page.attach(scheduler)
    if has_bokeh():
        _open_later(scheduler)
    else:
        _explain(scheduler)
    _ask_for_key(scheduler)


def _ask_for_key(scheduler: Any) -> None:
    """Answer only requests whose path begins with the key, as if it began behind it."""
    from tornado.web import RedirectHandler, RequestHandler

    class Refused(RequestHandler):
        def prepare(self) -> None:
            self.set_status(403)
            self.finish(_REFUSAL)

    application = scheduler.http_application
    known = application.find_handler
    key = key_of(scheduler.id)

    def find_handler(request: Any, **options: Any) -> Any:
        first, _, rest = request.path.removeprefix("/").partition("/")
        if hmac.compare_digest(first.encode("utf-8", "replace"), key.encode()):
            if not rest:  # Dask's own answer leaves the key out; a relative one suits proxies, too
                to = "status" if request.path.endswith("/") else f"{key}/status"
                return application.get_handler_delegate(request, RedirectHandler, {"url": to, "permanent": False})
            request.path = f"/{rest}"
        elif request.path != _OPEN:
            return application.get_handler_delegate(request, Refused)
        return known(request, **options)

    application.find_handler = find_handler


def _open_later(scheduler: Any) -> None:
    from tornado.web import ErrorHandler

    application = scheduler.http_application
    known = application.find_handler
    opening = _Opening(scheduler)

    def find_handler(request: Any, **options: Any) -> Any:
        found = known(request, **options)
        if opening.over or (request.path != _LIST and found and not issubclass(found.handler_class, ErrorHandler)):
            return found
        return opening.delegate(lambda: known(request, **options))

    application.find_handler = find_handler


#: Two threads that import Bokeh break it.
_importing = threading.Lock()


class _Opening:
    """Gives a scheduler its pages, once. In the scheduler's event loop, but for the imports."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.over = False
        self._imported: asyncio.Future[Exception | None] | None = None

    async def wait(self) -> None:
        """Wait until the pages are there, or the one that says why they are not."""
        if self._imported is None:
            loop = asyncio.get_running_loop()
            self._imported = loop.create_future()
            threading.Thread(target=self._import, args=(loop,), name="parsl-dashboard", daemon=True).start()
        trouble = await asyncio.shield(self._imported)
        if not self.over:
            self.over = True
            _connect(self.scheduler, trouble)

    def _import(self, loop: asyncio.AbstractEventLoop) -> None:
        trouble: Exception | None = None
        try:
            with _importing:
                dask_page.pages()
        except BaseException as e:  # there is an unsuitable Bokeh; whatever it is, requests must not wait for ever
            trouble = e if isinstance(e, Exception) else ImportError(f"its import ended with {e!r}")
        assert self._imported is not None
        with suppress(RuntimeError):  # the scheduler has ended
            loop.call_soon_threadsafe(self._imported.set_result, trouble)

    def delegate(self, find: Callable[[], Any]) -> Any:
        """What takes a request, and hands it on when the pages are there."""
        from tornado.httputil import HTTPMessageDelegate

        opening = self

        class Delegate(HTTPMessageDelegate):
            to: Any = None

            async def headers_received(self, start_line: Any, headers: Any) -> None:
                await opening.wait()
                self.to = find()
                answer = self.to.headers_received(start_line, headers)
                if answer is not None:
                    await answer

            def data_received(self, chunk: bytes) -> Any:
                return self.to.data_received(chunk)

            def finish(self) -> None:
                self.to.finish()

            def on_connection_close(self) -> None:
                if self.to is not None:
                    self.to.on_connection_close()

        return Delegate()


def plain_worker() -> Any:
    """Dask's worker without pages of its own, for clusters that give every worker some."""
    from distributed import Worker

    class PlainWorker(Worker):
        def __init__(self, *args: Any, dashboard: bool | None = None, **options: Any) -> None:
            super().__init__(*args, dashboard=False, **options)

        @staticmethod
        def _is_finalizing() -> bool:
            # Dask asks its own name of sys.is_finalizing whether threads of the worker can be ended by another one
            return sys.is_finalizing() or late_threads.no_more_threads()

    return PlainWorker


def _connect(scheduler: Any, trouble: Exception | None) -> None:
    try:
        if trouble is not None:
            raise trouble
        from distributed.dashboard import scheduler as pages

        dask_page.into_menu(scheduler)
        pages.connect(scheduler.http_application, scheduler.http_server, scheduler, prefix="/")
    except Exception:  # the run goes on without a dashboard
        logger.warning("Dask's dashboard cannot be shown", exc_info=True)
        _explain(scheduler)


def _explain(scheduler: Any) -> None:
    """Give a scheduler Dask's page that says which Bokeh is needed."""
    from distributed.http.utils import get_handlers

    pages = get_handlers(scheduler, ["distributed.http.scheduler.missing_bokeh"], prefix="/")
    scheduler.http_application.add_handlers(".*$", pages)
