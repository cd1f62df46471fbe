"""What a package offers: its public modules, names, members and parameters, as JSON.

Run by the Python that has the package: ``python survey.py parsl``. Needs the standard library only.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import json
import logging
import os
import sys
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Special methods that people call, or write.
_SPECIAL = ("__call__", "__enter__", "__exit__", "__getitem__")
#: Modules that need packages which few have. Their text is read, whether these are there or not.
_BY_TEXT = (
    "parsl.executors.radical.rpex_worker",
    "parsl.monitoring.queries.pandas",
    "parsl.monitoring.visualization",
    "parsl.serialize.proxystore",
)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def modules(package: str) -> Iterator[tuple[str, Path]]:
    """Name and file of every module of a package, without importing any of them but the package itself."""
    root = Path(str(importlib.import_module(package).__file__)).parent
    for file in sorted(root.rglob("*.py")):
        parts = [package, *file.relative_to(root).with_suffix("").parts]
        if "tests" not in parts:
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def parameters(value: Any) -> list[str]:
    """Names of the parameters of a function, or of a class's constructor; without ``self``, ``*`` and ``**``."""
    if isinstance(value, type) and (issubclass(value, enum.Enum) or typing.is_typeddict(value)):
        return []
    if isinstance(value, type) and value.__init__ in (object.__init__, Exception.__init__):  # type: ignore[misc]
        return []
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return []
    return [p.name for p in signature.parameters.values() if p.kind not in _VARIADIC]


def defaults(value: Any) -> dict[str, str]:
    """Defaults of the parameters of a function or a constructor, as text, where they are plain values."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return {}
    found = {p.name: p.default for p in signature.parameters.values() if p.default is not p.empty}
    return {name: repr(default) for name, default in found.items() if _is_plain(default)}


def _is_plain(value: Any) -> bool:
    if type(value) in (tuple, list, dict):
        return all(_is_plain(each) for each in value)
    return value is None or type(value) in (bool, int, float, str)


def members(cls: type) -> dict[str, list[str]]:
    """Members that a class itself defines, and the parameters of those that are methods."""
    found: dict[str, list[str]] = {}
    names = [*vars(cls), *getattr(cls, "__annotations__", {})]
    for name in dict.fromkeys(names):
        if name.startswith("_") and name not in _SPECIAL:
            continue
        value = inspect.getattr_static(cls, name, None)
        plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        own = [p for p in parameters(plain) if p not in ("self", "cls")] if inspect.isfunction(plain) else []
        found[name] = own
    return found


def _assigned(tree: ast.Module) -> set[str]:
    """Names that a module's own statements give a value."""
    found = set()
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def names(module: Any, tree: ast.Module, package: str) -> dict[str, dict[str, Any]]:
    """The public names of a module, by introspection; ``alias`` says where a name is from."""
    assigned = _assigned(tree)
    listed = set(getattr(module, "__all__", ()))
    is_package = hasattr(module, "__path__")
    found: dict[str, dict[str, Any]] = {}
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") and name not in ("__version__", "__author__"):
            continue
        if inspect.ismodule(value) or isinstance(value, (logging.Logger, typing.TypeVar, typing.ParamSpec)):
            continue
        home = getattr(value, "__module__", None)
        is_code = isinstance(value, type) or inspect.isroutine(value)
        if is_code and home == module.__name__:
            found[name] = {"parameters": [p for p in parameters(value) if p not in ("self", "cls")]}
            found[name]["defaults"] = {k: v for k, v in defaults(value).items() if k in found[name]["parameters"]}
            if isinstance(value, type):
                found[name]["members"] = members(value)
        elif is_code and (name in listed or (is_package and str(home).startswith(package + "."))):
            found[name] = {"alias": f"{home}.{value.__qualname__}"}
        elif name in assigned or name in listed:
            found[name] = {}
    return found


def by_text(tree: ast.Module) -> dict[str, dict[str, Any]]:
    """The public names of a module that needs packages which are not there, by its text."""
    found: dict[str, dict[str, Any]] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            found[node.name] = {"parameters": _written(node)}
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            methods = {each.name: _written(each) for each in node.body if isinstance(each, ast.FunctionDef)}
            public = {k: v for k, v in methods.items() if not k.startswith("_") or k in _SPECIAL}
            found[node.name] = {"parameters": methods.get("__init__", []), "members": public}
    return found


def _written(node: ast.FunctionDef) -> list[str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [each.arg for each in arguments if each.arg not in ("self", "cls")]


def loaded(package: str) -> list[str]:
    """Submodules that are attributes, at every level, as soon as the package is imported and nothing else."""
    root = importlib.import_module(package)
    found = []
    for name in sorted(sys.modules):
        if name.startswith(f"{package}."):
            value: Any = root
            for part in name.split(".")[1:]:
                value = getattr(value, part, None)
            if value is sys.modules[name]:
                found.append(name)
    return found


def survey(package: str) -> dict[str, Any]:
    """Everything public in a package.

    Returns
    -------
    dict
        ``version``, ``loaded`` (modules that need no import of their own), ``modules`` (module to names), and
        ``unread``: modules that cannot be imported here, and why. Of the sample configurations, which start things
        when they are imported, the text is read.
    """
    at_once = loaded(package)
    found: dict[str, dict[str, Any]] = {}
    unread: dict[str, str] = {}
    for name, file in modules(package):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if name.startswith(f"{package}.configs."):
            found[name] = {each: {} for each in sorted(_assigned(tree)) if each == "config"}
            if any(isinstance(node, ast.FunctionDef) and node.name == "fresh_config" for node in tree.body):
                found[name]["fresh_config"] = {"parameters": []}
            continue
        if name.startswith(_BY_TEXT):
            found[name] = by_text(tree)
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = importlib.import_module(name)
        except (Exception, SystemExit) as e:
            unread[name] = f"{type(e).__name__}: {e}".splitlines()[0]
            continue
        found[name] = names(module, tree, package)
    version = importlib.import_module(f"{package}.version").VERSION
    return {"version": version, "loaded": at_once, "modules": found, "unread": unread}


if __name__ == "__main__":
    # not what lies beside this file
    sys.path[0] = os.getcwd()
    json.dump(survey(sys.argv[1]), sys.stdout)
