"""Brings :mod:`parsl_on_dask.remote` to workers that have nothing of this package installed.

What travels there goes by value, so that neither a scheduler nor a worker needs this package to unpickle it: the
function of every shift (:func:`launch`), and plugins (:mod:`parsl_on_dask.clusters.client_plugins`), one of them with
the ``remote`` modules.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.util import MAGIC_NUMBER, find_spec
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from parsl_on_dask.common.by_value import Launch, by_value

#: Modules below ``parsl_on_dask`` that workers get, in the order in which they can be executed.
MODULES = (
    "remote.lasting",
    "remote.internals",
    "remote.own_classes",
    "remote.packing",
    "remote.copies",
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
FOR_NANNIES = ("remote.lasting", "remote.journal", "remote.reaper", "remote.usage", "remote.limits", "remote.guard")

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


class Parcel(NamedTuple):
    """The worker modules as they travel.

    - `mark`: names this version of them.
    - `magic`: the form in which this Python compiles, see `importlib.util.MAGIC_NUMBER`.
    - `codes`, `texts`: the compiled modules, for workers that have the same form, and the texts for others: zipped, the
      former by `marshal` and the latter as JSON, both by name below ``parsl_on_dask``.
    """

    mark: str
    magic: bytes
    codes: bytes
    texts: bytes


@cache
def parcel(modules: Sequence[str] = MODULES) -> Parcel:
    """The modules that a worker needs, or some of them."""
    mark = hashlib.sha256(json.dumps(sources()).encode()).hexdigest()[:16]
    texts = json.dumps({name: sources()[name] for name in modules}).encode()
    codes = marshal.dumps({name: _code(f"parsl_on_dask.{name}") for name in modules})
    return Parcel(mark, MAGIC_NUMBER, *(zlib.compress(x, 1) for x in (codes, texts)))


def _code(module: str) -> CodeType:
    """What Python has compiled of a module already, with a file name that says where it came from."""
    spec = find_spec(module)
    assert spec is not None and spec.loader is not None
    return _named(spec.loader.get_code(module), f"<{module}, sent by the client>")  # type: ignore[attr-defined]


def _named(code: CodeType, file: str) -> CodeType:
    parts = tuple(_named(part, file) if isinstance(part, CodeType) else part for part in code.co_consts)
    return code.replace(co_filename=file, co_consts=parts)
