"""The decorator :func:`options`, which Parsl does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from parsl_on_dask.app.base import AppBase
from parsl_on_dask.common.arguments import short
from parsl_on_dask.common.call_options import CallOptions

A = TypeVar("A", bound=Callable[..., Any])


def options(
    *,
    retries: int | None = None,
    retry_on: type[BaseException] | tuple[type[BaseException], ...] = (),
    walltime: float | None = None,
    memory: float | None = None,
    priority: float | None = None,
    name: str | None = None,
) -> Callable[[A], A]:
    """Set options for all calls of an app. It stands above ``@python_app``, ``@bash_app`` or ``@join_app``.

    What is given in a call (``walltime=``, ``parsl_resource_specification=``) overrides the options, and these override
    the Config. Options may be put around an app again, for some of its calls: the outer ones override the inner ones.

    Parameters
    ----------
    retries : int, optional
        How often a failed call is tried again, instead of ``Config(retries=...)``.
    retry_on : type or tuple of type, optional
        Exceptions that are worth another try. Any other one fails the call at once. Default: all.
    walltime : float, optional
        Seconds that a call may take. The function need not have a parameter ``walltime`` for it.
    memory : float, optional
        Megabytes (of 2**20 bytes) that a call may use; without effect on executors whose workers share a process with
        the script, or were not started by this package.
    priority : float, optional
        The lowest runs first, on executors that have priorities.
    name : str, optional
        What logs, errors, monitoring and the dashboard call the tasks.

    Returns
    -------
    callable
        A decorator. It leaves the given app unchanged, and returns one with the options.

    Raises
    ------
    ConfigurationError
        When an option cannot be used.
    TypeError
        When it is put around something that is not an app.

    Notes
    -----
    Parsl does not have it. A script that has to run there, too, can begin with::

        try:
            from parsl_on_dask import options
        except ImportError:
            options = lambda **_: lambda app: app

    Examples
    --------
    >>> from parsl_on_dask import options, python_app
    >>> @options(retries=3, retry_on=OSError, walltime=60)
    ... @python_app
    ... def fetch(url): ...
    >>> fetch.options.retries
    3
    >>> options(retries=0)(fetch).options
    CallOptions(retries=0, retry_on=(<class 'OSError'>,), walltime=60, memory=None, priority=None, name=None)
    """
    kinds = (retry_on,) if isinstance(retry_on, type) else tuple(retry_on)
    made = CallOptions(retries, kinds, walltime, memory, priority, name)

    def decorate(app: A) -> A:
        if not isinstance(app, AppBase):
            raise TypeError(f"options() takes an app, not {short(app)}: write it above @python_app or @bash_app")
        return app.with_options(made if app.options is None else app.options.under(made))

    return decorate
