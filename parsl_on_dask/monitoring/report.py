"""A finished run as one HTML file, to mail to somebody."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parsl_on_dask.jobs.node_hours import COLUMNS, NodeHours, cells
from parsl_on_dask.monitoring.pages import database as db
from parsl_on_dask.monitoring.pages import figures, render, workers
from parsl_on_dask.monitoring.pages.model import Reader, Run, Summary, Task
from parsl_on_dask.remote.sidefiles import replacing
from parsl_on_dask.version import PACKAGE_VERSION

__all__ = ["choose", "write"]

#: Tasks up to which the table has them all.
ROWS = 20_000


def choose(reader: Reader, folder: str | None = None, run: str | None = None) -> Summary:
    """The run that is meant: by id, by its run directory, or the latest.

    Parameters
    ----------
    folder : str, optional
        A run's own directory, such as ``runinfo/003``; anything else says nothing about which run is meant.
    run : str, optional
        The beginning of a run's id, or the name of its directory.

    Raises
    ------
    DatabaseProblem
        When there is no such run, or several.
    """
    runs = reader.runs()
    if not runs:
        raise db.DatabaseProblem(f"{reader.database.name} has no run yet")
    if run is not None:
        found = [s for s in runs if s.id.startswith(run) or os.path.basename(s.rundir) == run]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(f"{s.id[:8]} ({os.path.basename(s.rundir)}, {s.name})" for s in runs[:10])
        raise db.DatabaseProblem(
            f"{'no run' if not found else f'{len(found)} runs'} called {run!r} here; there are {listed}"
        )
    if folder is not None and os.path.isdir(folder) and not os.path.isfile(os.path.join(folder, "monitoring.db")):
        name = os.path.basename(os.path.abspath(folder))
        found = [s for s in runs if os.path.realpath(s.rundir) == os.path.realpath(folder)] or [
            s for s in runs if os.path.basename(s.rundir) == name
        ]
        if not found:
            raise db.DatabaseProblem(f"{reader.database.name} has no run whose directory is {folder}")
        return found[0]
    return runs[0]


def write(reader: Reader, summary: Summary, path: str | os.PathLike[str], hours: Sequence[NodeHours] = ()) -> int:
    """Write a run's report, and return its size in bytes.

    Parameters
    ----------
    path : path
        Replaced as a whole, or not at all.
    hours : sequence of NodeHours
        Of the executors that had blocks.
    """
    text = html(reader, reader.run(summary.id), hours).encode()
    with replacing(os.path.abspath(path)) as unfinished:
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "wb") as file:
            file.write(text)
    return len(text)


def html(reader: Reader, run: Run, hours: Sequence[NodeHours] = ()) -> str:
    """The report."""
    figures.require_bokeh()
    made: dict[str, Any] = {}
    values: dict[str, Any] = {}
    kinds = run.kinds()
    if run.tasks:
        resources = render.resources(reader, run)
        made = {**render.overview_plots(run), **resources["plots"]}
        rows = _chosen(run)
        values = {
            "merged": workers.chart(run).merged,
            "places": render.places(run),
            "app_rows": render.apps(run),
            "drawing": render.drawings(run)["by_step"] or render.drawings(run)["by_app"],
            "failing": render.failing(reader.database, run),
            "resources": resources,
            "caching": render.caching(run),
            "rows": rows,
            "rows_left_out": len(run.tasks) - len(rows),
            "rows_json": render.script_json(json.dumps([render.table_row(t, run.summary.began) for t in rows])),
            "bokeh": render.bokeh_scripts(),
        }
    return render.page(
        "report.html",
        run=run,
        b=render.bars(run),
        total=kinds,
        colour_of=figures.app_colours(run),
        plots=render.items(made),
        sections=_sections(bool(run.tasks), bool(hours)),
        hours=[(one, cells(one)) for one in hours],
        hours_columns=COLUMNS,
        style=render.static("style.css"),
        script=render.static("pages.js"),
        database=reader.database.name,
        made=db.now(),
        version=PACKAGE_VERSION,
        **values,
    )


def _sections(tasks: bool, hours: bool) -> list[tuple[str, str]]:
    names = ["progress", "workers", "apps", "graph", "failures", "resources", "cache"] if tasks else []
    found = [(name, name.capitalize()) for name in names]
    found += [("node-hours", "Node-hours")] if hours else []
    return found + ([("tasks-section", "Tasks")] if tasks else [])


def _chosen(run: Run) -> list[Task]:
    tasks = list(run.tasks.values())
    if len(tasks) <= ROWS:
        return tasks
    tasks.sort(key=lambda t: (t.kind not in ("failed", "not run"), len(t.tries) < 2, -(t.took or 0.0)))
    return sorted(tasks[:ROWS], key=lambda t: t.id)


def default_path(summary: Summary) -> Path:
    """Where a report goes when nobody says: into the current folder, under the run's name."""
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in summary.name.removesuffix(".py")) or "run"
    return Path(f"{name}-{os.path.basename(summary.rundir) or summary.id[:8]}-report.html")
