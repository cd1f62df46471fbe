"""The charts of a run, made with Bokeh. Colours that must fit the page's light or dark side are set by the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parsl_on_dask.monitoring.pages import graph, workers
from parsl_on_dask.monitoring.pages.figures import COLOURS, OTHER, app_colours, clock, figure, from_zero, range_
from parsl_on_dask.monitoring.pages.model import FINAL, Run, Task
from parsl_on_dask.monitoring.pages.words import duration


def gantt_data(run: Run, chart: workers.Chart) -> dict[str, list[Any]]:
    """The columns of the Gantt chart."""
    colours = app_colours(run)
    names = chart.rows
    return {
        "row": [names[b.row] for b in chart.bars],
        "start": [b.start * 1000 for b in chart.bars],
        # a bar without length would not be seen
        "end": [max(b.end, b.start + 1e-4) * 1000 for b in chart.bars],
        "colour": [COLOURS["failed"] if b.failed else colours[b.app] for b in chart.bars],
        "alpha": [0.55 if b.running else 0.95 for b in chart.bars],
        # so that a short one is seen as well
        "edge": [1.0 if b.failed else 0.0 for b in chart.bars],
        "hatch": ["/" if b.failed else " " for b in chart.bars],
        "what": [_bar_text(b) for b in chart.bars],
        "length": [duration(b.end - b.start) for b in chart.bars],
        "task": [b.task for b in chart.bars],
    }


def _bar_text(bar: workers.Bar) -> str:
    if bar.count > 1:
        return f"{bar.count} tries, mostly of {bar.app}" + (" (failed)" if bar.failed else "")
    what = f"task {bar.task}, {bar.app}" + (f", try {bar.try_id + 1}" if bar.try_id else "")
    return what + (" (failed)" if bar.failed else " (running)" if bar.running else "")


def gantt_height(rows: int) -> int:
    """Pixels of the Gantt chart."""
    each = 24 if rows <= 40 else 14 if rows <= 150 else 5
    return min(150 + rows * each, 3000)


def gantt(run: Run, chart: workers.Chart) -> Any:
    """What each worker ran when."""
    from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FactorRange, HoverTool, TapTool

    rows = list(reversed(chart.rows))
    plot = figure(
        "gantt", gantt_height(len(rows)), x_axis_type="datetime", y_range=FactorRange(factors=rows, name="gantt-rows")
    )
    source = ColumnDataSource(gantt_data(run, chart), name="gantt-data")
    bars = plot.hbar(
        y="row",
        left="start",
        right="end",
        height=0.78,
        fill_color="colour",
        fill_alpha="alpha",
        line_color=COLOURS["failed"],
        line_alpha="edge",
        hatch_pattern="hatch",
        hatch_color="white",
        hatch_alpha=0.7,
        hatch_scale=6,
        source=source,
        nonselection_fill_alpha=0.95,
    )
    plot.add_tools(
        HoverTool(renderers=[bars], tooltips=[("", "@what"), ("took", "@length"), ("worker", "@row")]),
        TapTool(renderers=[bars]),
    )
    clock(plot)
    plot.ygrid.grid_line_color = None
    plot.yaxis.major_tick_line_color = None
    # on a phone, names must leave room for the bars
    plot.yaxis.formatter = CustomJSTickFormatter(
        code="return window.innerWidth < 600 && tick.length > 17 ? '…' + tick.slice(-16) : tick"
    )
    if len(rows) > 150:
        plot.yaxis.major_label_text_font_size = "0px"
        plot.yaxis.axis_label = f"{len(rows)} workers"
    return plot


def timeline_data(run: Run, points: int = 240) -> dict[str, list[Any]]:
    """How many tasks were done, and how many ran, over time."""
    changes: list[tuple[float, int, int, int]] = []
    for task in run.tasks.values():
        if task.invoked is not None:
            changes.append((task.invoked, 1, 0, 0))
        if task.state in FINAL and task.returned is not None:
            changes.append((task.returned, 0, 0, 1))
        if task.state == "memo_done":
            continue
        for one in task.tries:
            if one.began is None:
                continue
            changes.append((one.began, 0, 1, 0))
            last = one is task.tries[-1]
            until = one.over or (task.returned if last and task.state in FINAL else None)
            if until is not None:
                changes.append((until, 0, -1, 0))
    if not changes:
        return {"time": [], "known": [], "running": [], "ended": []}
    changes.sort()
    first = changes[0][0]
    last_change = changes[-1][0]
    end = last_change if run.summary.status != "running" else max(last_change, run.read)
    width = max((end - first) / points, 1e-6)
    times: list[float] = [first]
    known, running, ended = [0], [0], [0]
    totals = [0, 0, 0]
    peak, at = 0, 0
    for i in range(1, points + 1):
        until = first + i * width if i < points else end
        peak = totals[1]
        while at < len(changes) and changes[at][0] <= until + 1e-9:
            _, called, began, over = changes[at]
            totals = [totals[0] + called, totals[1] + began, totals[2] + over]
            peak = max(peak, totals[1])
            at += 1
        times.append(until)
        known.append(totals[0])
        running.append(peak if i < points else totals[1])
        ended.append(totals[2])
    return {"time": [t * 1000 for t in times], "known": known, "running": running, "ended": ended}


def timeline(run: Run) -> Any:
    """Tasks over time."""
    from bokeh.models import ColumnDataSource, HoverTool, LinearAxis

    plot = figure("timeline", 260, x_axis_type="datetime")
    data = timeline_data(run)
    source = ColumnDataSource(data, name="timeline-data")
    plot.varea(x="time", y1=0, y2="ended", source=source, fill_color=COLOURS["done"], fill_alpha=0.3)
    ended = plot.line("time", "ended", source=source, line_color=COLOURS["done"], line_width=2)
    plot.line("time", "known", source=source, line_color=COLOURS["waiting"], line_width=2, line_dash="dashed")
    # few run at a time of the many that there are
    plot.extra_y_ranges = {"running": range_(0, top_of_running(data))}
    look = {"line_color": COLOURS["running"], "line_width": 2, "y_range_name": "running"}
    plot.line("time", "running", source=source, **look)
    plot.add_tools(
        HoverTool(
            renderers=[ended],
            mode="vline",
            tooltips=[("submitted", "@known"), ("ended", "@ended"), ("running", "@running")],
        )
    )
    clock(plot)
    plot.yaxis.axis_label = "tasks"
    from_zero(plot, len(run.tasks))
    right = LinearAxis(
        y_range_name="running",
        axis_label="running at a time",
        axis_line_color=None,
        minor_tick_line_color=None,
        major_label_text_font_size="12px",
        axis_label_text_font_size="12px",
        axis_label_text_font_style="normal",
    )
    right.ticker.min_interval = 1
    right.ticker.desired_num_ticks = 4
    plot.add_layout(right, "right")
    _whole_numbers(plot)
    return plot


def top_of_running(data: dict[str, list[Any]]) -> float:
    """The end of the axis of running tasks: their line stays below that of those that ended."""
    return float(2 * max([1, *data["running"]]))


def _whole_numbers(plot: Any) -> None:
    from bokeh.models import NumeralTickFormatter

    for axis in plot.yaxis:
        axis.formatter = NumeralTickFormatter(format="0,0.[0]a")


def tasks_graph(run: Run) -> tuple[Any, int]:
    """Every task as a point; also how many lines were left out."""
    from bokeh.models import ColumnDataSource, HoverTool, TapTool

    field = graph.each_task(run)
    plot = figure("tasks-graph", 560, match_aspect=False)
    many = len(field.lines)
    if field.lines:
        x0, y0, x1, y1 = (list(column) for column in zip(*field.lines, strict=True))
        lines = ColumnDataSource({"x0": x0, "y0": y0, "x1": x1, "y1": y1})
        plot.segment("x0", "y0", "x1", "y1", source=lines, line_color=OTHER, line_alpha=max(0.04, min(0.6, 150 / many)))
    tasks = [run.tasks[n] for n in field.ids]
    colours = app_colours(run)
    left, right, bottom, top, apps = (list(column) for column in zip(*field.blocks, strict=True))
    blocks = {"left": left, "right": right, "bottom": bottom, "top": top, "colour": [colours[a] for a in apps]}
    plot.quad(
        source=ColumnDataSource(blocks),
        fill_color="colour",
        fill_alpha=0.28,
        line_color="colour",
        line_alpha=0.7,
        left="left",
        right="right",
        bottom="bottom",
        top="top",
    )
    source = ColumnDataSource(
        {
            "x": field.x,
            "y": field.y,
            "task": field.ids,
            "app": [t.app for t in tasks],
            "state": [t.state for t in tasks],
            "colour": [COLOURS[t.kind] for t in tasks],
        },
        name="graph-data",
    )
    look = {"source": source, "fill_color": "colour", "line_color": None, "nonselection_fill_alpha": 1.0}
    if len(tasks) <= 200:
        points = plot.scatter("x", "y", size=14 if len(tasks) <= 60 else 9, **look)
    else:  # which grow when one comes closer
        points = plot.rect("x", "y", width=0.8, height=0.8, **look)
        _marked(plot, field, tasks)
    plot.add_tools(
        HoverTool(renderers=[points], tooltips=[("task", "@task"), ("app", "@app"), ("state", "@state")]),
        TapTool(renderers=[points]),
    )
    plot.axis.visible = False
    plot.grid.visible = False
    low, high = min(field.x, default=0), max(field.x, default=1)
    plot.y_range = range_(min(min(bottom), -13) - 1, max(max(top), 13) + 1)
    plot.x_range = range_(low - 1 - (high - low) * 0.03, high + 1 + (high - low) * 0.03)
    return plot, field.left_out


def _marked(plot: Any, field: graph.Field, tasks: Sequence[Task]) -> None:
    """Marks that can be seen from afar, on the few among many tasks that one looks for."""
    for kind in ("running", "not run", "failed"):
        places = [(field.x[i], field.y[i]) for i, task in enumerate(tasks) if task.kind == kind]
        if 0 < len(places) <= max(50, len(tasks) // 20):
            x, y = (list(column) for column in zip(*places, strict=True))
            plot.scatter(x, y, marker="diamond", size=13, fill_color=COLOURS[kind], line_color="white", line_width=1)
