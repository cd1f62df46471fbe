"""How kernels, futures, Configs and progress look in a notebook, and a kernel in a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from parsl_on_dask.monitoring.counts import AppCounts, of_kernel, total
from parsl_on_dask.python_internals.futures import error_of, value_of

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel
    from parsl_on_dask.config import Config

_CODE = Markup("<code>{}</code>")
_BREAK = Markup("<br>")


def _part(name: str, *values: Any) -> str:
    from parsl_on_dask.monitoring.pages.render import environment

    return str(getattr(environment().get_template("notebook.html").module, name)(*values))


def bars_html(rows: Sequence[AppCounts], foot: str = "") -> str:
    """A bar for each app."""
    return _part("bars", rows, foot)


# -- kernel ------------------------------------------------------------------------------------------------------------


def kernel_text(kernel: Kernel) -> str:
    """The repr of a kernel."""
    state = "cleaned up" if kernel.cleanup_called else "running"
    labels = ", ".join(kernel.labels() if hasattr(kernel, "_labels") else ()) or "none"
    counted = f" ({total(of_kernel(kernel)).in_words()})" if kernel.task_count else ""
    return (
        f"<DataFlowKernel {state}, {kernel.task_count} tasks{counted}, executors {labels}, run_dir {kernel.run_dir!r}>"
    )


def kernel_html(kernel: Kernel) -> str:
    """A kernel in a notebook."""
    links = kernel.dashboard_links
    facts = [
        ("workflow", kernel.workflow_name),
        ("run directory", kernel.run_dir),
        ("executors", _BREAK.join(_executor(kernel, label, links) for label in kernel.labels()) or "none"),
        ("tasks", f"{kernel.task_count:,}"),
    ]
    state = "cleaned up" if kernel.cleanup_called else "running"
    return _part("facts", f"DataFlowKernel, {state}", facts, of_kernel(kernel))


def _executor(kernel: Kernel, label: str, links: Mapping[str, str]) -> str:
    text = f"{label} ({type(kernel.executors[label]).__name__})"
    if label not in links:
        return text
    link = Markup('{}: <a href="{}" target="_blank" rel="noopener">dashboard</a>')
    return link.format(text, links[label])


# -- future ----------------------------------------------------------------------------------------------------------


def future_html(future: Any) -> str:
    """A future in a notebook. Never waits."""
    record = future.task_record
    status = getattr(record, "status", None)
    facts = [("state", status.name if status is not None else "new")]
    if getattr(record, "executor", None):
        facts.append(("executor", record.executor))
    if record.fail_count:
        facts.append(("failed tries", str(record.fail_count)))
    if future.done():
        facts.append(_outcome(future))
    elif record.depends:
        waiting = sum(not f.done() for f in record.depends)
        if waiting:
            facts.append(("waits for", f"{waiting} of {len(record.depends)} dependencies"))
    return _part("facts", f"AppFuture of task {record.id}, app {record.func_name}", facts)


def _outcome(future: Any) -> tuple[str, str]:
    from parsl_on_dask.lanes.values import RemoteValue

    if future.cancelled():
        return "outcome", "cancelled"
    error = error_of(future)
    if error is not None:
        return "raised", _CODE.format(_short(error))
    value: Any = value_of(future)
    if type(value) is RemoteValue:
        if future._fetched is None:
            return "result", "on the worker that made it; result() fetches it"
        value = future._fetched[0]
    return "result", _CODE.format(_short(value))


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

    facts = [("executors", _BREAK.join(_described(e) for e in config.executors))]
    for name, parameter in list(inspect.signature(type(config).__init__).parameters.items())[1:]:
        value = getattr(config, name, None)
        if name != "executors" and value is not parameter.default and value != parameter.default:
            facts.append((name, _CODE.format(_short(value))))
    return _part("facts", "Config", facts, (), repr(config))


def _described(executor: Any) -> Markup:
    parts = [type(executor).__name__]
    provider = getattr(executor, "provider", None)
    if provider is not None:
        parts.append(f"on {type(provider).__name__}")
    for name, word in (("max_threads", "threads"), ("max_workers_per_node", "workers per node")):
        count = getattr(executor, name, None)
        if isinstance(count, int):
            parts.append(f"{count} {word}")
    return Markup("<b>{}</b>: {}").format(executor.label, ", ".join(parts))
