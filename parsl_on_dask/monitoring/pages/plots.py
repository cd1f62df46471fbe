"""The charts, made with Bokeh. Colours that must fit the page's light or dark side are set by the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from parsl_on_dask.errors import OptionalModuleMissing
from parsl_on_dask.monitoring.pages import graph, usage, workers
from parsl_on_dask.monitoring.pages.model import FINAL, Run, Task

#: Colours of the kinds of states; told apart also by those who do not see all colours.
COLOURS = {
    "done": "#009e73",
    "cached": "#9b72c8",
    "running": "#2f86c9",
    "waiting": "#9aa3ad",
    "failed": "#d55e00",
    "not run": "#e0a32e",
}
#: Colours of apps, and of workers.
PALETTE = [
    "#4e79a7",
    "#f28e2b",
    "#59a14f",
    "#b07aa1",
    "#76b7b2",
    "#d4a72c",
    "#ff8fa0",
    "#9c755f",
    "#6b8fd6",
    "#8cb369",
    "#c2698f",
    "#5aa9a3",
]
OTHER = "#8b939c"


def require_bokeh() -> None:
    """Raise unless Bokeh can be imported.

    Raises
    ------
    OptionalModuleMissing
    """
    try:
        import bokeh.plotting  # noqa: F401
    except ImportError:
        raise OptionalModuleMissing(
            ["bokeh"], "the charts are made with it: pip install 'parsl-on-dask[monitoring]'"
        ) from None


def app_colours(run: Run) -> dict[str, str]:
    """A colour for each app; the apps with the fewest tasks share one when there are many."""
    counts = Counter(task.app for task in run.tasks.values())
    order = {app: i for i, app in enumerate(run.by_app())}
    chosen = sorted((app for app, _ in counts.most_common(len(PALETTE))), key=lambda a: order[a])
    return dict.fromkeys(order, OTHER) | dict(zip(chosen, PALETTE, strict=False))


def _figure(name: str, height: int, **options: Any) -> Any:
    from bokeh.plotting import figure

    plot = figure(
        name=name,
        height=height,
        sizing_mode="stretch_width",
        tools="pan,box_zoom,wheel_zoom,reset,save",
        active_drag=None,
        active_scroll=None,
        toolbar_location="above",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border_right=12,
        **options,
    )
    plot.toolbar.logo = None
    plot.axis.axis_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_font_size = "12px"
    plot.axis.axis_label_text_font_size = "12px"
    plot.axis.axis_label_text_font_style = "normal"
    plot.grid.grid_line_alpha = 0.35
    return plot


def _clock(plot: Any) -> None:
    """Times of day on the x axis."""
    from bokeh.models import DatetimeTickFormatter

    plot.xaxis.formatter = DatetimeTickFormatter(
        microseconds="%H:%M:%S.%3N",
        milliseconds="%H:%M:%S.%3N",
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%b %d",
        months="%b %Y",
    )
    plot.xaxis.ticker.desired_num_ticks = 5
    plot.xaxis.axis_label = "local time of the run"


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
        "length": [_length(b.end - b.start) for b in chart.bars],
        "task": [b.task for b in chart.bars],
    }


def _bar_text(bar: workers.Bar) -> str:
    if bar.count > 1:
        return f"{bar.count} tries, mostly of {bar.app}" + (" (failed)" if bar.failed else "")
    what = f"task {bar.task}, {bar.app}" + (f", try {bar.try_id + 1}" if bar.try_id else "")
    return what + (" (failed)" if bar.failed else " (running)" if bar.running else "")


def _length(value: float) -> str:
    from parsl_on_dask.monitoring.pages.words import duration

    return duration(value)


def gantt_height(rows: int) -> int:
    """Pixels of the Gantt chart."""
    each = 24 if rows <= 40 else 14 if rows <= 150 else 5
    return min(150 + rows * each, 3000)


def gantt(run: Run, chart: workers.Chart) -> Any:
    """What each worker ran when."""
    from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FactorRange, HoverTool, TapTool

    rows = list(reversed(chart.rows))
    plot = _figure(
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
    _clock(plot)
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

    plot = _figure("timeline", 260, x_axis_type="datetime")
    data = timeline_data(run)
    source = ColumnDataSource(data, name="timeline-data")
    plot.varea(x="time", y1=0, y2="ended", source=source, fill_color=COLOURS["done"], fill_alpha=0.3)
    ended = plot.line("time", "ended", source=source, line_color=COLOURS["done"], line_width=2)
    plot.line("time", "known", source=source, line_color=COLOURS["waiting"], line_width=2, line_dash="dashed")
    # few run at a time of the many that there are
    plot.extra_y_ranges = {"running": _range(0, top_of_running(data))}
    look = {"line_color": COLOURS["running"], "line_width": 2, "y_range_name": "running"}
    plot.line("time", "running", source=source, **look)
    plot.add_tools(
        HoverTool(
            renderers=[ended],
            mode="vline",
            tooltips=[("submitted", "@known"), ("ended", "@ended"), ("running", "@running")],
        )
    )
    _clock(plot)
    plot.yaxis.axis_label = "tasks"
    _from_zero(plot, len(run.tasks))
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
    plot = _figure("tasks-graph", 560, match_aspect=False)
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
    plot.y_range = _range(min(min(bottom), -13) - 1, max(max(top), 13) + 1)
    plot.x_range = _range(low - 1 - (high - low) * 0.03, high + 1 + (high - low) * 0.03)
    return plot, field.left_out


def _marked(plot: Any, field: graph.Field, tasks: Sequence[Task]) -> None:
    """Marks that can be seen from afar, on the few among many tasks that one looks for."""
    for kind in ("running", "not run", "failed"):
        places = [(field.x[i], field.y[i]) for i, task in enumerate(tasks) if task.kind == kind]
        if 0 < len(places) <= max(50, len(tasks) // 20):
            x, y = (list(column) for column in zip(*places, strict=True))
            plot.scatter(x, y, marker="diamond", size=13, fill_color=COLOURS[kind], line_color="white", line_width=1)


def _lines(name: str, height: int, lines: dict[str, usage.Line], label: str, scale: float, steps: bool = False) -> Any:
    """One line for each worker, or try."""
    from bokeh.models import ColumnDataSource, HoverTool

    plot = _figure(name, height, x_axis_type="datetime")
    for i, (worker, line) in enumerate(lines.items()):
        source = ColumnDataSource(
            {
                "time": [t * 1000 for t in line.times],
                "value": [v / scale for v in line.values],
                "worker": [worker] * len(line.times),
            }
        )
        colour = PALETTE[i] if i < len(PALETTE) else OTHER
        look = {"source": source, "line_color": colour, "line_width": 1.8}
        drawn = plot.step("time", "value", mode="after", **look) if steps else plot.line("time", "value", **look)
        if len(line.times) == 1:
            drawn = plot.scatter("time", "value", source=source, color=colour, size=6)
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("worker", "@worker"), (label, "@value{0,0.00}")]))
    _clock(plot)
    plot.yaxis.axis_label = label
    _from_zero(plot, max((v / scale for line in lines.values() for v in line.values if v == v), default=0.0))
    return plot


def _from_zero(plot: Any, highest: float) -> None:
    plot.y_range = _range(0, highest * 1.08 or 1.0)


def _range(low: float, high: float) -> Any:
    from bokeh.models import Range1d

    return Range1d(start=low, end=high)


def memory_by_worker(lines: dict[str, usage.Line]) -> Any:
    """Resident memory of what runs on each worker."""
    return _lines("memory", 280, lines, "resident memory, MiB", 2.0**20, steps=True)


def cores_by_worker(lines: dict[str, usage.Line]) -> Any:
    """Cores in use by each worker."""
    return _lines("cores", 260, lines, "cores in use", 1.0)


def peaks(run: Run, found: Sequence[usage.Used]) -> Any:
    """Peak memory of each try, by task."""
    from bokeh.models import ColumnDataSource, HoverTool, TapTool

    colours = app_colours(run)
    plot = _figure("peaks", 280)
    source = ColumnDataSource(
        {
            "task": [u.task for u in found],
            "peak": [u.peak / 2**20 for u in found],
            "cpu": [u.cpu for u in found],
            "app": [u.app for u in found],
            "colour": [colours[u.app] for u in found],
        }
    )
    points = plot.scatter("task", "peak", source=source, size=6, color="colour", alpha=0.8, nonselection_fill_alpha=0.8)
    plot.add_tools(
        HoverTool(
            renderers=[points],
            tooltips=[("task", "@task"), ("app", "@app"), ("peak", "@peak{0,0.0} MiB"), ("CPU", "@cpu{0,0.00} s")],
        ),
        TapTool(renderers=[points]),
    )
    plot.xaxis.axis_label = "task"
    plot.yaxis.axis_label = "peak memory, MiB"
    _from_zero(plot, max((u.peak / 2**20 for u in found), default=0.0))
    return plot


def of_a_task(samples: Sequence[usage.Sample]) -> dict[str, Any]:
    """Memory and CPU of one task, a line for each try."""
    tries: dict[str, list[usage.Sample]] = {}
    for sample in samples:
        tries.setdefault(f"try {sample.try_id + 1}", []).append(sample)
    found = {}
    memory = {t: usage.Line([s.at for s in ss], [s.memory or 0.0 for s in ss]) for t, ss in tries.items()}
    found["task-memory"] = _lines("task-memory", 240, memory, "resident memory, MiB", 2.0**20, steps=True)
    cpu = {
        t: usage.Line([s.at for s in ss], [(s.cpu or 0.0) - (ss[0].cpu or 0.0) for s in ss]) for t, ss in tries.items()
    }
    found["task-cpu"] = _lines("task-cpu", 220, cpu, "CPU time, s", 1.0)
    return found
