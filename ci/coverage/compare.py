"""How each public name and parameter of Parsl fares here."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

HERE = Path(__file__).parent
PACKAGE = "parsl_on_dask"

#: What can be said of a name, best first.
STATES = ("works", "differs", "no effect", "refused", "missing")


@dataclass(frozen=True)
class Statement:
    """What is said of some names that do not simply work.

    Attributes
    ----------
    names : tuple of str
        Patterns of paths: ``parsl.module.Name``, ``parsl.module.Name.member``, ``parsl.module.Name(parameter)``.
    state : str
        ``"differs"``, ``"no effect"`` or ``"refused"``.
    note : str
        The difference, or what to use instead.
    see : str
        Page and heading below docs/ that says more.
    attempts : tuple of (str, str)
        Python that shows it: that is refused, or reports that an argument has no effect; and the argument's name.
    """

    names: tuple[str, ...]
    state: str
    note: str
    see: str = ""
    attempts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Statements:
    """The data file ``statements.toml``."""

    parsl: str
    left_out: tuple[Statement, ...]
    said: tuple[Statement, ...]

    def of(self, path: str) -> Statement | None:
        """What is said of a path; the first that fits."""
        return _first(self.said, path)

    def leaves_out(self, path: str) -> bool:
        """Whether a path is not public in truth."""
        return _first(self.left_out, path) is not None


@cache
def statements() -> Statements:
    """Read the data file."""
    data = tomllib.loads((HERE / "statements.toml").read_text(encoding="utf-8"))
    said = [
        Statement(
            tuple(each["names"]),
            state,
            each["note"],
            each.get("see", ""),
            tuple(
                (each.get("of", "{}").replace("{}", attempt), attempt.partition("=")[0])
                for attempt in each.get("attempts", ())
            ),
        )
        for state, key in (("refused", "refused"), ("no effect", "no_effect"), ("differs", "differs"))
        for each in data.get(key, ())
    ]
    left_out = [Statement(tuple(each["names"]), "left out", each["why"]) for each in data["left_out"]]
    return Statements(data["parsl"], tuple(left_out), tuple(said))


def _first(among: Sequence[Statement], path: str) -> Statement | None:
    return next((s for s in among if any(fnmatchcase(path, pattern) for pattern in s.names)), None)


@dataclass
class Row:
    """A name of Parsl, or one of its parameters.

    Attributes
    ----------
    path : str
    module : str
    shown : str
        The name as it is shown below its module.
    state : str
        One of :data:`STATES`.
    statement : Statement or None
    alias : str
        What it is another name of.
    last : str
        The last release that had it, if the newest has not.
    parameters : list of Row
    """

    path: str
    module: str
    shown: str
    state: str
    statement: Statement | None = None
    alias: str = ""
    last: str = ""
    parameters: list[Row] = field(default_factory=list)


def compare(surface: Mapping[str, Any], earlier: bool = False) -> list[Row]:
    """Compare a surface, as ``survey.py`` makes it, with this package.

    Parameters
    ----------
    surface : mapping
        Module to names.
    earlier : bool
        Whether these are names that only earlier releases had: then a living name is there for its parameters only.
    """
    said = statements()
    rows = []
    for module, names in surface.items():
        for name, entry in names.items():
            path = f"{module}.{name}"
            if said.leaves_out(path) or said.leaves_out(module):
                continue
            value = find(module, name)
            row = _row(path, module, name, value, entry)
            if not earlier or "last" in entry or row.parameters:
                rows.append(row)
            for member, parameters in entry.get("members", {}).items():
                if said.leaves_out(f"{path}.{member}"):
                    continue
                found = MISSING if value is MISSING else member_of(value, member)
                rows.append(_row(f"{path}.{member}", module, f"{name}.{member}", found, {"parameters": parameters}))
    return rows


MISSING = object()


def _row(path: str, module: str, shown: str, value: Any, entry: Mapping[str, Any]) -> Row:
    row = Row(path, module, shown, *_state(path, value is not MISSING))
    row.alias = entry.get("alias", "")
    row.last = entry.get("last", "")
    accepted = MISSING if value is MISSING else accepts(value)
    for parameter in entry.get("parameters", ()):
        there = accepted is not MISSING and (parameter in accepted or "**" in accepted)
        inside = f"{path}({parameter})"
        if statements().leaves_out(inside):
            continue
        state, statement = _state(inside, there or row.state == "refused")
        if state == "works" and parameter in entry.get("defaults", {}):
            statement = _other_default(value, parameter, entry["defaults"][parameter])
            state = "works" if statement is None else "differs"
        row.parameters.append(Row(inside, module, f"{parameter}=", state, statement))
    return row


def _other_default(value: Any, parameter: str, theirs: str) -> Statement | None:
    """What is to be said when a parameter has another default here."""
    found = inspect.signature(value).parameters.get(parameter)
    ours = "none" if found is None or found.default is found.empty else repr(found.default)
    same = ours == theirs or {ours, theirs} <= {"()", "[]", "{}", "None"}
    return None if same else Statement((), "differs", f"Default `{ours}`, in Parsl `{theirs}`.")


def _state(path: str, there: bool) -> tuple[str, Statement | None]:
    statement = statements().of(path)
    if statement is not None and (there or statement.state == "refused"):
        return statement.state, statement
    return ("works" if there else "missing"), None


def find(module: str, name: str) -> Any:
    """The object of this package that is at a path of Parsl's; MISSING when there is none."""
    from parsl_on_dask.errors import ParslError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if module.startswith("parsl.configs."):
                # sample configurations look at the machine and at the network when they are imported
                return None if name in _defined(PACKAGE + module.removeprefix("parsl")) else MISSING
            found = importlib.import_module(PACKAGE + module.removeprefix("parsl"))
            return getattr(found, name)
    except ParslError:
        return None  # which is an answer: what it says is in the statements
    except ModuleNotFoundError as e:
        if not str(e.name).startswith(PACKAGE):
            raise  # it is there, and needs something that is not
        return MISSING
    except AttributeError:
        return MISSING


def _defined(module: str) -> set[str]:
    """Names that a sample configuration has; what it says when it is made is its own business."""
    if importlib.util.find_spec(module) is None:
        return set()
    return {"config", "fresh_config", *dir(importlib.import_module(module))}


def member_of(cls: Any, name: str) -> Any:
    """A member of a class, None for one that only instances have, or MISSING."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = getattr(cls, name)
    except AttributeError:
        return None if name in _instance_names(cls) else MISSING
    return value if inspect.isroutine(value) else None


def _instance_names(cls: Any) -> set[str]:
    found: set[str] = set()
    for base in getattr(cls, "__mro__", ()):
        found |= set(getattr(base, "__annotations__", {}))
        if base.__module__.startswith(PACKAGE):
            found |= _set_on_self(base)
    return found


@cache
def _set_on_self(cls: type) -> set[str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError):
        return set()
    stores = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
    return {node.attr for node in stores if isinstance(node.value, ast.Name) and node.value.id == "self"}


def accepts(value: Any) -> set[str]:
    """Names of the parameters that a function or a class takes; ``**`` when it takes any."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return set()
    return {
        "**" if p.kind is p.VAR_KEYWORD else p.name
        for p in signature.parameters.values()
        if p.kind is not p.VAR_POSITIONAL
    }
