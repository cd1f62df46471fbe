"""Apps that change global variables of the script: on workers, nobody but the worker sees that."""

from __future__ import annotations

import ast
import dis
import inspect
import logging
import textwrap
import warnings
from collections import deque
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from parsl_on_dask.old_spellings.legacy import first_time

logger = logging.getLogger("parsl.lanes.packing")

_CONTAINERS = (list, dict, set, deque, bytearray)
#: Methods that change these.
_CHANGING = frozenset(
    {
        *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft", "insert"),
        *("intersection_update", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort"),
        *("symmetric_difference_update", "update"),
    }
)
_STORES = frozenset({dis.opmap["STORE_GLOBAL"], dis.opmap["DELETE_GLOBAL"]})


def warn_of_changes(function: Any, where: str) -> None:
    """Warn, once for each, of the global variables that the function of an app changes.

    - `function`: looked at if it is written in Python, and its source is there.
    - `where`: what it is going to run on.
    """
    function = inspect.unwrap(function) if hasattr(function, "__wrapped__") else function
    if type(function) is not FunctionType or not _may_change(function):
        return
    code = function.__code__
    for name, line in changed_globals(function):
        if not first_time(f"global:{code.co_filename}:{code.co_firstlineno}:{name}"):
            continue
        text = (
            f"App {function.__name__!r} changes the global variable {name!r}. On {where} apps run in other processes, "
            "each of which has the script's global variables as they were when the app was called first, and what is "
            "changed there the script does not see. Return the value instead, or use ThreadPoolExecutor. Where each "
            "worker is to have something of its own, such as a model that is loaded once, this is right."
        )
        try:
            warnings.warn_explicit(text, UserWarning, code.co_filename, line)
        except UserWarning:  # warnings are errors there; this one is not that of the call
            logger.warning("%s:%s: %s", code.co_filename, line, text)


def _may_change(function: FunctionType) -> bool:
    """Whether a look at the source, which takes longer, is worth it."""
    code = function.__code__
    if not _STORES.isdisjoint(code.co_code[::2]):
        return True
    names = function.__globals__
    return any(isinstance(names.get(name), _CONTAINERS) for name in code.co_names)


def changed_globals(function: FunctionType) -> Iterator[tuple[str, int]]:
    """The global variables that a function surely changes, each with a line.

    Examples
    --------
    >>> import collections
    >>> list(changed_globals(collections.namedtuple))
    []
    """
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return
    own = _own_names(function.__code__)
    declared = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}

    def is_global(node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id not in own and node.id in function.__globals__

    def container(node: ast.AST) -> bool:
        return is_global(node) and isinstance(function.__globals__[node.id], _CONTAINERS)  # type: ignore[attr-defined]

    def changed(node: ast.AST) -> ast.AST | None:
        """The name of a global variable that a part of the source changes."""
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node.id in declared:
            return node
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and container(node.value):
            return node.value
        if isinstance(node, ast.Attribute) and node.attr in _CHANGING and container(node.value):
            return node.value
        return None

    seen = set()
    for definition in tree.body:
        statements = definition.body if isinstance(definition, ast.FunctionDef) else ()
        for node in (inner for statement in statements for inner in ast.walk(statement)):
            name = changed(node)
            if isinstance(name, ast.Name) and name.id not in seen:
                seen.add(name.id)
                yield name.id, first + name.lineno - 1


def _own_names(code: CodeType) -> set[str]:
    """Names that are not global, in a function and in those inside of it."""
    own = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            own |= _own_names(constant)
    return own
