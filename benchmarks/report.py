"""Medians, ratios and tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.catalogue import ROWS, Row, Target, targets_of
from benchmarks.runner import Key, Samples

NAMES = {"ours": "parsl_on_dask", "parsl": "Parsl", "dask": "Dask"}
HEADS = ("workload", "unit", "parsl_on_dask", "Parsl", "Dask", "vs Parsl", "vs Dask", "target", "verdict")

_NOTES = """\
- Processes: `HighThroughputExecutor` with a `LocalProvider` and two workers (ours and Parsl's, encrypted as by
  default), Dask's `SubprocessCluster` with two single-threaded workers.
- Threads: `ThreadPoolExecutor(max_threads=2)` (ours and Parsl's), Dask's in-process `Client(processes=False)` with
  two threads.
- Dask is used as its users do: `client.submit(..., pure=False)` for each call, `client.gather` for many values.
- The workers are up and have run calls before the clock starts, except for the first result and the import.
- Parsl's first result on processes contains the first pass of its scaling strategy, by default after five seconds.
- Busy calls use CPU time, and their ideal is all of that time divided by two cores: where there are no more cores,
  client and scheduler need their share of the same ones.
- The client's memory is the growth of its resident set for calls that are finished and whose futures are held.
""".splitlines()


def machine() -> dict[str, Any]:
    """What this machine is and how busy it is now."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {"system": f"{platform.system()} {platform.release()}", "cpu": model, "cores": os.cpu_count(), "load": load}


def compare(row: Row, samples: Samples, tier: str) -> dict[str, Any]:
    """Make one line of the table as plain data: medians, ratios above 1 when ours is better, targets, verdict."""
    medians = {system: samples.median(system, row.figure) for system in NAMES}
    ratios = {system: _ratio(medians["ours"], medians[system], row.higher_is_better) for system in ("parsl", "dask")}
    targets = targets_of(row, tier)
    short, open_ = [], []
    for target in targets:
        reached = _reached(target, row, medians["ours"], ratios)
        if reached is None:
            open_.append(NAMES.get(target.versus, "value"))
        elif not reached:
            short.append(NAMES.get(target.versus, "value"))
    if short:
        verdict = f"short ({', '.join(short)})"
    elif open_:
        verdict = f"open ({', '.join(open_)})"
    else:
        verdict = "ok" if targets else ""
    return {
        "name": row.name,
        "title": row.title,
        "unit": row.unit,
        "medians": medians,
        "ratios": ratios,
        "samples": {
            system: [values[row.figure] for values in found if row.figure in values]
            for system, found in samples.values.items()
        },
        "parameters": samples.parameters,
        "problems": samples.problems,
        "target": ", ".join(_describe(target, row) for target in targets),
        "verdict": verdict,
    }


def compare_all(collected: Mapping[Key, Samples], tier: str) -> list[dict[str, Any]]:
    """Make all lines for which something was measured or tried, in the order of the catalogue."""
    keys = [(row, Key(row.workload, row.kind)) for row in ROWS]
    return [compare(row, collected[key], tier) for row, key in keys if key in collected]


def text_table(lines: list[dict[str, Any]]) -> str:
    """Give the table for a terminal."""
    cells = [list(HEADS), *[_cells(line) for line in lines]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADS))]
    right = range(2, 7)

    def show(row: list[str]) -> str:
        return "  ".join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )

    return "\n".join(
        [show(cells[0]).rstrip(), "  ".join("-" * w for w in widths), *[show(r).rstrip() for r in cells[1:]]]
    )


def markdown(run: Mapping[str, Any]) -> str:
    """Give the page ``docs/performance.md``: what was measured, on what, the table, and how to repeat it."""
    where, versions = run["machine"], run["versions"]
    parts = [
        "# Performance",
        "",
        "Three systems take turns in one run; every measurement is a fresh process. The figures are medians of "
        f"{run['repeat']} turn{'s' if run['repeat'] != 1 else ''}. A ratio above 1 means that parsl_on_dask is better.",
        "",
        _table(run["lines"]),
        "",
        "## The run",
        "",
        f"- Machine: {where['cpu']}, {where['cores']} cores, {where['system']}; load {where['load']} at the start, "
        f"{where['load_at_end']} at the end.",
        *[f"- {NAMES[system]}: {_versions(found)}." for system, found in versions.items()],
        f"- Date: {run['date']}.",
        f"- Command: `{run['command']}`",
        "",
        "## What the rows mean",
        "",
        "| workload | sizes | repeated values |",
        "|---|---|---|",
        *[f"| {line['title']} | {_sizes(line['parameters'])} | {_spread(line)} |" for line in run["lines"]],
        "",
        *_NOTES,
        f"- `parsl.log` is {'on' if run['log'] else 'off (`initialize_logging=False`)'} in ours and in Parsl.",
    ]
    problems = [(line, system, texts) for line in run["lines"] for system, texts in line["problems"].items()]
    if problems:
        parts += ["", "## Not measured", ""]
        parts += [f"- {line['title']}, {NAMES[system]}: {texts[0]}" for line, system, texts in problems]
    return "\n".join(parts) + "\n"


def _ratio(ours: float | None, other: float | None, higher_is_better: bool) -> float | None:
    if ours is None or other is None or ours <= 0 or other <= 0:
        return None
    return ours / other if higher_is_better else other / ours


def _reached(target: Target, row: Row, ours: float | None, ratios: Mapping[str, float | None]) -> bool | None:
    if target.versus == "value":
        if ours is None:
            return None
        return ours >= target.bound if row.higher_is_better else ours <= target.bound
    ratio = ratios[target.versus]
    return None if ratio is None else ratio >= target.bound


def _describe(target: Target, row: Row) -> str:
    if target.versus == "value":
        return f"{'>=' if row.higher_is_better else '<='} {target.bound:g} {row.unit}"
    return f"{NAMES[target.versus]} {target.bound:g}x"


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cells(line: Mapping[str, Any]) -> list[str]:
    medians, ratios = line["medians"], line["ratios"]
    times = [f"{_figure(ratios[s])}x" if ratios[s] is not None else "-" for s in ("parsl", "dask")]
    return [
        line["title"], line["unit"], *[_figure(medians[s]) for s in NAMES], *times, line["target"], line["verdict"]
    ]  # fmt: skip


def _table(lines: list[dict[str, Any]]) -> str:
    rows = [HEADS, ["---", "---", "--:", "--:", "--:", "--:", "--:", "---", "---"], *[_cells(line) for line in lines]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _versions(found: Mapping[str, Any]) -> str:
    known = {name: version for name, version in found.items() if version is not None and name != "python"}
    return f"Python {found['python']}, " + ", ".join(f"{name} {version}" for name, version in known.items())


def _sizes(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in parameters.items() if name != "log") or "-"


def _spread(line: Mapping[str, Any]) -> str:
    found = [
        f"{NAMES[system]} {_figure(min(values))} to {_figure(max(values))}"
        for system, values in line["samples"].items()
        if len(values) > 1
    ]
    return "; ".join(found) or "-"
