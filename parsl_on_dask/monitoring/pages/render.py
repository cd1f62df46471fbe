"""Fills the templates: what the server and the report share."""

from __future__ import annotations

import functools
import os
from collections import Counter
from statistics import median
from typing import Any

from parsl_on_dask.common import wording
from parsl_on_dask.monitoring.pages import figures, graph, plots, usage, usage_plots, workers
from parsl_on_dask.monitoring.pages.database import Database
from parsl_on_dask.monitoring.pages.failures import causes, failures, kinds_of_error, tracebacks
from parsl_on_dask.monitoring.pages.model import KINDS, Reader, Run, Task

FOLDER = os.path.dirname(os.path.abspath(__file__))
#: Causes of failures that are shown with all there is to say.
CAUSES = 50


@functools.cache
def environment() -> Any:
    """The Jinja environment of the templates."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.join(FOLDER, "templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters.update(duration=wording.duration, clock=wording.clock, size=wording.size)
    made.globals.update(
        count=wording.count, percent=wording.percent, kinds=KINDS, colours=figures.COLOURS, other=figures.OTHER
    )
    return made


def page(template: str, **values: Any) -> str:
    """A template's text."""
    return str(environment().get_template(template).render(**values))


def static(name: str) -> str:
    """The text of a style sheet or a script."""
    with open(os.path.join(FOLDER, "static", name), encoding="utf-8") as file:
        return file.read()


def bars(run: Run) -> dict[str, Any]:
    """What the progress bars show."""
    by_app = run.by_app()
    total: Counter[str] = Counter()
    for counts in by_app.values():
        total.update(counts)
    ended = total["done"] + total["cached"] + total["failed"] + total["not run"]
    everything = sum(total.values())
    rate, left = None, None
    summary = run.summary
    if summary.status == "running" and summary.began is not None:
        recent = _recent_rate(run)
        rate = recent
        if recent and everything > ended:
            left = (everything - ended) / recent
    elif summary.took:
        rate = ended / summary.took if ended else None
    return {"apps": by_app, "total": total, "ended": ended, "count": everything, "rate": rate, "left": left}


def _recent_rate(run: Run) -> float | None:
    """Tasks that ended each second, over the latest stretch of the run."""
    times = sorted(t.returned for t in run.tasks.values() if t.returned is not None)
    if not times or run.summary.began is None:
        return None
    stretch = max(10.0, (run.read - run.summary.began) / 10)
    recent = sum(1 for t in times if t > run.read - stretch)
    since = min(stretch, run.read - run.summary.began)
    return recent / since if recent and since > 0 else None


def apps(run: Run) -> list[dict[str, Any]]:
    """How long the tasks of each app took, and how much they failed."""
    groups: dict[str, list[Task]] = {}
    for task in run.tasks.values():
        groups.setdefault(task.app, []).append(task)
    found = []
    for app, members in groups.items():
        times = sorted(t.took for t in members if t.took is not None and t.state in ("exec_done", "failed"))
        waits = [
            t.tries[0].began - t.invoked
            for t in members
            if t.tries and t.tries[0].began is not None and t.invoked is not None and t.state != "memo_done"
        ]
        found.append(
            {
                "app": app,
                "tasks": len(members),
                "median": median(times) if times else None,
                "longest": times[-1] if times else None,
                "sum": sum(times) if times else None,
                "wait": median(waits) if waits else None,
                "retries": sum(max(0, len(t.tries) - 1) for t in members),
                "failed": sum(t.kind in ("failed", "not run") for t in members),
            }
        )
    return found


def failing(database: Database, run: Run) -> dict[str, Any]:
    """Failures by cause, and retries."""
    found = failures(run, {})
    shown = causes(found)
    texts = tracebacks(database, run, {c.root.task.id for c in shown[:CAUSES]}) if found else {}
    for cause in shown:
        cause.root.traceback = texts.get(cause.root.task.id)
    retried = [t for t in run.tasks.values() if len(t.tries) > 1]
    return {
        "failures": found,
        "causes": shown[:CAUSES],
        "more_causes": max(0, len(shown) - CAUSES),
        "errors": kinds_of_error(found),
        "retried": retried[:200],
        "more_retried": max(0, len(retried) - 200),
        "retries": sum(len(t.tries) - 1 for t in retried),
    }


def caching(run: Run) -> dict[str, Any]:
    """How often results were taken from the cache."""
    rows = []
    for app in run.by_app():
        members = [t for t in run.tasks.values() if t.app == app]
        asked = [t for t in members if t.memoize]
        hits = [t for t in members if t.state == "memo_done"]
        times = [t.took for t in members if t.took is not None and t.state == "exec_done"]
        saved = len(hits) * median(times) if times and hits else None
        rows.append({"app": app, "tasks": len(members), "asked": len(asked), "hits": len(hits), "saved": saved})
    return {
        "rows": rows,
        "hits": sum(r["hits"] for r in rows),
        "asked": sum(r["asked"] for r in rows),
        "saved": sum(r["saved"] for r in rows if r["saved"] is not None),
    }


def resources(reader: Reader, run: Run) -> dict[str, Any]:
    """What tasks and workers used, with the charts."""
    found = usage.used(run, usage.samples_of(reader, run.summary.id))
    made: dict[str, Any] = {}
    if found:
        lines = usage.memory(found)
        made["memory"] = usage_plots.memory_by_worker(_busiest(lines))
        spent = usage.cores(found)
        if spent:
            made["cores"] = usage_plots.cores_by_worker(_busiest(spent))
        made["peaks"] = usage_plots.peaks(run, sorted(found, key=lambda u: -u.peak)[:10_000])
    return {"plots": made, "apps": usage.by_app(found), "tries": len(found), "legend": _worker_legend(found)}


def _busiest(lines: dict[str, usage.Line]) -> dict[str, usage.Line]:
    """The workers with the highest values, in the order of their names."""
    chosen = sorted(lines, key=lambda w: -max((v for v in lines[w].values if v == v), default=0.0))[
        : len(figures.PALETTE)
    ]
    return {worker: lines[worker] for worker in sorted(chosen)}


def _worker_legend(found: list[usage.Used]) -> list[tuple[str, str]]:
    names = list(_busiest(usage.memory(found)))
    return list(zip(names, figures.PALETTE, strict=False))


def overview_plots(run: Run) -> dict[str, Any]:
    """The charts of a run's first page."""
    return {"timeline": plots.timeline(run), "gantt": plots.gantt(run, workers.chart(run))}


def drawings(run: Run) -> dict[str, Any]:
    """The grouped task graphs."""
    return {"by_app": graph.by_app(run), "by_step": graph.by_step(run)}


def places(run: Run) -> dict[str, Any]:
    """Blocks and nodes, as the database tells their stories."""
    from parsl_on_dask.monitoring.pages.database import seconds

    blocks: dict[tuple[str, str], list[tuple[str, float | None, str]]] = {}
    for executor, block, job, when, status in sorted(run.blocks, key=lambda b: str(b[3])):
        blocks.setdefault((executor, str(block)), []).append((status, seconds(when), job or ""))
    nodes: dict[tuple[str, str], tuple[Any, ...]] = {}
    for row in sorted(run.nodes, key=lambda n: str(n[7])):
        nodes[row[0], str(row[1])] = row
    return {"blocks": blocks, "nodes": list(nodes.values())}


#: What a row of the table of tasks holds.
COLUMNS = ("task", "app", "state", "kind", "began", "took", "tries", "executor", "host", "error")


def table_row(task: Task, began: float | None) -> list[Any]:
    """A task as the table of tasks takes it; times in seconds since the run began."""
    last = task.tries[-1] if task.tries else None
    start = task.began if task.began is not None else task.invoked
    error = next((t.failure for t in reversed(task.tries) if t.failure), None)
    return [
        task.id,
        task.app,
        task.state,
        task.kind,
        None if start is None or began is None else round(start - began, 3),
        None if task.took is None or task.state == "memo_done" else round(task.took, 4),
        len(task.tries),
        last.executor if last else "",
        (last.host or "") if last else "",
        error[:300] if error else "",
    ]


def items(made: dict[str, Any]) -> dict[str, str]:
    """Charts as JSON that can stand in a script."""
    import json

    from bokeh.embed import json_item

    return {name: script_json(json.dumps(json_item(plot))) for name, plot in made.items()}


def script_json(text: str) -> str:
    """JSON that cannot end the script that it stands in."""
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")


def bokeh_scripts() -> list[str]:
    """Bokeh's own scripts, from its installation: nothing is fetched from anywhere."""
    from bokeh.resources import Resources

    return list(Resources(mode="inline", components=["bokeh"]).js_raw)
