"""Spellings of the decorators that Parsl has removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parsl_on_dask.checkpoint.policy import Cache
from parsl_on_dask.common.arguments import short, wrong_value
from parsl_on_dask.old_spellings.legacy import warn_once


def old_join(decorator: str, join: Any) -> None:
    """``python_app(join=True)``, gone since 2023.8."""
    if join:
        warn_once(f"{decorator}-join", f"{decorator}(join=True) is spelled join_app today.")


def old_executors(executors: Any) -> None:
    """``join_app(executors=)``, gone since 2023.8."""
    if executors is not None:
        warn_once(
            "join_app-executors",
            "join_app(executors=...) has no effect: the function always runs in the submitting process, and the apps "
            "that it calls have executors of their own. Leave it out.",
        )


def App(
    apptype: str,
    data_flow_kernel: Any = None,
    walltime: Any = None,
    cache: bool | Cache = False,
    executors: Any = "all",
) -> Callable[[Callable[..., Any]], Any]:
    """Make a function into an app, as releases up to 0.9 spelled it.

    - `apptype`: today's spellings are ``python_app`` and ``bash_app``.
    - `data_flow_kernel`, `cache`, `executors`: as of those.
    - `walltime`: did nothing, and does nothing.

    Raises ConfigurationError for another `apptype`.
    """
    from parsl_on_dask.app.bash import BashApp
    from parsl_on_dask.app.python import PythonApp

    if apptype not in ("python", "bash"):
        problem = "an app is 'python' or 'bash'. Write @python_app or @bash_app."
        raise wrong_value("App", "apptype", apptype, problem)
    warn_once(f"App-{apptype}", f"@App({apptype!r}) is spelled @{apptype}_app today.")
    if walltime is not None:
        warn_once(
            "App-walltime",
            f"@App({apptype!r}, walltime={short(walltime)}) limits nothing, as in all releases that had it. Give the "
            f"function a parameter, def f(..., walltime={short(walltime)}), or write walltime= in the call.",
        )

    def decorate(function: Callable[..., Any]) -> Any:
        kind: Any = PythonApp if apptype == "python" else BashApp
        return kind(function, data_flow_kernel, cache, executors)

    return decorate
