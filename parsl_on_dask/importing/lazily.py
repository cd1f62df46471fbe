"""Names and submodules that a package offers and that are imported when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from operator import attrgetter
from types import ModuleType
from typing import Any

_PACKAGE = __name__.partition(".")[0]


def lazily(
    package: str, names: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make a package's ``__getattr__`` and ``__dir__``, which import what is asked for.

    Submodules need no mention. In Parsl they are all there after ``import parsl``, so scripts write
    ``parsl.data_provider.files.File`` without another import.

    - `package`: the package that offers the names, as ``__name__`` gives it.
    - `names`: name to the place that has it, relative to this package: ``"module"`` when it has the same name there,
      else ``"module:name"``.

    Returns
    -------
    tuple of callable
        To be assigned to ``__getattr__`` and ``__dir__`` in that package.
    """
    places = names or {}

    def __getattr__(name: str) -> Any:
        if name in places:
            value = by_name(places[name] if ":" in places[name] else f"{places[name]}:{name}")
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
        folders = getattr(module, "__path__", ())
        files = {found.name for found in pkgutil.iter_modules(folders) if not found.name.startswith("_")}
        return sorted({*vars(module), *places, *files, *gone.below(package)})

    return __getattr__, __dir__


def by_name(place: str) -> Any:
    """Import something of this package: what a room below finds in one above, or what is needed late.

    - `place`: ``"module:name"``, the module below this package.

    Examples
    --------
    >>> by_name("lanes:open_lane").__name__
    'open_lane'
    """
    module, _, path = place.partition(":")
    return attrgetter(path)(importlib.import_module(f"{_PACKAGE}.{module}"))


class _ModulesWithoutFile:
    """Finds and makes them: those of :mod:`~parsl_on_dask.old_spellings.gone`, and those of a package's ``spec_of``."""

    @classmethod
    def find_spec(cls, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if not fullname.startswith(f"{_PACKAGE}."):
            return None
        file = PathFinder.find_spec(fullname, path)
        if file is not None and file.origin is not None:
            return file
        from parsl_on_dask.old_spellings.gone import GONE, below

        parent, _, name = fullname.rpartition(".")
        if fullname.partition(".")[2] in GONE:
            return ModuleSpec(fullname, cls, is_package=bool(below(fullname)))  # type: ignore[arg-type]
        # not by getattr(), which would look for a module of that name
        spec_of = vars(sys.modules[parent]).get("spec_of") if parent in sys.modules else None
        found: ModuleSpec | None = None if spec_of is None else spec_of(name)
        return found

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Ask for an ordinary module."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        from parsl_on_dask.old_spellings.gone import GONE
        from parsl_on_dask.old_spellings.legacy import moved, refused

        names, instead, there, has_moved, same = GONE[module.__name__.partition(".")[2]]
        if same:
            module.__class__ = _Same
            vars(module).update(__same__=f"{_PACKAGE}.{same}", __doc__=f"Another path of {_PACKAGE}.{same}.")
            return
        find, module.__dir__ = lazily(module.__name__, {} if has_moved else there)  # type: ignore[method-assign]
        find_moved = moved(module.__name__, there) if has_moved else find
        refuse = refused(module.__name__, dict.fromkeys(names.split(), instead))
        given = set(names.split())

        def __getattr__(name: str) -> Any:
            return (refuse if name in given else find_moved if name in there else find)(name)

        module.__getattr__ = __getattr__  # type: ignore[method-assign]
        module.__all__ = list(there)  # type: ignore[attr-defined]
        module.__doc__ = instead or f"Names of Parsl's module: {', '.join(there) or 'none'}."


class _Same(ModuleType):
    """Another path of a module: names that are read there, and set there, are those of the module itself."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [public for public in dir(self) if not public.startswith("_")]
        try:
            return getattr(importlib.import_module(self.__same__), name)
        except AttributeError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            setattr(importlib.import_module(self.__same__), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(importlib.import_module(self.__same__), name)

    def __dir__(self) -> list[str]:
        return dir(importlib.import_module(self.__same__))


# the first: others take a folder that an earlier release has left, without files, for a package
sys.meta_path.insert(0, _ModulesWithoutFile)
