"""How kernels, futures, Configs and progress look in a notebook, and a kernel in a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from parsl_on_dask.monitoring.tally import Row, of_kernel, total
from parsl_on_dask.python_internals.futures import error_of, value_of

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel
    from parsl_on_dask.config import Config

# Notebooks have light and dark pages of their own: text takes their colour, and these can be seen on both.
COLOURS = {"done": "#009e73", "cached": "#9b72c8", "running": "#2f86c9", "waiting": "#9aa3ad", "failed": "#d55e00"}
_QUIET = "opacity:.72"


def bar_html(row: Row) -> str:
    """A bar, and its numbers in words."""
    pieces = []
    words = []
    for kind, colour in COLOURS.items():
        count = getattr(row, kind)
        if count:
            pieces.append(f'<span style="flex:{count} 0 3px;background:{colour}" title="{count:,} {kind}"></span>')
            shape = f"display:inline-block;width:.65em;height:.65em;border-radius:50%;background:{colour}"
            dot = f'<span style="{shape}"></span>'
            words.append(f'<span style="white-space:nowrap;margin-right:.9em">{dot} {count:,} {kind}</span>')
    shape = "display:flex;height:12px;border-radius:6px;overflow:hidden;background:#9aa3ad44;margin:2px 0"
    return f'<div style="{shape}">{"".join(pieces)}</div><div style="font-size:.85em">{"".join(words)}</div>'


def bars_html(rows: Sequence[Row], foot: str = "") -> str:
    """A bar for each app."""
    parts = [
        f'<div style="margin:.4em 0"><div style="display:flex;justify-content:space-between;gap:1em">'
        f'<b style="overflow:hidden;text-overflow:ellipsis">{escape(row.app)}</b>'
        f"<span>{row.ended:,} / {row.total:,}</span></div>{bar_html(row)}</div>"
        for row in rows
    ]
    end = f'<div style="{_QUIET};font-size:.9em">{escape(foot)}</div>' if foot else ""
    return f'<div style="max-width:44em;font-family:system-ui,sans-serif">{"".join(parts)}{end}</div>'


def facts_html(title: str, facts: Sequence[tuple[str, str]], more: str = "") -> str:
    """A heading, and what there is to know; the facts are HTML."""
    cell = "padding:.1em .9em .1em 0;text-align:left;vertical-align:top;background:none;border:none"
    rows = "".join(
        f'<tr style="background:none"><td style="{cell};{_QUIET};white-space:nowrap">{escape(name)}</td>'
        f'<td style="{cell};overflow-wrap:anywhere">{value}</td></tr>'
        for name, value in facts
    )
    table = f'<table style="border:none;border-collapse:collapse;margin:.2em 0">{rows}</table>'
    return (
        f'<div style="max-width:56em;font-family:system-ui,sans-serif">'
        f'<div style="font-size:1.05em"><b>{title}</b></div>{table}{more}</div>'
    )


# -- kernel ------------------------------------------------------------------------------------------------------------


def kernel_text(kernel: Kernel) -> str:
    """The repr of a kernel."""
    state = "cleaned up" if kernel.cleanup_called else "running"
    labels = ", ".join(kernel.labels() if hasattr(kernel, "_labels") else ()) or "none"
    counted = ""
    if kernel.task_count:
        from parsl_on_dask.monitoring.screens import counts

        counted = f" ({counts(total(of_kernel(kernel)))})"
    return (
        f"<DataFlowKernel {state}, {kernel.task_count} tasks{counted}, executors {labels}, run_dir {kernel.run_dir!r}>"
    )


def kernel_html(kernel: Kernel) -> str:
    """A kernel in a notebook."""
    rows = of_kernel(kernel)
    links = kernel.dashboard_links
    facts = [
        ("workflow", escape(str(kernel.workflow_name))),
        ("run directory", escape(kernel.run_dir)),
        ("executors", "<br>".join(_executor(kernel, label, links) for label in kernel.labels()) or "none"),
        ("tasks", f"{kernel.task_count:,}"),
    ]
    state = "cleaned up" if kernel.cleanup_called else "running"
    return facts_html(f"DataFlowKernel, {state}", facts, bars_html(rows) if rows else "")


def _executor(kernel: Kernel, label: str, links: Mapping[str, str]) -> str:
    executor: Any = kernel.executors[label]
    text = f"{escape(label)} ({escape(type(executor).__name__)})"
    if label in links:
        link = escape(links[label], quote=True)
        text += f': <a href="{link}" target="_blank" rel="noopener">dashboard</a>'
    return text


# -- future ----------------------------------------------------------------------------------------------------------


def future_html(future: Any) -> str:
    """A future in a notebook. Never waits."""
    record = future.task_record
    status = getattr(record, "status", None)
    facts = [("state", escape(status.name if status is not None else "new"))]
    if getattr(record, "executor", None):
        facts.append(("executor", escape(record.executor)))
    if record.fail_count:
        facts.append(("failed tries", str(record.fail_count)))
    if future.done():
        facts.append(_outcome(future))
    elif record.depends:
        waiting = sum(not f.done() for f in record.depends)
        if waiting:
            facts.append(("waits for", f"{waiting} of {len(record.depends)} dependencies"))
    return facts_html(f"AppFuture of task {record.id}, app {escape(record.func_name)}", facts)


def _outcome(future: Any) -> tuple[str, str]:
    from parsl_on_dask.lanes.values import RemoteValue

    if future.cancelled():
        return "outcome", "cancelled"
    error = error_of(future)
    if error is not None:
        return "raised", f"<code>{escape(_short(error))}</code>"
    value: Any = value_of(future)
    if type(value) is RemoteValue:
        if future._fetched is None:
            return "result", "on the worker that made it; result() fetches it"
        value = future._fetched[0]
    return "result", f"<code>{escape(_short(value))}</code>"


def _short(value: Any, most: int = 300) -> str:
    """The repr of a value, or that it has none."""
    try:
        text = repr(value)
    except Exception as e:  # of a class of the user's
        return f"<{type(value).__name__}, whose repr raises {type(e).__name__}>"
    return text if len(text) <= most else text[:most] + "…"


# -- Config ----------------------------------------------------------------------------------------------------------


def config_html(config: Config) -> str:
    """A Config in a notebook: what differs from the default, and all of it behind a click."""
    import inspect

    facts = [("executors", "<br>".join(_described(e) for e in config.executors))]
    for name, parameter in list(inspect.signature(type(config).__init__).parameters.items())[1:]:
        value = getattr(config, name, None)
        if name != "executors" and value is not parameter.default and value != parameter.default:
            facts.append((name, f"<code>{escape(_short(value))}</code>"))
    whole = (
        f'<details><summary style="{_QUIET};cursor:pointer">as code</summary>'
        f'<pre style="white-space:pre-wrap">{escape(repr(config))}</pre></details>'
    )
    return facts_html("Config", facts, whole)


def _described(executor: Any) -> str:
    parts = [type(executor).__name__]
    provider = getattr(executor, "provider", None)
    if provider is not None:
        parts.append(f"on {type(provider).__name__}")
    for name, word in (("max_threads", "threads"), ("max_workers_per_node", "workers per node")):
        count = getattr(executor, name, None)
        if isinstance(count, int):
            parts.append(f"{count} {word}")
    return f"<b>{escape(executor.label)}</b>: {escape(', '.join(parts))}"
