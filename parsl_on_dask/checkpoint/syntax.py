"""The text of functions and classes, in a form in which comments, blank lines and layout do not count.

The form is this module's own: that of ``ast.dump`` is another one in every version of Python.
"""

from __future__ import annotations

import ast
import dis
import hashlib
import linecache
from collections.abc import Iterator
from types import CodeType
from typing import Any

from parsl_on_dask.checkpoint.ids import ident

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda

_HAVE_DOC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class SourceFile:
    """A file's definitions, by where they are.

    `name`: as in the code that was compiled from it.
    """

    def __init__(self, name: str, text: str) -> None:
        self._at: dict[tuple[str, int], list[Definition]] = {}
        self._classes: dict[str, ast.ClassDef] = {}
        self._code: dict[tuple[str, int], list[CodeType]] = {}
        try:
            tree = ast.parse(text)
            whole = compile(text, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):  # no Python text, or no longer
            return
        self._index(tree, "")
        for code in codes(whole):
            self._code.setdefault((code.co_name, code.co_firstlineno), []).append(code)

    def _index(self, node: ast.AST, inside: str) -> None:
        for child in ast.iter_child_nodes(node):
            scope = inside
            if isinstance(child, ast.Lambda):
                self._at.setdefault(("<lambda>", child.lineno), []).append(child)
            elif isinstance(child, _HAVE_DOC):
                line = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                self._at.setdefault((child.name, line), []).append(child)
                path = inside + child.name
                if isinstance(child, ast.ClassDef):
                    self._classes[path] = child  # of several, the last one counts, as it does when the file is run
                    scope = path + "."
                else:
                    scope = path + ".<locals>."
            self._index(child, scope)

    def function(self, code: CodeType) -> list[Definition]:
        """The definition that some code was compiled from; several for lambdas in one line; none if it is not here.

        The file may have been changed after it was imported: then its text is not that of the code.
        """
        where = (code.co_name, code.co_firstlineno)
        if code not in self._code.get(where, ()):
            return []
        return self._at.get(where, [])

    def class_(self, qualname: str) -> ast.ClassDef | None:
        """The definition of a class."""
        return self._classes.get(qualname)


_files: dict[str, tuple[int, SourceFile]] = {}


def source_file(name: str, namespace: dict[str, Any] | None) -> SourceFile:
    """The file of that name.

    - `name`: ``co_filename`` of some code.
    - `namespace`: the module's; it knows how to get at files in archives.
    """
    text = "".join(linecache.getlines(name, namespace))
    known = _files.get(name)
    if known is None or known[0] != hash(text):
        known = _files[name] = (hash(text), SourceFile(name, text))
    return known[1]


def codes(code: CodeType) -> Iterator[CodeType]:
    """Some code, and all code inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def global_names(code: CodeType) -> set[str]:
    """Names that code looks up in its module.

    >>> def area(r):
    ...     pi = 3
    ...     return [scale(pi * x * x) for x in r]
    >>> global_names(area.__code__)
    {'scale'}
    """
    names: set[str] = set()
    for each in codes(code):
        for step in dis.get_instructions(each):
            if step.opname == "LOAD_NAME" or "LOAD_GLOBAL" in step.opname or "OR_GLOBALS" in step.opname:
                names.add(step.argval)
    return names


def chains(nodes: list[ast.AST]) -> dict[str, set[tuple[str, ...]]]:
    """Names, and the attributes that are asked of them: ``a.b.c(x)`` gives a -> (b, c), and x -> ().

    >>> sorted(chains([ast.parse("a.b.c(x)")]).items())
    [('a', {('b', 'c')}), ('x', {()})]
    """
    found: dict[str, set[tuple[str, ...]]] = {}

    def visit(node: ast.AST) -> None:
        attributes: list[str] = []
        base = node
        while isinstance(base, ast.Attribute):
            attributes.append(base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            found.setdefault(base.id, set()).add(tuple(reversed(attributes)))
            return
        for child in ast.iter_child_nodes(base):
            visit(child)

    for node in nodes:
        visit(node)
    return found


def normal_form(node: ast.AST, leave_out: frozenset[int] | set[int] = frozenset()) -> str:
    """A definition as text in which only what it does counts. Docstrings count where something asks for ``__doc__``.

    `leave_out`: ``id()`` of nodes in lists that do not count.

    Examples
    --------
    >>> a = normal_form(ast.parse("def f(x):  # twice\\n    'Double.'\\n\\n    return (2 * x)"))
    >>> b = normal_form(ast.parse("def f( x ):\\n  return 2*x"))
    >>> a == b, a == normal_form(ast.parse("def f(x): return 3*x"))
    (True, False)
    """
    wants_doc = any(
        getattr(n, "id", None) == "__doc__" or getattr(n, "attr", None) == "__doc__" for n in ast.walk(node)
    )

    def dump(value: Any) -> str:
        if isinstance(value, ast.AST):
            fields = []
            for name in value._fields:
                part = getattr(value, name, None)
                # absent in one version of Python is empty in another
                if part is None or part == [] or name in ("kind", "type_comment", "type_ignores", "ctx"):
                    continue
                if isinstance(value, ast.JoinedStr):  # early releases of Python 3.12 have empty pieces in f-strings
                    part = [p for p in part if getattr(p, "value", None) != ""]
                if name == "body" and isinstance(value, _HAVE_DOC) and not wants_doc and has_doc(value):
                    part = part[1:]
                fields.append(f"{name}={dump(part)}")
            return f"{type(value).__name__}({', '.join(fields)})"
        if isinstance(value, list):
            return "[" + ", ".join(dump(v) for v in value if id(v) not in leave_out) + "]"
        if type(value) is int:
            return hex(value)
        return repr(value)

    return dump(node)


def has_doc(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether a definition begins with a docstring."""
    first = node.body[0]
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def bytecode_form(code: CodeType) -> str:
    """What stands for code whose text is not there: what it was compiled to, by this version of Python."""
    digest = hashlib.blake2b(digest_size=20)
    for each in codes(code):
        digest.update(each.co_code)
        for constant in each.co_consts:
            if not isinstance(constant, CodeType):
                try:
                    digest.update(ident(constant))
                except ValueError:
                    digest.update(repr(constant).encode())
        digest.update(repr((each.co_names, each.co_varnames, each.co_freevars, each.co_cellvars)).encode())
    return "bytecode " + digest.hexdigest()
