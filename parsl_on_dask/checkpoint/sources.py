"""What an app's function is made of: its text, and that of what it refers to in its own package or script."""

from __future__ import annotations

import ast
import enum
import functools
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from parsl_on_dask.checkpoint.ids import ident
from parsl_on_dask.checkpoint.syntax import (
    Definition,
    bytecode_form,
    chains,
    global_names,
    normal_form,
    source_file,
)
from parsl_on_dask.remote.shell import run_bash

_MISSING = object()
#: Flags of code that takes whatever arguments.
_ANYTHING = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_OURS = __name__.partition(".")[0]
_APPS = frozenset({"python_app", "bash_app", "join_app"})


class Sources:
    """Collects what counts of one app's function.

    `function`: the app's, or what is put around it.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.roots: set[str] = set()
        self.entries: set[tuple[str, str]] = set()
        self._seen: dict[int, Any] = {}
        found: list[Any] = []
        self._unwrap(function, found)
        for each in found:
            if isinstance(each, type):
                self._class(each)
            else:
                self._function(each)

    def digest(self) -> str:
        """32 hexadecimal digits."""
        digest = hashlib.md5(usedforsecurity=False)
        for entry in sorted(self.entries):
            digest.update(repr(entry).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    # -- where it begins

    def _unwrap(self, function: Any, found: list[Any]) -> None:
        """Find the user's function among what decorators, walltimes and staging have put around it."""
        if id(function) in self._seen:
            return
        self._seen[id(function)] = function
        if isinstance(function, functools.partial):
            if function.func is run_bash:
                self._unwrap(function.args[0], found)
            else:
                for each in (function.func, *function.args, *function.keywords.values()):
                    if callable(each):
                        self._unwrap(each, found)
        elif isinstance(function, MethodType):
            self._unwrap(function.__func__, found)
        elif isinstance(function, FunctionType):
            wrapped = function.__dict__.get("__wrapped__")
            root = root_of(function.__globals__.get("__name__"))
            generic = function.__code__.co_flags & _ANYTHING == _ANYTHING  # as decorators that do not tell write it
            inner = [
                value
                for _, value in (cells(function) if root == _OURS or generic else ())
                if isinstance(value, (FunctionType, functools.partial, MethodType))
            ]
            for each in (*inner, *([] if wrapped is None else [wrapped])):
                self._unwrap(each, found)
            if root != _OURS:
                found.append(function)
                if wrapped is None:
                    self.roots |= roots_with(root)
        elif callable(getattr(function, "__wrapped__", None)):
            self._unwrap(function.__wrapped__, found)
        elif not isinstance(function, (BuiltinFunctionType, ModuleType)):
            kind = function if isinstance(function, type) else type(function)
            self.roots |= roots_with(root_of(kind.__module__))
            found.append(kind)
        if any(each is function for each in found):  # what follows looks at it
            del self._seen[id(function)]

    # -- what it refers to

    def _refer(self, label: str, value: Any) -> None:
        if isinstance(value, ModuleType):
            return
        if isinstance(value, FunctionType):
            if self._is_here(value.__globals__.get("__name__")):
                self._function(value)
            elif "__wrapped__" in value.__dict__:
                self._refer(label, value.__dict__["__wrapped__"])
        elif isinstance(value, type):
            if self._is_here(value.__module__):
                self._class(value)
        elif isinstance(value, functools.partial):
            for i, each in enumerate((value.func, *value.args, *value.keywords.items())):
                self._refer(f"{label} partial {i}", each)
        elif isinstance(value, MethodType):
            self._refer(label, value.__func__)
            self._refer(label, value.__self__)
        elif wrapped_by(value) is not None:
            self._refer(label, wrapped_by(value))
        elif not isinstance(value, BuiltinFunctionType):
            self._value(label, value)

    def _value(self, label: str, value: Any) -> None:
        try:
            text = hashlib.md5(ident(value), usedforsecurity=False).hexdigest()
        except Exception:
            text = f"a {type(value).__qualname__}"  # all that can be seen of it
        self.entries.add((label, text))
        if type(value) in (list, tuple, set, frozenset, dict):
            if id(value) in self._seen:
                return
            self._seen[id(value)] = value
            for each in value.values() if type(value) is dict else value:
                if callable(each) or type(each) in (list, tuple, set, frozenset, dict):
                    self._refer(label, each)
        elif self._is_here(type(value).__module__):
            self._class(type(value))

    def _function(self, function: FunctionType) -> None:
        if id(function) in self._seen:
            return
        self._seen[id(function)] = function
        code = function.__code__
        space = function.__globals__
        label = label_of(function)
        nodes = source_file(code.co_filename, space).function(code)
        left_out = {id(d) for node in nodes for d in app_decorators(node, space)}
        for node in nodes:
            self.entries.add((label, normal_form(node, left_out)))
        if len(nodes) != 1:  # no text, or lambdas in one line, which their places do not tell apart
            self.entries.add((label, bytecode_form(code)))
        self._code(code, nodes, space, left_out)
        self._bound(label, function)
        if "__wrapped__" in function.__dict__:
            self._refer(label, function.__dict__["__wrapped__"])

    def _bound(self, label: str, function: FunctionType) -> None:
        """What a function carries with it."""
        for i, value in enumerate(function.__defaults__ or ()):
            self._refer(f"{label} default {i}", value)
        for name, value in (function.__kwdefaults__ or {}).items():
            self._refer(f"{label} default {name}", value)
        for name, value in cells(function):
            self._refer(f"{label} cell {name}", value)

    def _code(
        self, code: CodeType | None, nodes: Iterable[Definition], space: dict[str, Any], left_out: set[int]
    ) -> None:
        """What code, and the decorators above it, look up in their module."""
        looked_up = global_names(code) if code is not None else set()
        attributes = chains(list(nodes))
        outside: list[ast.AST] = [
            d for node in nodes for d in getattr(node, "decorator_list", ()) if id(d) not in left_out
        ]
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                outside += [s for s in node.body if not isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef))]
        looked_up |= set(chains(outside))
        module = script_or(space.get("__name__"))
        for name in sorted(looked_up):
            if name.startswith("__") and name.endswith("__"):
                continue  # __file__ and others that are not the author's
            for steps in sorted(attributes.get(name, {()})):
                value, taken = space.get(name, _MISSING), name
                for step in steps:
                    if not isinstance(value, ModuleType) or not self._is_here(value.__name__):
                        break
                    value, taken = getattr(value, step, _MISSING), f"{taken}.{step}"
                if value is not _MISSING:
                    self._refer(f"{module}:{taken}", value)

    def _class(self, kind: type) -> None:
        if id(kind) in self._seen:
            return
        self._seen[id(kind)] = kind
        label = label_of(kind)
        module = sys.modules.get(kind.__module__)
        space: dict[str, Any] = vars(module) if module is not None else {}
        file = file_of(kind, space)
        node = source_file(file, space).class_(kind.__qualname__)
        if node is not None:
            self.entries.add((label, normal_form(node)))
            self._code(None, [node], space, set())
        written = set() if node is None else names_in(node)
        methods = [(n, f) for n, v in vars(kind).items() for f in functions_in(v)]
        for name, method in methods:
            if node is not None and name not in written:
                continue  # made by a decorator, from what is in the text
            if method.__code__.co_filename != file:
                self._refer(f"{label}.{name}", method)  # what a decorator has made of it
                continue
            if node is None:
                self.entries.add((f"{label}.{name}", bytecode_form(method.__code__)))
            self._code(method.__code__, [node] if node is not None else [], method.__globals__, set())
            self._bound(f"{label}.{name}", method)
        # members of an enumeration are in its text, and in its attributes in some versions of Python only
        for name, value in () if issubclass(kind, enum.Enum) else vars(kind).items():
            if not name.startswith("_") and not callable(value) and not hasattr(type(value), "__get__"):
                self._refer(f"{label}.{name}", value)
        for base in kind.__bases__:
            self._refer(label, base)

    def _is_here(self, module: str | None) -> bool:
        return root_of(module) in self.roots


def root_of(module: str | None) -> str:
    """First part of a module's name."""
    return script_or((module or "").partition(".")[0])


def roots_with(root: str) -> set[str]:
    """A package, and for one that is run with ``python -m``, both of its names."""
    if root != "__main__":
        return {root}
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = root_of(getattr(spec, "name", None))
    return {root, name} if name and name != _OURS else {root}


def label_of(thing: Any) -> str:
    """Where a function or class is defined."""
    return f"{script_or(thing.__module__)}:{thing.__qualname__}"


def script_or(module: str | None) -> str:
    """A module's name; a spawned process has another one for the script."""
    return "__main__" if module == "__mp_main__" else str(module)


def file_of(kind: type, space: dict[str, Any]) -> str:
    """File in which a class is defined. In a notebook, each cell is one."""
    for value in vars(kind).values():
        for function in functions_in(value):
            if function.__module__ == kind.__module__ and not function.__code__.co_filename.startswith("<"):
                return function.__code__.co_filename
    return str(space.get("__file__") or "")


def names_in(node: ast.ClassDef) -> set[str]:
    """Names that a class's text defines."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names | {n.name for n in ast.walk(node) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}


def functions_in(value: Any) -> list[FunctionType]:
    """The functions of a class's attribute: itself, or those of a property or method decorator."""
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(value, property):
        return [f for f in (value.fget, value.fset, value.fdel) if isinstance(f, FunctionType)]
    if isinstance(value, functools.cached_property):
        value = value.func
    return [value] if isinstance(value, FunctionType) else []


def cells(function: FunctionType) -> Iterable[tuple[str, Any]]:
    """Names and values of what a function has from the function around it."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not set yet
            pass


def wrapped_by(value: Any) -> Any:
    """The function in an app, a cache or a walltime. Nothing of the value's own is run to find out."""
    return inspect.getattr_static(value, "__wrapped__", None)


def app_decorators(node: ast.AST, space: dict[str, Any]) -> list[ast.expr]:
    """Decorators that make apps: what they say about executors and caching does not change a result."""
    found = []
    for decorator in getattr(node, "decorator_list", ()):
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        made_by = space.get(name)
        if name in _APPS or (
            callable(made_by)
            and getattr(made_by, "__name__", "") in _APPS
            and root_of(getattr(made_by, "__module__", "")) in (_OURS, "parsl")
        ):
            found.append(decorator)
    return found
