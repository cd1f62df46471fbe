"""The import alias: ``import parsl`` means this package.

After :func:`install`, ``parsl`` and every ``parsl.x.y`` are the very module objects
``parsl_on_dask`` and ``parsl_on_dask.x.y``, in ``import`` statements, in
``importlib.import_module``, in ``python -m parsl_on_dask -m parsl.x`` and in pickles that name
``parsl.x``. Each module keeps its own ``__name__`` and ``__spec__``.

Which ``parsl`` wins when there is a real one:

========================================  =====================================================
a real parsl is installed, not imported   the alias; a note goes to the logger ``parsl`` at INFO
a real parsl is already imported          :class:`AliasError`, unless ``force=True``
========================================  =====================================================

Processes: those that :mod:`multiprocessing` spawns inherit the alias (so do the worker processes
of a ``distributed.LocalCluster``); a process started in another way has it when its environment
holds what :func:`environment` returns and it calls :func:`install_from_environment`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any

from parsl_on_dask.python_internals.processes import send_to_spawned_processes

__all__ = ["AliasError", "environment", "install", "install_from_environment", "installed", "shadowed", "uninstall"]

logger = logging.getLogger("parsl.alias")

PACKAGE = __name__.partition(".")[0]
VARIABLE = "PARSL_ON_DASK_ALIAS"
_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class AliasError(ImportError):
    """The alias cannot be installed because a real package of that name is already imported."""


class _AliasLoader(importlib.abc.InspectLoader):
    """Hands out a module that lives under another name."""

    def __init__(self, spec: importlib.machinery.ModuleSpec) -> None:
        self.real = spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        # None asks the import system for a throw-away module. Returning the real one here would make
        # it write the alias's spec over the real module's own.
        return None

    def exec_module(self, module: ModuleType) -> None:
        # The import system takes whatever stands in sys.modules after this call.
        sys.modules[module.__name__] = importlib.import_module(self.real.name)

    def is_package(self, fullname: str) -> bool:
        return self.real.submodule_search_locations is not None

    # runpy and inspect ask for these with the alias's name, real loaders answer only to their own.
    def get_code(self, fullname: str) -> CodeType | None:
        code: CodeType | None = self._ask("get_code")
        return code

    def get_source(self, fullname: str) -> str | None:
        source: str | None = self._ask("get_source")
        return source

    def _ask(self, method: str) -> Any:
        found = getattr(self.real.loader, method, None)
        return found(self.real.name) if found is not None else None

    def get_filename(self, fullname: str) -> str:
        if self.real.origin is None:
            raise ImportError(f"{self.real.name} has no file", name=fullname)
        return self.real.origin


class _AliasFinder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str) -> None:
        self.name = name
        self.replaced: dict[str, ModuleType] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name and not fullname.startswith(self.name + "."):
            return None
        real = importlib.util.find_spec(PACKAGE + fullname[len(self.name) :])
        if real is None:
            return None  # Python's own "No module named" then speaks of the name that was asked for
        spec = importlib.machinery.ModuleSpec(fullname, _AliasLoader(real), origin=real.origin)
        if real.submodule_search_locations is not None:
            spec.submodule_search_locations = list(real.submodule_search_locations)
        if real.has_location:
            spec.has_location = True
            spec.cached = real.cached
        return spec


def install(name: str = "parsl", force: bool = False) -> None:
    """Make ``import parsl``, and the import of every ``parsl.x``, mean this package.

    Calling it again is harmless.

    - `name`: the top-level name that becomes an alias.
    - `force`: also when a package of that name is already imported. Its modules leave ``sys.modules`` (and come back
      with :func:`uninstall`); classes and functions that a program has already taken from it stay what they are, and
      mixing them with this package's does not work.

    Raises
    ------
    AliasError
        A real package of that name is already imported and ``force`` is false.
    ValueError
        ``name`` is not a top-level module name, or is this package's own.

    Examples
    --------
    >>> import parsl_on_dask
    >>> from parsl_on_dask.importing import alias
    >>> alias.install("parsl_alias_example")
    >>> import parsl_alias_example
    >>> parsl_alias_example is parsl_on_dask
    True
    >>> alias.uninstall("parsl_alias_example")
    """
    if not name.isidentifier() or name == PACKAGE:
        raise ValueError(
            f'install(name={name!r}): the alias is a top-level module name other than {PACKAGE!r}, such as "parsl"'
        )
    if _finder(name) is not None:
        return
    finder = _AliasFinder(name)
    foreign = _foreign_modules(name)
    if foreign and not force:
        where = _location(sys.modules.get(name)) or "an unknown place"
        raise AliasError(
            f"cannot make {name!r} an alias of {PACKAGE!r}: a package {name!r} from {where} is already imported. "
            f"Call {PACKAGE}.install() before anything imports {name!r}, run the script with "
            f"'python -m {PACKAGE} script.py', or call {PACKAGE}.install(force=True) to replace it in sys.modules",
            name=name,
        )
    _note_shadowed(name)
    for module_name in foreign:
        finder.replaced[module_name] = sys.modules.pop(module_name)
    sys.meta_path.insert(0, finder)
    send_to_spawned_processes(_carried)


def uninstall(name: str = "parsl") -> None:
    """Undo :func:`install`: ``import parsl`` means again what it meant before.

    Quiet when there is no alias of that name. Modules that a program holds stay usable.

    - `name`: the name given to :func:`install`.
    """
    finder = _finder(name)
    if finder is None:
        return
    sys.meta_path.remove(finder)
    for module_name in _names_below(name):
        if _is_ours(sys.modules[module_name]):
            del sys.modules[module_name]
    sys.modules.update(finder.replaced)
    _shadowed.pop(name, None)


def installed() -> list[str]:
    """Return the names that are aliases of this package now."""
    return [finder.name for finder in sys.meta_path if isinstance(finder, _AliasFinder)]


def shadowed(name: str = "parsl") -> str | None:
    """Return where the real package is that the alias hides, None when there is none or no alias."""
    return _shadowed.get(name)


def environment() -> dict[str, str]:
    """Return the environment variables that carry the aliases to a child process.

    Empty when no alias is installed. The child has to call :func:`install_from_environment`.

    Examples
    --------
    >>> from parsl_on_dask.importing import alias
    >>> alias.install("parsl_alias_example")
    >>> "parsl_alias_example" in alias.environment()["PARSL_ON_DASK_ALIAS"]
    True
    >>> alias.uninstall("parsl_alias_example")
    """
    names = installed()
    return {VARIABLE: ",".join(names)} if names else {}


def install_from_environment(environ: Mapping[str, str] | None = None) -> list[str]:
    """Install the aliases that the parent process had, and return their names.

    - `environ`: where to look for ``PARSL_ON_DASK_ALIAS``; this process's environment by default. Its value is a
      comma-separated list of names; ``1`` stands for ``parsl``.

    Raises
    ------
    AliasError
        A real package of one of these names is already imported.
    """
    value = (os.environ if environ is None else environ).get(VARIABLE, "")
    names = ["parsl" if part == "1" else part for part in value.replace(" ", "").split(",") if part not in ("", "0")]
    for name in names:
        install(name)
    return names


_shadowed: dict[str, str] = {}
_noted: set[str] = set()


def _finder(name: str) -> _AliasFinder | None:
    return next((f for f in sys.meta_path if isinstance(f, _AliasFinder) and f.name == name), None)


def _names_below(name: str) -> list[str]:
    return [key for key in list(sys.modules) if key == name or key.startswith(name + ".")]


def _is_ours(module: ModuleType) -> bool:
    real = getattr(module, "__name__", "")
    return real == PACKAGE or real.startswith(PACKAGE + ".")


def _foreign_modules(name: str) -> list[str]:
    # A None in sys.modules forbids an import: somebody's deliberate act, which force lifts too.
    top = sys.modules.get(name)
    if name not in sys.modules or (top is not None and _is_ours(top)):
        return []
    return _names_below(name)


def _location(module: ModuleType | None) -> str | None:
    file = getattr(module, "__file__", None)
    return os.path.dirname(file) if isinstance(file, str) else None


def _note_shadowed(name: str) -> None:
    """Remember, and log once, that a real package of this name is hidden by the alias."""
    where = _location(sys.modules.get(name)) if _foreign_modules(name) else _find_real(name)
    if where is None:
        return
    _shadowed[name] = where
    if name not in _noted:
        _noted.add(name)
        logger.info("import %s means %s in this process; the package in %s is not used", name, PACKAGE, where)


def _find_real(name: str) -> str | None:
    for finder in sys.meta_path:
        if isinstance(finder, _AliasFinder) or not hasattr(finder, "find_spec"):
            continue
        spec = finder.find_spec(name, None)
        # Without an origin it is a folder that happens to have the name, not an installed package.
        if spec is not None and spec.origin and os.path.dirname(os.path.abspath(spec.origin)) != _FOLDER:
            return os.path.dirname(spec.origin)
    return None


class _Carrier:
    """Installs an alias where it is unpickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        # The child unpickles this before it has the parent's sys.path, which it takes over whole
        # right afterwards. So the place of this package travels along, as text that needs no import.
        root = os.path.dirname(_FOLDER)
        return exec, (f"import sys; sys.path.append({root!r}); from {__name__} import install; install({self.name!r})",)


def _carried() -> dict[str, _Carrier]:
    """What a process that multiprocessing spawns (not forks) unpickles to have the aliases."""
    return {f"{PACKAGE}.alias.{name}": _Carrier(name) for name in installed()}
