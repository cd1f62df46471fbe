"""The Parsl page of Dask's dashboard. Runs in the process of the scheduler, of clusters that were started here."""

from __future__ import annotations

import logging
import time
from typing import Any

logger = logging.getLogger("distributed.parsl")

NAME = "parsl"
#: Name of the reports that a scheduler takes, after :func:`attach`.
OPERATION = "parsl-progress"
#: Milliseconds between two looks of an open page.
PERIOD = 500
_COLOURS = {"done": "#009e73", "cached": "#9b72c8", "running": "#2f86c9", "waiting": "#b9c0c7", "failed": "#d55e00"}
#: What arrives for each app after its name; see ``parsl_on_dask.monitoring.counts.Row``.
_ORDER = ("done", "cached", "running", "waiting", "failed")


def pages() -> None:
    """Add the page to those that dashboards of schedulers in this process will have.

    Raises ImportError when there is no Bokeh, or one that does not suit Dask. Its import takes most of a second.
    """
    from distributed.dashboard import scheduler

    scheduler.applications.setdefault(f"/{NAME}", parsl_doc)


def attach(scheduler: Any) -> None:
    """Let a scheduler take reports."""

    def take(client: str = "", rows: Any = (), workflow: str = "") -> None:
        now = time.time()
        news = scheduler.parsl_news
        ended = sum(row[1] + row[5] for row in rows)
        news["seen"] = [*(s for s in news["seen"] if now - s[0] < 30.0), (now, ended)]
        news.update(rows=[tuple(row) for row in rows], workflow=workflow, at=now)

    scheduler.parsl_news = {"rows": [], "workflow": "", "at": 0.0, "seen": []}
    scheduler.stream_handlers[OPERATION] = take


def into_menu(scheduler: Any) -> None:
    """Put the page first in the menu of a scheduler's dashboard."""
    from distributed.dashboard.scheduler import template_variables

    try:
        menu = template_variables(scheduler)["pages"]
        if NAME not in menu:
            menu.insert(0, NAME)
    except Exception:  # another version's dashboard; the page is there, only not in the menu
        logger.debug("no entry in the dashboard's menu", exc_info=True)


def summary(news: dict[str, Any]) -> str:
    """The lines above the chart, as HTML."""
    from html import escape

    rows = news["rows"]
    if not rows:
        return "<p>No app was called yet.</p>"
    totals = dict(zip(_ORDER, (sum(row[i] for row in rows) for i in range(1, 6)), strict=True))
    ended = totals["done"] + totals["cached"] + totals["failed"]
    words = [f"<b>{ended:,} of {sum(totals.values()):,} tasks ended</b>"]
    words += [
        f'<span style="color:{_COLOURS[kind]}">●</span> {count:,} {kind}' for kind, count in totals.items() if count
    ]
    seen = news["seen"]
    if len(seen) > 1 and seen[-1][1] > seen[0][1] and time.time() - seen[-1][0] < 30:
        rate = (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])
        words.append(f"{rate:,.3g} tasks/s")
        open_tasks = totals["running"] + totals["waiting"]
        if open_tasks:
            words.append(f"about {open_tasks / rate:,.0f} s left")
    spaced = " ".join(f'<span style="white-space:nowrap;margin-right:14px">{word}</span>' for word in words)
    return f'<p style="font-size:16px;margin:8px 12px">{escape(news["workflow"])}: {spaced}</p>'


def columns(news: dict[str, Any]) -> dict[str, list[Any]]:
    """The chart's data: for each app, how many tasks are in each state, and as shares of its own tasks."""
    rows = news["rows"]
    found: dict[str, list[Any]] = {"app": [row[0] for row in rows]}
    for i, kind in enumerate(_ORDER, 1):
        found[kind] = [row[i] for row in rows]
        found[f"{kind}_share"] = [100 * row[i] / max(1, sum(row[1:])) for row in rows]
    found["label"] = [f"{row[1] + row[2] + row[5]:,} / {sum(row[1:]):,}" for row in rows]
    found["end"] = [101.0 for _ in rows]
    return found


def parsl_doc(scheduler: Any, extra: dict[str, Any], doc: Any) -> None:
    """Fill a document of the dashboard's server."""
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Range1d
    from bokeh.models.widgets import Div
    from bokeh.plotting import figure
    from distributed.dashboard.components.scheduler import BOKEH_THEME, env

    news = getattr(scheduler, "parsl_news", {"rows": [], "workflow": "", "at": 0.0, "seen": []})
    text = Div(text=summary(news), sizing_mode="stretch_width")
    source = ColumnDataSource(columns(news))
    rows = FactorRange(factors=list(reversed(source.data["app"])))
    plot = figure(
        y_range=rows,
        x_range=Range1d(start=0, end=130),
        height=_height(news),
        sizing_mode="stretch_width",
        tools="",
        toolbar_location=None,
        x_axis_label="share of the app's tasks, %",
    )
    shares = [f"{kind}_share" for kind in _ORDER]
    plot.hbar_stack(shares, y="app", height=0.7, source=source, fill_color=list(_COLOURS.values()), line_color=None)
    plot.text(x="end", y="app", text="label", source=source, text_baseline="middle", text_font_size="12px")
    plot.add_tools(HoverTool(tooltips=[("app", "@app"), *((kind, f"@{kind}") for kind in _ORDER)]))
    plot.xaxis.ticker = [0, 25, 50, 75, 100]
    plot.ygrid.visible = False

    def update() -> None:
        now = getattr(scheduler, "parsl_news", news)
        text.text = summary(now)
        data = columns(now)
        if data != source.data:
            factors = list(reversed(data["app"]))
            if factors != rows.factors:
                rows.factors = factors
                plot.height = _height(now)
            source.data = data

    doc.title = "Dask: Parsl"
    doc.add_root(column(text, plot, sizing_mode="stretch_width"))
    doc.template = env.get_template("simple.html")
    doc.template_variables.update(extra)
    doc.theme = BOKEH_THEME
    doc.add_periodic_callback(update, PERIOD)


def _height(news: dict[str, Any]) -> int:
    return 80 + 34 * max(1, len(news["rows"]))
