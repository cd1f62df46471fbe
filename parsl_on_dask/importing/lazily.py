"""Names and submodules that a package offers and that are imported when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGE = __name__.partition(".")[0]


def lazily(
    package: str, names: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make a package's ``__getattr__`` and ``__dir__``, which import what is asked for.

    Submodules need no mention. In Parsl they are all there after ``import parsl``, so scripts write
    ``parsl.data_provider.files.File`` without another import.

    Parameters
    ----------
    package : str
        The package that offers the names, as ``__name__`` gives it.
    names : mapping of str to str, optional
        Name to the place that has it, relative to this package: ``"module"`` when it has the same name there, else
        ``"module:name"``.

    Returns
    -------
    tuple of callable
        To be assigned to ``__getattr__`` and ``__dir__`` in that package.
    """
    places = names or {}

    def __getattr__(name: str) -> Any:
        if name in places:
            module, _, path = places[name].partition(":")
            value: Any = importlib.import_module(f"{_PACKAGE}.{module}")
            for part in (path or name).split("."):
                value = getattr(value, part)
            setattr(sys.modules[package], name, value)
            return value
        submodule = f"{package}.{name}"
        if not name.startswith("_"):
            try:
                return importlib.import_module(submodule)
            except ModuleNotFoundError as e:
                if e.name != submodule:
                    raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        import pkgutil

        from parsl_on_dask.old_spellings import gone

        module = sys.modules[package]
        files = {found.name for found in pkgutil.iter_modules(module.__path__) if not found.name.startswith("_")}
        return sorted({*vars(module), *places, *files, *gone.below(package)})

    return __getattr__, __dir__


class _Gone:
    """Finds the modules of Parsl's that have no file here."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not fullname.startswith(f"{_PACKAGE}."):
            return None
        from parsl_on_dask.old_spellings import gone

        return gone.spec(fullname)


# the last, so that a file of that name counts
sys.meta_path.append(_Gone)
