"""Brings :mod:`parsl_on_dask.remote` to workers that have nothing of this package installed.

What travels there goes by value, so that neither a scheduler nor a worker needs this package to unpickle it: the
function of every shift (:func:`launch`), and plugins (:mod:`parsl_on_dask.clusters.client_plugins`), one of them with
the text of the ``remote`` modules.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from parsl_on_dask.common.by_value import Launch, by_value

#: Modules below ``parsl_on_dask`` that workers get, in the order in which they can be executed.
MODULES = (
    "remote.internals",
    "remote.packing",
    "remote.serialized",
    "remote.whole",
    "remote.sidefiles",
    "remote.errors",
    "remote.tracebacks",
    "remote.standin",
    "remote.wrapping",
    "remote.journal",
    "remote.walltime",
    "remote.memory",
    "remote.nodes",
    "remote.locks",
    "remote.placing",
    "remote.staged",
    "remote.attempts",
    "remote.http",
    "remote.ftp",
    "remote.zips",
    "remote.rsync",
    "remote.filesystems",
    "remote.chunks",
    "remote.transfer",
    "remote.reaper",
    "remote.usage",
    "remote.limits",
    "remote.guard",
    "remote.monitor",
    "remote.shell",
    "remote.apps",
    "remote.children",
    "remote.execution",
    "remote.agent",
    "remote.jobend",
    "remote.runner",
    "remote.presence",
    "data_provider.files",
    "serialize.base",
)

#: Those of them that their nannies get.
FOR_NANNIES = ("remote.journal", "remote.reaper", "remote.usage", "remote.limits", "remote.guard")

#: Part of the keys of our Dask tasks, by which they are known on a scheduler.
KEY_MARK = "-parsl_"


@cache
def launch() -> Launch:
    """The function of every Dask task of ours: runs a bundle where it arrives."""

    def parsl_shift(data: bytes, values: Any) -> Any:
        from parsl_on_dask.remote.runner import run

        return run(data, values)

    return by_value(parsl_shift)


@cache
def sources() -> dict[str, str]:
    """Text of each module that a worker needs, by name below ``parsl_on_dask``."""
    here = Path(__file__).resolve().parent.parent
    return {name: (here / (name.replace(".", "/") + ".py")).read_text() for name in MODULES}


@cache
def digest() -> str:
    """Names this version of the worker modules."""
    return hashlib.sha256(repr(sorted(sources().items())).encode()).hexdigest()[:16]
