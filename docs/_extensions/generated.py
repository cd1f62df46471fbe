"""What is made from the package when the site is built: pages on commands and errors, signatures."""

from __future__ import annotations

import argparse
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from sphinx.util.inspect import stringify_signature

FOLDER = "reference/generated"


def setup(app: Any) -> dict[str, Any]:
    """Have the pages written before Sphinx looks for its sources."""
    app.connect("builder-inited", write)
    app.connect("autodoc-process-signature", signature_of_class)
    app.connect("autodoc-skip-member", without_docstring)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def signature_of_class(app: Any, what: str, name: str, obj: Any, *rest: Any) -> tuple[str, None] | None:
    """Return the signature that Python has for a class; Sphinx's own prefers ``__new__``, which takes anything."""
    if what != "class" or "__init__" not in dir(obj) or issubclass(obj, (BaseException, Protocol)):
        return None
    return stringify_signature(inspect.signature(obj), show_annotation=False), None


def without_docstring(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave members out whose only text is that of their value's type."""
    return True if not skip and isinstance(obj, (bool, int, str, tuple, dict, frozenset)) else None


def write(app: Any) -> None:
    """Write the pages that are included; leave those alone that have not changed."""
    folder = Path(app.srcdir, FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    # the commands install the alias of the package, which this process is to do without
    pages = subprocess.run([sys.executable, __file__], check=True, capture_output=True, text=True).stdout.split("\f")
    for name, text in zip(("commands.md", "errors.md", "tables.md", "figures.md"), pages, strict=True):
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def commands() -> str:
    """Return every command with its arguments and options, as its parser has them."""
    from parsl_on_dask import __main__ as entry
    from parsl_on_dask.front_door import cli

    caught: list[argparse.ArgumentParser] = []
    argparse.ArgumentParser.print_help = lambda parser, file=None: caught.append(parser)  # type: ignore[method-assign,misc]
    for words in ([], *([command] for command in cli.COMMANDS)):
        sys.argv = ["python -m parsl_on_dask", *words, "--help"]
        try:
            entry.main()
        except SystemExit:
            pass
    return "".join(text for parser in caught for text in _described(parser, "##"))


def _described(parser: argparse.ArgumentParser, level: str) -> list[str]:
    name = parser.prog.removeprefix("python -m parsl_on_dask").strip() or "run"
    parts = [f"{level} {name}\n\n```text\n{parser.format_usage().removeprefix('usage: ').rstrip()}\n```\n\n"]
    if parser.description:
        parts.append(f"{_prose(parser.description)}\n\n")
    below: list[argparse.ArgumentParser] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below += action.choices.values()
        elif not isinstance(action, argparse._HelpAction):
            help_text = parser._get_formatter()._expand_help(action) if action.help else ""
            parts.append(f"{_spelling(action)}\n: {_prose(help_text)}\n\n")
    if parser.epilog:
        parts.append(f"```text\n{parser.epilog.strip()}\n```\n\n")
    for command in below:
        parts += _described(command, level + "#")
    return parts


def _spelling(action: argparse.Action) -> str:
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    takes = "" if action.nargs == 0 else f" {value}"
    return ", ".join(f"`{option}{takes}`" for option in action.option_strings)


def _prose(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;").replace("*", "\\*")


def errors() -> str:
    """Return a section for each exception of the package, by name."""
    import importlib
    import pkgutil

    import parsl_on_dask
    from parsl_on_dask.errors import OptionalModuleMissing

    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(parsl_on_dask.__path__, "parsl_on_dask."):
        if module.name.endswith("__main__"):
            continue
        try:
            names = vars(importlib.import_module(module.name))
        except (ImportError, OptionalModuleMissing):
            continue  # it is part of an extra
        for name, value in names.items():
            ours = isinstance(value, type) and value.__module__.startswith("parsl_on_dask.")
            if ours and issubclass(value, BaseException) and not name.startswith("_") and value.__name__ == name:
                found[name] = value
    parts = ["```{eval-rst}\n"]
    for _, value in sorted(found.items()):
        parts.append(f".. autoexception:: {value.__module__}.{value.__qualname__}\n   :no-members:\n\n")
    return "".join(parts) + "```\n"


def tables() -> str:
    """Return a section for each table of the database, with its columns."""
    from parsl_on_dask.monitoring.schema import METADATA

    parts = []
    for table in METADATA.tables.values():
        parts.append(f"## {table.name}\n\n| Column | Type | |\n|---|---|---|\n")
        for column in table.columns:
            remarks = [word for word, said in (("key", column.primary_key), ("may be empty", column.nullable)) if said]
            parts.append(f"| `{column.name}` | {column.type} | {', '.join(remarks)} |\n")
        parts.append("\n")
    return "".join(parts)


FIGURES = {
    "no-op calls, two processes": "calls that do nothing, two processes",
    "no-op calls, two threads": "calls that do nothing, two threads",
    "round trip, processes": "one call and its result, processes",
    "dependent chain, processes, a link": "a link of a chain of calls, processes",
    "busy calls of 1 ms, part of ideal": "calls of 1 ms: how much of two cores they use",
    "busy calls of 100 ms, part of ideal": "calls of 100 ms: how much of two cores they use",
    "large value through a chain": "50 MB through a chain of ten calls",
    "first result from import, processes": "from the first line of a script to its first result, processes",
}
"""Workloads of ``docs/performance.md`` that a user asks about, in the user's words."""


def figures() -> str:
    """Return some rows of the table of all measurements, so that none is written down twice."""
    rows = ["| What | Unit | parsl-on-dask | Parsl | bare Dask |\n|---|---|--:|--:|--:|\n"]
    table = Path(__file__).parents[1].joinpath("performance.md").read_text().splitlines()
    measured: dict[str, list[str]] = {}
    for line in table:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        measured.setdefault(name, cells)  # the first table is the one of figures
    rows += [f"| {words} | {' | '.join(measured[name][:4])} |\n" for name, words in FIGURES.items()]
    return "".join(rows)


if __name__ == "__main__":
    print(commands(), errors(), tables(), figures(), sep="\f", end="")
