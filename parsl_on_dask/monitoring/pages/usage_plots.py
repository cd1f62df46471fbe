"""The charts of resource samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parsl_on_dask.monitoring.pages import usage
from parsl_on_dask.monitoring.pages.figures import OTHER, PALETTE, app_colours, clock, figure, from_zero
from parsl_on_dask.monitoring.pages.model import Run


def _lines(name: str, height: int, lines: dict[str, usage.Line], label: str, scale: float, steps: bool = False) -> Any:
    """One line for each worker, or try."""
    from bokeh.models import ColumnDataSource, HoverTool

    plot = figure(name, height, x_axis_type="datetime")
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
    clock(plot)
    plot.yaxis.axis_label = label
    from_zero(plot, max((v / scale for line in lines.values() for v in line.values if v == v), default=0.0))
    return plot


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
    plot = figure("peaks", 280)
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
    from_zero(plot, max((u.peak / 2**20 for u in found), default=0.0))
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
