"""Names that others keep for themselves are used in four places only, and each use has a test of its name."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import parsl_on_dask

PACKAGE = Path(parsl_on_dask.__file__).parent
TESTS = Path(__file__).parents[1]

#: The places, and where their tests are.
PLACES = {
    "dask_internals": "dask_internals",
    "python_internals": "python_internals",
    "remote/internals.py": "remote/test_internals.py",
}
#: Documented names that begin with an underscore: of named tuples, of ctypes, of Python.
DOCUMENTED = {"_asdict", "_exit", "_fields", "_getframe", "_make", "_replace"}
#: Uses elsewhere, each with its reason.
EXCEPTIONS = {
    # The SDK has no public way to the thread that would hold up the end of the interpreter.
    ("executors/globus_compute.py", "_get_result_watcher"),
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_" and name not in DOCUMENTED


def used(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines and names of what begins with an underscore and is looked up in an object or a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
            "getattr",
            "hasattr",
            "setattr",
            "delattr",
        ):
            if len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
                yield node.lineno, str(node.args[1].value)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            if not str(node.module).startswith("parsl_on_dask"):
                yield from (
                    (node.lineno, name) for name in (*str(node.module).split("."), *(a.name for a in node.names))
                )
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, part) for a in node.names for part in a.name.split("."))


def given(tree: ast.Module) -> Iterator[str]:
    """Names that a module gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value  # of __slots__


def test_private_names_of_others_are_used_nowhere_else() -> None:
    trees = dict(modules())
    ours = {name for path, tree in trees.items() if not path.startswith(tuple(PLACES)) for name in given(tree)}
    # the attributes of Python's futures that ours have, and their subclasses use
    ours |= set(given(trees["python_internals/light_future.py"]))
    found = [
        f"{path}:{line}: {name}"
        for path, tree in trees.items()
        if not path.startswith(tuple(PLACES))
        for line, name in used(tree)
        if is_private(name) and name not in ours and (path, name) not in EXCEPTIONS
    ]
    assert not found, "give it a function in dask_internals, python_internals or remote/internals.py"


def test_ours_do_not_hide_others() -> None:
    """What light futures have is not taken from other futures."""
    found = [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, tree in modules()
        if not path.startswith(tuple(PLACES))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("_condition", "_done_callbacks", "_exception", "_result", "_state", "_waiters")
        and ast.unparse(node.value) not in ("self", "super()")
    ]
    assert not found


@pytest.mark.parametrize("place", PLACES)
def test_each_use_has_a_test_of_its_name(place: str) -> None:
    where = PACKAGE / place
    files = [where] if where.suffix else sorted(where.glob("*.py"))
    tests = TESTS / PLACES[place]
    tested = {
        node.name.removeprefix("test_")
        for path in ([tests] if tests.suffix else sorted(tests.glob("*.py")))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    for path in files:
        name = ".".join(("parsl_on_dask", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        module = importlib.import_module(name)
        for function, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == name and not function.startswith("_"):
                assert any(test == function or test.startswith(f"{function}_") for test in tested), (name, function)
