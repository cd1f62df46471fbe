"""The rate of calls against their length, as a picture."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.systems import WORKERS

WORKLOADS = ("bulk", "busy-0.1ms", "busy-1ms", "busy-10ms", "busy-100ms")
SYSTEMS = {
    "ours": "parsl_on_dask",
    "parsl": "Parsl HTEX",
    "dask": "bare Dask",
    "ray": "Ray",
    "executorlib": "executorlib",
}

# Okabe and Ito's colours, which people tell apart however they see colours; the shapes say it once more.
_STYLES = {
    "ours": ("#0072B2", "o"),
    "parsl": ("#D55E00", "s"),
    "dask": ("#009E73", "^"),
    "ray": ("#CC79A7", "D"),
    "executorlib": ("#E69F00", "v"),
}
_GREY = "#666666"
_NO_LENGTH = 0.01
"""Where calls that do nothing stand on an axis of logarithms."""

Points = list[tuple[float, float]]


def check() -> None:
    """See that a picture can be drawn.

    Raises
    ------
    ValueError
        When matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError(
            "--plot needs matplotlib, which is not installed: pip install matplotlib, or this package with its "
            "extra: pip install 'parsl-on-dask[bench]'"
        )


def points(lines: list[dict[str, Any]]) -> dict[str, Points]:
    """Give the lengths (ms of CPU time, ascending) and rates (calls a second) of each system that has any.

    Examples
    --------
    >>> busy = {"name": "busy-10ms", "parameters": {"ms": 10}, "medians": {"ours": 50.0}}
    >>> points([{"name": "bulk-processes", "parameters": {}, "medians": {"ours": 9000.0}}, busy])
    {'ours': [(0.0, 9000.0), (10.0, 100.0)]}
    """
    found: dict[str, Points] = {}
    for line in lines:
        for system in SYSTEMS:
            median = line["medians"].get(system)
            if not median:
                continue
            if line["name"] == "bulk-processes":
                found.setdefault(system, []).append((0.0, median))
            elif line["name"] in WORKLOADS:
                # Its figure is the part of the ideal rate, in percent.
                ms = float(line["parameters"]["ms"])
                found.setdefault(system, []).append((ms, median / 100 * ideal(ms)))
    return {system: sorted(values) for system, values in found.items()}


def ideal(ms: float) -> float:
    """Give the calls a second of all workers if there were nothing but the calls."""
    return WORKERS / (ms / 1e3)


def draw(run: Mapping[str, Any], file: Path) -> None:
    """Draw the picture of a run; the ending of `file` (.svg, .png) says how.

    Raises
    ------
    ValueError
        When matplotlib is missing, or nothing was measured that is drawn.
    """
    check()
    found = points(run["lines"])
    if not found:
        raise ValueError(f"--plot {file}: the run has none of the rows {', '.join(WORKLOADS)} on processes")
    import matplotlib
    from matplotlib.figure import Figure

    settings = {
        "svg.hashsalt": "parsl_on_dask",
        "svg.fonttype": "none",
        "font.size": 11,
        "axes.edgecolor": _GREY,
        "xtick.color": _GREY,
        "ytick.color": _GREY,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(7.2, 7.4), layout="constrained", facecolor="white")
        above, below = figure.subplots(2, sharex=True, height_ratios=(3, 2))
        _lines(above, found)
        _frame(above, found)
        _shares(below, found)
        figure.legend(
            *below.get_legend_handles_labels(),
            loc="outside upper center",
            ncols=5,
            frameon=False,
            columnspacing=1.2,
            handlelength=1.5,
        )
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)


def _lines(axes: Any, found: Mapping[str, Points]) -> None:
    lengths = sorted({ms for values in found.values() for ms, _ in values if ms})
    if lengths:
        rates = [ideal(ms) for ms in lengths]
        axes.plot(lengths, rates, color=_GREY, linewidth=1.2, dashes=(5, 3), zorder=1)
        axes.annotate(
            f"ideal: {WORKERS} cores / length",
            (lengths[0], rates[0]),
            xytext=(8, 2),
            textcoords="offset points",
            color=_GREY,
        )
    for system, values in found.items():
        color, marker = _STYLES[system]
        timed = [(ms, rate) for ms, rate in values if ms]
        look = {"color": color, "marker": marker, "markersize": 6, "markeredgecolor": "white"}
        if timed:
            axes.plot(*zip(*timed, strict=True), linewidth=2, zorder=3, **look)
        if not values[0][0]:
            # Nought is on no axis of logarithms: its points stand apart, and what leads to them is no measurement.
            start = [(_NO_LENGTH, values[0][1]), *timed[:1]]
            axes.plot(*zip(*start, strict=True), linewidth=1.5, linestyle=":", zorder=2, **look)


def _shares(axes: Any, found: Mapping[str, Points]) -> None:
    """How much of the ideal rate each system reaches, in percent."""
    for system, values in found.items():
        color, marker = _STYLES[system]
        timed = [(ms, 100 * rate / ideal(ms)) for ms, rate in values if ms]
        # one that has no such calls is in the legend, too
        axes.plot(
            *(zip(*timed, strict=True) if timed else ((), ())),
            label=SYSTEMS[system],
            color=color,
            marker=marker,
            markersize=6,
            markeredgecolor="white",
            linewidth=2,
        )
    axes.set_ylim(0, 105)
    axes.set_xlabel("length of a call (ms of CPU time)")
    axes.set_ylabel("percent of ideal")
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _frame(axes: Any, found: Mapping[str, Points]) -> None:
    rates = [rate for values in found.values() for _, rate in values]
    lengths = sorted({ms for values in found.values() for ms, _ in values})
    top = max([*rates, *(ideal(ms) for ms in lengths if ms)])
    axes.set_xscale("log")
    axes.set_yscale("log")
    places = [ms or _NO_LENGTH for ms in lengths]
    axes.set_xlim(min(places) / 1.5, max(places) * 1.6)
    axes.set_ylim(min(rates) / 2, top * 2)
    axes.set_xticks(places, [f"{ms:g}" for ms in lengths])
    axes.xaxis.set_minor_locator(_nothing())
    axes.yaxis.set_minor_locator(_nothing())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylabel("calls a second")


def _nothing() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()
