"""Reads the text of a script or a notebook, also the part that is not run, for what it tells about the run."""

from __future__ import annotations

import ast
import importlib
import json
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from parsl_on_dask.errors import ParslError
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning

_PACKAGES = ("parsl", "parsl_on_dask")
_DECORATORS = ("python_app", "bash_app", "App")


@dataclass
class Read:
    """What was found in a text; each line begins with the place.

    - `old`: old names that are imported, and their form of today.
    - `refused`: names that cannot be imported, and labels that no executor has.
    """

    old: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Unit:
    """A script, or a cell of a notebook.

    - `place`: how it is named in front of the number of a line.
    - `text`: Python.
    """

    place: str
    text: bytes | str


#: Lines of a notebook that are IPython's, and not Python.
_MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[\w.]+\?+\s*)$")
_ASSIGNED_MAGIC = re.compile(r"^(\s*[\w.,\s]+=\s*)[%!].*$")
#: Cell magics whose cells are Python all the same.
_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun")


def units_of(path: str) -> list[Unit]:
    """The texts of a file, in the order in which they run.

    - `path`: a script, or a notebook (``.ipynb``).

    Raises
    ------
    OSError, ValueError
        When the file cannot be read, or is no notebook.
    """
    with open(path, "rb") as file:
        text = file.read()
    if not path.endswith(".ipynb"):
        return [Unit(path, text)]
    try:
        cells = json.loads(text)["cells"]
        code = [(n, cell) for n, cell in enumerate(cells, 1) if cell["cell_type"] == "code"]
        return [Unit(f"{path}, cell {n}", _without_magics("".join(cell["source"]))) for n, cell in code]
    except (KeyError, TypeError, ValueError) as e:
        raise ValueError(f"{path} is not a notebook of format 4 ({type(e).__name__}: {e})") from e


def _without_magics(cell: str) -> str:
    first = cell.lstrip().partition("\n")[0]
    if first.startswith("%%") and not first.startswith(_PYTHON_CELLS):
        return ""
    # each line stays where it is
    lines = [_ASSIGNED_MAGIC.sub(r"\1None", _MAGIC.sub(r"\1pass", line)) for line in cell.split("\n")]
    return "\n".join(lines)


def read(units: Sequence[Unit], labels: Collection[str]) -> Read:
    """Read a script, or the cells of a notebook.

    - `labels`: those of the executors that there are; none if that is not known.

    Returns
    -------
    Read
        Nothing, for a text that is not Python.
    """
    found = Read()
    for unit in units:
        try:
            tree = ast.parse(unit.text)
        except (SyntaxError, ValueError):  # which running it has shown
            continue
        _read(tree, unit.place, labels, found)
    return found


def _read(tree: ast.Module, path: str, labels: Collection[str], found: Read) -> None:
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


def makes_a_config(node: ast.AST) -> bool:
    """Whether the text of a function says that it returns a Config, and it needs no arguments."""
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return False
    needed = len(node.args.posonlyargs) + len(node.args.args) - len(node.args.defaults)
    if needed > 0 or None in node.args.kw_defaults:
        return False
    if node.returns is not None and ast.unparse(node.returns).strip("'\"").rpartition(".")[2] == "Config":
        return True
    made = {
        target.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Assign) and _is_config(inner.value)
        for target in inner.targets
        if isinstance(target, ast.Name)
    }
    returned = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
    return any(_is_config(value) or (isinstance(value, ast.Name) and value.id in made) for value in returned)


def _is_config(value: ast.AST | None) -> bool:
    return isinstance(value, ast.Call) and _name(value) == "Config"


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
