"""The docstring of ``parsl_on_dask.errors`` draws the tree of all exceptions as it is."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from collections.abc import Iterator

import parsl_on_dask
from parsl_on_dask import errors

#: Classes that people catch, and that are no ParslError; those below them are drawn, too.
OTHER_ROOTS = (
    "executors.high_throughput.errors:CommandClientBadError",
    "executors.high_throughput.errors:CommandClientTimeoutError",
    "executors.high_throughput.errors:ManagerLost",
    "executors.high_throughput.errors:VersionMismatch",
    "executors.high_throughput.errors:WorkerLost",
    "executors.high_throughput.mpi_resource_management:MPINodesUnavailable",
    "importing.alias:AliasError",
)


def load_all() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for found in pkgutil.walk_packages(parsl_on_dask.__path__, "parsl_on_dask."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


def below(cls: type) -> list[type]:
    """The public classes of modules next below one; those below a private class count as below its base."""
    own = [c for c in cls.__subclasses__() if c.__module__.startswith("parsl_on_dask.")]
    ours = [c for c in own if getattr(sys.modules.get(c.__module__), c.__name__, None) is c]  # and no call has made it
    found = {c for c in ours if not c.__name__.startswith("_")}
    found.update(c for private in ours if private.__name__.startswith("_") for c in below(private))
    return sorted(found, key=lambda c: c.__name__)


def drawn(cls: type, before: str = "", here: str = "") -> Iterator[str]:
    """Lines of a tree: each class, where it is, and what it is besides."""
    place = cls.__module__.removeprefix("parsl_on_dask.")
    others = [b.__name__ for b in cls.__bases__ if not b.__module__.startswith("parsl_on_dask")]
    also = f", also {others[0]}" if others and others != ["Exception"] and here else ""
    yield f"{here}{cls.__name__} ({place}{also})"
    children = below(cls)
    for child in children:
        last = child is children[-1]
        yield from drawn(child, before + ("    " if last else "│   "), before + ("└── " if last else "├── "))


def test_the_tree_is_complete() -> None:
    load_all()
    others = [r.partition(":") for r in OTHER_ROOTS]
    roots = [errors.ParslError, *(getattr(importlib.import_module(f"parsl_on_dask.{m}"), n) for m, _, n in others)]
    text = str(errors.__doc__).splitlines()
    shown = [line.strip() for line in text if line.rstrip().endswith(")") and " (" in line]
    assert shown == [line.strip() for root in roots for line in drawn(root)]


def test_no_error_of_a_module_for_errors_is_missing() -> None:
    load_all()
    text = str(errors.__doc__)
    for found in pkgutil.walk_packages(parsl_on_dask.__path__, "parsl_on_dask."):
        if found.name.rpartition(".")[2] not in ("error", "errors") or ".remote." in found.name:
            continue
        for value in vars(importlib.import_module(found.name)).values():
            if not isinstance(value, type) or not issubclass(value, Exception) or issubclass(value, Warning):
                continue
            if value.__name__.startswith("_"):
                continue
            if value.__module__.startswith("parsl_on_dask.") and ".remote." not in value.__module__:
                assert f"{value.__name__} (" in text, f"{value.__name__} of {found.name}"
