"""Medians, ratios, verdicts, and the table for a terminal."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks.rows import ROWS, Row, Target, targets_of
from benchmarks.runner import Key, Samples

NAMES = {"ours": "parsl_on_dask", "parsl": "Parsl", "dask": "Dask"}
SYSTEMS = {**NAMES, "ray": "Ray", "executorlib": "executorlib"}
"""With those that have no column in the table."""
HEADS = ("workload", "unit", "parsl_on_dask", "Parsl", "Dask", "vs Parsl", "vs Dask", "target", "verdict")


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
    return {
        "system": f"{platform.system()} {platform.release()}",
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load": load,
    }


def compare(row: Row, samples: Samples, tier: str) -> dict[str, Any]:
    """Make one line of the table as plain data: medians, ratios above 1 when ours is better, targets, verdict."""
    medians = {system: samples.median(system, row.figure) for system in SYSTEMS}
    ratios = {system: _ratio(medians["ours"], medians[system], row.higher_is_better) for system in ("parsl", "dask")}
    targets = targets_of(row, tier)
    short: dict[str, str] = {}
    open_ = []
    for target in targets:
        reached = _reached(target, row, medians["ours"], ratios)
        if reached is None:
            open_.append(NAMES.get(target.versus, "value"))
        elif not reached:
            short[NAMES.get(target.versus, "value")] = _how_far(target, row, medians["ours"], ratios)
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
        "short": list(short.values()),
    }


def compare_all(collected: Mapping[Key, Samples], tier: str) -> list[dict[str, Any]]:
    """Make all lines for which something was measured or tried, in the order of the catalogue."""
    keys = [(row, Key(row.workload, row.kind)) for row in ROWS]
    return [compare(row, collected[key], tier) for row, key in keys if key in collected]


def text_table(lines: list[dict[str, Any]]) -> str:
    """Give the table for a terminal."""
    rows = [list(HEADS), *[cells(line) for line in lines]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    right = range(2, 7)

    def show(row: list[str]) -> str:
        return "  ".join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )

    return "\n".join(
        [show(rows[0]).rstrip(), "  ".join("-" * w for w in widths), *[show(r).rstrip() for r in rows[1:]]]
    )


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


def _how_far(target: Target, row: Row, ours: float | None, ratios: Mapping[str, float | None]) -> str:
    if target.versus == "value":
        return f"{figure(ours)} {row.unit}, and the target is {_describe(target, row)}"
    return f"{figure(ratios[target.versus])}x against {NAMES[target.versus]}, and the target is {target.bound:g}x"


def figure(value: float | None) -> str:
    """Give a figure with about three digits."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cells(line: Mapping[str, Any]) -> list[str]:
    """Give one line as the cells of a table, below `HEADS`."""
    medians, ratios = line["medians"], line["ratios"]
    times = [f"{figure(ratios[s])}x" if ratios[s] is not None else "-" for s in ("parsl", "dask")]
    return [
        line["title"], line["unit"], *[figure(medians[s]) for s in NAMES], *times, line["target"], line["verdict"]
    ]  # fmt: skip
