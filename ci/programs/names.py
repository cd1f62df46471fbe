"""The names of Parsl's that a program uses, and which of them are there."""

from __future__ import annotations

import ast
import json
import subprocess
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).parent / "inside" / "programs_names.py"


@dataclass
class Names:
    """Names below ``parsl``, by how a program gets at them.

    Attributes
    ----------
    imports : set of str
        What its import statements name.
    attributes : set of str
        What it takes from the imported package by a dot.
    """

    imports: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)

    def add(self, other: Names) -> None:
        """Take in another's names."""
        self.imports |= other.imports
        self.attributes |= other.attributes


def used(folder: Path) -> Names:
    """Return the names that the Python files and notebooks below a folder use."""
    names = Names()
    for text in _texts(folder):
        if "parsl" in text:
            names.add(of(text))
    return names


def of(text: str) -> Names:
    """Return the names that a program text uses; none if it is not Python."""
    names = Names()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return names
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "parsl":
                    names.imports.add(alias.name)
                    bound[alias.asname or "parsl"] = alias.name if alias.asname else "parsl"
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] == "parsl":
            names.imports |= {
                str(node.module) if alias.name == "*" else f"{node.module}.{alias.name}" for alias in node.names
            }
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner and isinstance(node.ctx, ast.Load):
            path = _path(node)
            if path and path[0] in bound and bound[path[0]] == "parsl":
                names.attributes.add(".".join(["parsl", *path[1:]]))
    return names


def _path(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = _path(node.value)
        return [*before, node.attr] if before else []
    return []


def _texts(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".py" and file.is_file():
            yield file.read_text(errors="replace")
        elif file.suffix == ".ipynb" and file.is_file():
            yield from _cells(file)


def _cells(file: Path) -> Iterable[str]:
    try:
        cells = json.loads(file.read_text(errors="replace")).get("cells", [])
        code = ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]
    except (ValueError, KeyError, AttributeError, TypeError):
        return []
    # Lines for IPython are none of Python's. An import counts whichever cell it is in.
    plain = ["\n".join("" if line[:1] in "%!" else line for line in cell.splitlines()) for cell in code]
    together = "\n".join(cell for cell in plain if _parses(cell))
    return [together]


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def there(python: str, names: Names) -> Names:
    """Return those of the names that the Parsl of an environment has."""
    asked = json.dumps({"imports": sorted(names.imports), "attributes": sorted(names.attributes)})
    done = subprocess.run([python, str(SCRIPT)], input=asked, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return Names(set(found["imports"]), set(found["attributes"]))
