"""``%load_ext parsl_on_dask``: in an IPython session or a notebook, ``import parsl`` means this package."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.importing import alias

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """Install the import alias; IPython calls this for ``%load_ext parsl_on_dask``.

    - `ipython`: the running ``InteractiveShell``. Nothing in it is changed.

    Raises
    ------
    parsl_on_dask.importing.alias.AliasError
        The session has already imported a real parsl: restart the kernel and load the extension first.
    """
    alias.install()


def unload_ipython_extension(ipython: Any) -> None:
    """Remove the import alias; IPython calls this for ``%unload_ext parsl_on_dask``.

    - `ipython`: the running ``InteractiveShell``. A loaded kernel stays loaded.
    """
    alias.uninstall()
