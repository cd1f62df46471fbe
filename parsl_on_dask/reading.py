"""What the text of a script tells of it, also of the part that was not run."""

from __future__ import annotations

import ast
import importlib
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from parsl_on_dask.errors import ParslError
from parsl_on_dask.legacy import ParslDeprecationWarning

_PACKAGES = ("parsl", "parsl_on_dask")
_DECORATORS = ("python_app", "bash_app", "App")


@dataclass
class Read:
    """What was found in a text; each line begins with the place.

    Attributes
    ----------
    old : list of str
        Old names that are imported, and their form of today.
    refused : list of str
        Names that cannot be imported, and labels that no executor has.
    """

    old: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def read(path: str, labels: Collection[str]) -> Read:
    """Read a script.

    Parameters
    ----------
    path : str
    labels : collection of str
        Those of the executors that there are; none if that is not known.

    Returns
    -------
    Read
        Nothing, for a text that is not Python.
    """
    found = Read()
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):  # which running it has shown
        return found
    for node in _unguarded(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and _is_ours(node.module):
            _try_import(node, f"{path}:{node.lineno}: ", found)
        elif isinstance(node, ast.Call):
            kind = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if _name(node) == "App" and isinstance(kind, str):
                found.old.append(f"{path}:{node.lineno}: @App({kind!r}) is spelled @{kind}_app today.")
            if not labels:
                continue
            unknown = [label for label in _labels(node) if label not in labels]
            if unknown:
                found.refused.append(
                    f"{path}:{node.lineno}: executors={unknown!r} of an app: no executor has that label. There are "
                    f"{', '.join(map(repr, labels))}"
                )
    return found


def _unguarded(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that an ``except`` clause looks after: what fails there is meant to."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop(0)
        yield node
        if isinstance(node, ast.Try) and node.handlers:
            todo += [*node.orelse, *node.finalbody]
        else:
            todo += ast.iter_child_nodes(node)


def _is_ours(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] in _PACKAGES


def _try_import(node: ast.ImportFrom, place: str, found: Read) -> None:
    assert node.module is not None
    name = "parsl_on_dask" + "".join(f".{part}" for part in node.module.split(".")[1:])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for alias in node.names:
            try:
                module = importlib.import_module(name)
                if alias.name != "*" and not hasattr(module, alias.name):
                    importlib.import_module(f"{name}.{alias.name}")
            except (ImportError, ParslError) as e:
                text = str(e).replace("parsl_on_dask", node.module.partition(".")[0])
                found.refused.append(f"{place}from {node.module} import {alias.name}: {text}")
    found.old += [f"{place}{w.message}" for w in caught if issubclass(w.category, ParslDeprecationWarning)]


def _labels(call: ast.Call) -> list[str]:
    """Labels in the ``executors=`` of a decorator of apps, as far as they are written out."""
    if _name(call) not in _DECORATORS:
        return []
    for keyword in call.keywords:
        if keyword.arg == "executors" and isinstance(keyword.value, (ast.List, ast.Tuple)):
            elements = [e.value for e in keyword.value.elts if isinstance(e, ast.Constant)]
            return [e for e in elements if isinstance(e, str)]
    return []


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
