"""The server of ``python -m parsl_on_dask visualize``: on this machine only, for whoever has its link."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

from tornado import httputil, web

from parsl_on_dask.errors import ParslError
from parsl_on_dask.monitoring.pages import figures, plots, render, usage_plots, words, workers
from parsl_on_dask.monitoring.pages.database import Database, DatabaseProblem, seconds
from parsl_on_dask.monitoring.pages.failures import failures, tracebacks
from parsl_on_dask.monitoring.pages.model import _KIND_OF, Reader, Run
from parsl_on_dask.monitoring.pages.usage import read_samples

logger = logging.getLogger("parsl.monitoring.pages.server")

#: Tasks up to which the graph of a run shows each one at first.
SMALL = 150
_COOKIE = "parsl-on-dask-pages"
_PAGE = re.compile(r"[0-9]{0,9}")
_LOCAL = ("127.0.0.1", "localhost", "::1")


class Handler(web.RequestHandler):
    """What all pages have in common."""

    @property
    def reader(self) -> Reader:
        found: Reader = self.application.settings["reader"]
        return found

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")

    def prepare(self) -> None:
        """Answer this machine's browser only, and only for those who were given the link."""
        host = httputil.split_host_and_port(self.request.host)[0].strip("[]")
        if host not in _LOCAL:  # a page elsewhere whose name was made to mean this machine
            raise web.HTTPError(403, "the address of these pages is http://127.0.0.1")
        token: str | None = self.application.settings["token"]
        if token is None:
            return
        given = self.get_query_argument("token", None)
        name = f"{_COOKIE}-{self.application.settings['port']}"
        if given is not None and _equal(given, token):
            self.set_cookie(name, token, httponly=True, samesite="Lax")
        elif not _equal(self.get_cookie(name) or "", token):
            raise web.HTTPError(403, "open the link that was printed when these pages were started: it has the key")

    async def answer(self, make: Callable[[], str | bytes], kind: str = "text/html") -> None:
        """Send what ``make`` returns; it may read the database, so it is called in a thread."""
        try:
            text = await asyncio.get_running_loop().run_in_executor(None, make)
        except DatabaseProblem as e:
            self.set_status(503)
            logger.info("%s", e)
            text = self._problem("The database cannot be shown", str(e), again=True)
            kind = "text/html"
        except ParslError as e:
            self.set_status(500)
            text = self._problem("Something is missing", str(e), again=False)
            kind = "text/html"
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.finish(text)

    def _problem(self, title: str, text: str, again: bool) -> str:
        return render.page("problem.html", title=title, text=text, again=again)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        text = getattr(error, "log_message", None) or f"{type(error).__name__ if error else ''} {error or ''}"
        titles = {400: "This link is not whole", 403: "Not for you", 404: "There is no such page"}
        self.finish(self._problem(titles.get(status_code, "This page could not be made"), str(text), again=False))

    def run(self, run_id: str) -> Run:
        return self.reader.run(run_id)


class Runs(Handler):
    async def get(self) -> None:
        database = self.reader.database.name
        await self.answer(lambda: render.page("runs.html", runs=self.reader.runs(), database=database))


class RunPage(Handler):
    """A run: its overview, and the other tabs."""

    async def get(self, run_id: str, tab: str | None) -> None:
        await self.answer(lambda: self.text(run_id, tab or "", self.get_query_argument("view", "")))

    def text(self, run_id: str, tab: str, view: str) -> str:
        run = self.run(run_id)
        values = common(run)
        values.update(tab=tab)
        made: dict[str, Any] = {}
        if tab == "":
            made = render.overview_plots(run) if run.tasks else {}
            values.update(
                b=render.bars(run),
                app_rows=render.apps(run),
                places=render.places(run),
                merged=workers.chart(run).merged,
            )
        elif tab == "graph":
            made = self._graph(run, view, values)
        elif tab == "failures":
            values.update(failing=render.failing(self.reader.database, run))
        elif tab == "resources":
            values.update(resources=render.resources(self.reader, run))
            made = values["resources"]["plots"]
        elif tab == "cache":
            values.update(caching=render.caching(run))
        return render.page("run.html", plots=render.items(made), **values)

    def _graph(self, run: Run, view: str, values: dict[str, Any]) -> dict[str, Any]:
        from parsl_on_dask.monitoring.pages import graph

        drawn = render.drawings(run)
        views = [("app", "by app")]
        if drawn["by_step"] is not None:
            views.append(("step", "by app and step"))
        if len(run.tasks) <= graph.TASKS:
            views.append(("task", f"each of {words.count(len(run.tasks), 'task')}"))
        if view not in dict(views):
            view = "task" if len(run.tasks) <= SMALL else "app"
        made: dict[str, Any] = {}
        left_out = 0
        if view == "task" and run.tasks:
            made["tasks-graph"], left_out = plots.tasks_graph(run)
        drawing = drawn.get(f"by_{view}")
        values.update(views=views, view=view, drawing=drawing, left_out=left_out)
        return made


class Live(Handler):
    """What changes on the overview of a run that goes on."""

    async def get(self, run_id: str) -> None:
        await self.answer(lambda: self.news(run_id), "application/json")

    def news(self, run_id: str) -> str:
        run = self.run(run_id)
        chart = workers.chart(run, 2000)
        timeline = plots.timeline_data(run)
        b = render.bars(run)
        parts = render.environment().get_template("parts.html").module
        news = {
            "status": run.summary.status,
            "pause": 100 * len(run.tasks) / 1000,
            "parts": {
                "facts": str(parts.facts(run.summary, run)),
                "progress": render.page("progress.html", b=b),
                "apps": str(parts.apps_table(render.apps(run))),
                "read": f"as of {words.clock(run.read, False)}",
            },
            "plots": {
                "timeline": {
                    "columns": timeline,
                    "top": len(run.tasks) * 1.08,
                    "tops": {"running": plots.top_of_running(timeline)},
                },
                "gantt": {
                    "columns": plots.gantt_data(run, chart),
                    "rows": list(reversed(chart.rows)),
                    "height": plots.gantt_height(len(chart.rows)),
                },
            },
        }
        return json.dumps(news)


class Tasks(Handler):
    """A page of the table of tasks."""

    async def get(self, run_id: str) -> None:
        ask = {name: self.get_query_argument(name, "") for name in ("app", "kind", "q", "sort", "down", "page")}
        if not _PAGE.fullmatch(ask["page"]):
            raise web.HTTPError(400, "page is a number from 0 on: write page=0 for the first 50 tasks")
        await self.answer(lambda: json.dumps(self.found(run_id, ask)), "application/json")

    def found(self, run_id: str, ask: dict[str, str]) -> dict[str, Any]:
        run = self.run(run_id)
        q = ask["q"].lower()
        rows = []
        for task in run.tasks.values():
            if ask["app"] and task.app != ask["app"]:
                continue
            if ask["kind"] and (len(task.tries) < 2 if ask["kind"] == "retried" else task.kind != ask["kind"]):
                continue
            row = render.table_row(task, run.summary.began)
            if q and str(task.id) != q and q not in f"{row[8]} {row[9]} {row[7]}".lower():
                continue
            rows.append(row)
        at = render.COLUMNS.index(ask["sort"]) if ask["sort"] in render.COLUMNS else 0
        known = sorted((r for r in rows if r[at] is not None), key=lambda r: r[at], reverse=bool(ask["down"]))
        rows = known + [r for r in rows if r[at] is None]
        page = int(ask["page"] or 0)
        return {"count": len(rows), "rows": rows[page * 50 : (page + 1) * 50]}


class TaskPage(Handler):
    async def get(self, run_id: str, number: str) -> None:
        await self.answer(lambda: self.text(run_id, int(number)))

    def text(self, run_id: str, number: int) -> str:
        run = self.run(run_id)
        task = run.tasks.get(number)
        if task is None:
            raise DatabaseProblem(f"run {run_id} has no task {number}, or none yet")
        database = self.reader.database
        failure = (
            next((f for f in failures(run, {}) if f.task is task), None) if task.kind in ("failed", "not run") else None
        )
        if failure is not None:
            failure.traceback = tracebacks(database, run, {failure.root.id}).get(failure.root.id)
        samples = read_samples(database, run_id, number)
        from parsl_on_dask.monitoring.pages.failures import reason

        return render.page(
            "task.html",
            run=run,
            task=task,
            failure=failure,
            root_reason=reason(failure.root) if failure else "",
            details=self._details(run_id, number),
            states=self._states(run_id, number),
            before=[run.tasks[n] for n in task.depends if n in run.tasks],
            after=[t for t in run.tasks.values() if number in t.depends],
            plots=render.items(usage_plots.of_a_task(samples)) if samples else {},
        )

    def _details(self, run_id: str, number: int) -> list[tuple[str, str]]:
        columns = "task_inputs, task_outputs, task_stdin, task_stdout, task_stderr, task_hashsum"
        rows = self.reader.database.of_run(run_id, "task", columns, "task_id = :task", task=number)
        names = ("inputs", "outputs", "stdin", "stdout", "stderr", "cache key")
        shown = zip(names, rows[0] if rows else (), strict=False)
        return [(name, str(value)) for name, value in shown if value not in (None, "", "None", "[]")]

    def _states(self, run_id: str, number: int) -> list[tuple[str, str, float | None, float | None]]:
        database = self.reader.database
        columns = "task_status_name, timestamp"
        rows = database.of_run(run_id, "status", columns, "task_id = :task", "timestamp", task=number)
        found = []
        before: float | None = None
        for name, when in rows:
            at = seconds(when)
            found.append((name, _KIND_OF.get(name, "waiting"), at, None if None in (at, before) else at - before))  # type: ignore[operator]
            before = at
        return found


class Static(Handler):
    """Style sheet and scripts; nothing in them is anybody's secret, but they are behind the same door."""

    async def get(self, name: str) -> None:
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        if name == "bokeh.js":
            await self.answer(lambda: "\n".join(render.bokeh_scripts()), kind)
        else:
            await self.answer(lambda: render.static(name), kind)


class Missing(Handler):
    def get(self) -> None:
        raise web.HTTPError(404, "there is no page here")


def _equal(given: str, token: str) -> bool:
    """Whether somebody knows the key; how long that takes does not tell how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def common(run: Run) -> dict[str, Any]:
    """What every page of a run needs."""
    kinds = run.kinds()
    return {
        "run": run,
        "bad": kinds["failed"] + kinds["not run"],
        "total": kinds,
        "colour_of": figures.app_colours(run),
    }


class Pages:
    """The pages of a database, served on loopback.

    Parameters
    ----------
    database : Database
    port : int
        0: any free one.
    token : bool
        Whether a key in the link is asked for. On a machine with other users, whoever can open the port could
        otherwise read the workflow's inputs, outputs and errors.
    """

    def __init__(self, database: Database, port: int = 0, token: bool = True) -> None:
        self.database = database
        self.token = secrets.token_urlsafe(16) if token else None
        self.wanted = port
        self.port = 0
        self._server: Any = None

    def start(self) -> None:
        """Listen. To be called in an event loop.

        Raises
        ------
        OSError
            When the port is taken.
        """
        from tornado.httpserver import HTTPServer
        from tornado.netutil import bind_sockets

        figures.require_bokeh()
        sockets = bind_sockets(self.wanted, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        self._server = HTTPServer(self.application())
        self._server.add_sockets(sockets)

    def application(self) -> web.Application:
        return web.Application(
            [
                (r"/", Runs),
                (r"/run/([^/]+)/live\.json", Live),
                (r"/run/([^/]+)/tasks\.json", Tasks),
                (r"/run/([^/]+)/task/(\d{1,9})", TaskPage),
                (r"/run/([^/]+?)/?(?:/(graph|tasks|failures|resources|cache))?", RunPage),
                (r"/static/(style\.css|pages\.js|bokeh\.js)", Static),
            ],
            default_handler_class=Missing,
            compress_response=True,
            log_function=lambda handler: logger.debug("%s %s", handler.get_status(), handler.request.path),
            reader=Reader(self.database),
            token=self.token,
            port=self.port,
        )

    @property
    def link(self) -> str:
        """Where to look."""
        return f"http://127.0.0.1:{self.port}/" + (f"?token={self.token}" if self.token else "")

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.stop()
