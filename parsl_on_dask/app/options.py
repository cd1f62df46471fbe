"""Checks of what a decorator is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parsl_on_dask.checkpoint.policy import Cache
from parsl_on_dask.common.arguments import short, wrong_type, wrong_value
from parsl_on_dask.errors import TypeCheckError


def checked_executors(decorator: str, name: str, executors: Any) -> Any:
    """'all', or the list of labels.

    >>> checked_executors("python_app", "f", ("cpu", "gpu"))
    ['cpu', 'gpu']
    """
    if isinstance(executors, str):
        if executors.lower() == "all":
            return "all"
        hint = f"Write executors=[{executors!r}] for app {name!r}."
        raise wrong_type(decorator, "executors", executors, "'all' or a list of labels", hint)
    if not isinstance(executors, Sequence) or not all(isinstance(label, str) for label in executors):
        hint = f"Write for example executors=['cpu'] for app {name!r}."
        raise wrong_type(decorator, "executors", executors, "'all' or a list of labels", hint)
    if not executors:
        raise wrong_value(decorator, "executors", executors, f"nothing is left to run app {name!r}. Name a label.")
    return executors if isinstance(executors, list) else list(executors)


def checked_cache(decorator: str, name: str, value: Any) -> bool | Cache:
    """A bool, or how the app's calls are cached."""
    if isinstance(value, Cache):
        return value
    if isinstance(value, type) and issubclass(value, Cache):
        hint = f"Write cache={value.__name__}() for app {name!r}."
        raise wrong_type(decorator, "cache", value, "True, False or a Cache", hint)
    if not isinstance(value, (bool, int)) or value not in (0, 1):
        raise wrong_type(decorator, "cache", value, "True, False or a Cache", f"Write cache=True for app {name!r}.")
    return bool(value)


def checked_names(decorator: str, name: str, value: Any) -> Sequence[str] | None:
    """Names of parameters, or None."""
    if value is None:
        return None
    if isinstance(value, str):
        hint = f"Write ignore_for_cache=[{value!r}] for app {name!r}."
        raise wrong_type(decorator, "ignore_for_cache", value, "a list of names of parameters", hint)
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if not isinstance(value, Sequence) or not all(isinstance(n, str) for n in value):
        hint = f"Write for example ignore_for_cache=['seed'] for app {name!r}."
        raise wrong_type(decorator, "ignore_for_cache", value, "a list of names of parameters", hint)
    return value


def checked_kernel(decorator: str, name: str, kernel: Any) -> Any:
    """Something that tasks can be submitted to, or None."""
    if kernel is not None and not callable(getattr(kernel, "submit", None)):
        hint = f"Leave it out for app {name!r} to use the one that is loaded."
        raise wrong_type(decorator, "data_flow_kernel", kernel, "a DataFlowKernel, as load() returns it", hint)
    return kernel


def no_walltime(decorator: str, walltime: Any) -> None:
    """Refuse ``walltime=`` of the decorators: it never limited anything, and 1.0 took it away."""
    if walltime is not None:
        raise TypeCheckError(
            f"{decorator}(walltime={short(walltime)}): a decorator does not limit the time of its calls. Give the "
            f"function a parameter, def f(..., walltime={short(walltime)}), or write walltime= in the call."
        )
