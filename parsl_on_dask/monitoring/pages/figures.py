"""What all charts have in common: colours, axes, and the figure itself, which Bokeh makes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from parsl_on_dask.errors import OptionalModuleMissing
from parsl_on_dask.monitoring.pages.model import Run

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


def figure(name: str, height: int, **options: Any) -> Any:
    """An empty chart."""
    from bokeh import plotting

    plot = plotting.figure(
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


def clock(plot: Any) -> None:
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


def from_zero(plot: Any, highest: float) -> None:
    """Let the y axis begin at 0."""
    plot.y_range = range_(0, highest * 1.08 or 1.0)


def range_(low: float, high: float) -> Any:
    """The ends of an axis."""
    from bokeh.models import Range1d

    return Range1d(start=low, end=high)
