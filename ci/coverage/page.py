"""Write docs/api-coverage.md, or tell whether it is current: ``python -m ci.coverage.page [--check] [--survey]``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from ci.coverage.compare import HERE, STATES, Row, Statement, compare, statements

PAGE = HERE.parents[1] / "docs" / "api-coverage.md"
NEWEST, EARLIER = HERE / "parsl.json", HERE / "earlier.json"

_MEANING = {
    "works": "does what it does in Parsl",
    "differs": "works, with the difference that the remark tells",
    "no effect": "accepted, kept and shown; it steers machinery of Parsl's that is not there. Reported at debug level",
    "refused": "an error at construction or import, which names the alternative",
    "missing": "not there",
}

_HEAD = """\
# What works, name by name

Every public module, name, method and parameter of Parsl {version}, and what releases from 1.0.0 on had besides. This
page is made by `python -m ci.coverage.page`, which asks a real Parsl for its names (`ci/coverage`) and
this package for the same ones. Differences in behaviour that belong to no single name are on the page
[Differences from Parsl](compatibility.md).

What is refused, and what has no effect, is tried by a test.

| State | Meaning | Names of {version} | Parameters | Earlier names | Earlier parameters |
|---|---|---|---|---|---|
{counts}
"""


def survey_with(python: str) -> dict[str, Any]:
    """What the Parsl of another environment offers."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    command = [python, str(HERE / "survey.py"), "parsl"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=HERE, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["unread"]:
        raise RuntimeError(f"the Parsl of {python} cannot be read as a whole: {found['unread']}")
    return found


def dumped(surface: dict[str, Any]) -> str:
    """A survey as the file has it: a line for each name."""
    lines = [f'{{"version": {json.dumps(surface["version"])}, "loaded": [']
    lines += [f"  {json.dumps(name)}," for name in surface["loaded"]]
    lines[-1] = lines[-1].rstrip(",")
    lines.append('], "modules": {')
    for module, names in surface["modules"].items():
        body = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in names.items())
        lines.append(f" {json.dumps(module)}: {{\n{body}\n }}," if body else f" {json.dumps(module)}: {{}},")
    lines[-1] = lines[-1].rstrip(",")
    return "\n".join([*lines, "}}\n"])


def page() -> str:
    """The text of the page, from the surveys that are beside this file."""
    newest = compare(json.loads(NEWEST.read_text())["modules"])
    earlier = compare(json.loads(EARLIER.read_text())["modules"], earlier=True)
    parts = [_HEAD.format(version=statements().parsl, counts="\n".join(_counts(newest, earlier)))]
    parts += [f"## Parsl {statements().parsl}\n", *_sections(newest)]
    parts += ["## What only earlier releases had\n", *_sections(earlier)]
    parts += [
        "## Left out\n",
        "Public by their names only: parts of Parsl's own machinery, which nothing outside uses.\n",
    ]
    parts += ["| Names | What they are |\n|---|---|"]
    parts += [f"| {', '.join(f'`{name}`' for name in each.names)} | {each.note} |" for each in statements().left_out]
    return "\n".join(parts) + "\n"


def missing() -> list[str]:
    """Names and parameters of Parsl that are neither here nor refused."""
    newest = compare(json.loads(NEWEST.read_text())["modules"])
    earlier = compare(json.loads(EARLIER.read_text())["modules"], earlier=True)
    return [each.path for row in [*newest, *earlier] for each in (row, *row.parameters) if each.state == "missing"]


def _counts(newest: Sequence[Row], earlier: Sequence[Row]) -> Iterator[str]:
    numbers = [
        Counter(row.state for row in newest),
        Counter(p.state for row in newest for p in row.parameters),
        Counter(row.state for row in earlier if row.last),
        Counter(p.state for row in earlier for p in row.parameters),
    ]
    for state in STATES:
        if any(each[state] for each in numbers):
            yield f"| {state} | {_MEANING[state]} | {' | '.join(str(each[state]) for each in numbers)} |"


def _sections(rows: Iterable[Row]) -> Iterator[str]:
    for module, within in groupby(rows, lambda row: row.module):
        yield f"### {module}\n\n| Name | State | Remark |\n|---|---|---|"
        yield from _lines(list(within))
        yield ""


def _lines(rows: list[Row]) -> Iterator[str]:
    elsewhere = [row for row in rows if row.alias and row.state == "works"]
    if elsewhere:
        yield _line(", ".join(f"`{row.shown}`" for row in elsewhere), "works", "From the modules that define them.")
    for _, group in groupby(rows, lambda row: row.shown.partition(".")[0]):
        each = [row for row in group if row not in elsewhere]
        if each:
            yield from _lines_of(each)


def _lines_of(rows: list[Row]) -> Iterator[str]:
    """The lines of a name, and of what belongs to it."""
    whole = rows[0].statement
    parts = [part for row in rows for part in (row, *row.parameters)]
    if whole is not None and all(part.statement is whole for part in parts):
        more = " and all that belongs to it" if len(parts) > 1 else ""
        yield _line(f"`{rows[0].shown}`{more}", rows[0].state, _remark(rows[0]))
        return
    plain = [row for row in rows if "." in row.shown and all(p.state == "works" for p in (row, *row.parameters))]
    for row in rows:
        if row in plain:
            if row is plain[0]:
                yield _line(", ".join(f"`.{_call(row.shown.partition('.')[2], row)}`" for row in plain), "works", "")
            continue
        name = row.shown if "." not in row.shown else f".{row.shown.partition('.')[2]}"
        yield _line(f"`{_call(name, row)}`", row.state, _remark(row))
        yield from _parameters(name, row)


def _call(name: str, row: Row) -> str:
    """A name with those of its parameters of which the same is to be said."""
    same = [p.shown for p in row.parameters if p.state == row.state and p.statement is row.statement]
    return f"{name}({', '.join(same)})" if same else name


def _parameters(name: str, row: Row) -> Iterator[str]:
    others = [p for p in row.parameters if p.state != row.state or p.statement is not row.statement]
    for _, group in groupby(sorted(others, key=_order), _order):
        listed = list(group)
        yield _line(f"`{name}({', '.join(p.shown for p in listed)})`", listed[0].state, _said(listed[0].statement))


def _order(row: Row) -> tuple[int, str]:
    return STATES.index(row.state), "" if row.statement is None else row.statement.note


def _remark(row: Row) -> str:
    parts = [_said(row.statement), f"until {row.last}" if row.last else ""]
    return "; ".join(part for part in parts if part)


def _said(statement: Statement | None) -> str:
    if statement is None:
        return ""
    return f"{statement.note} [More]({statement.see})" if statement.see else statement.note


def _line(name: str, state: str, remark: str) -> str:
    return f"| {name} | {state} | {remark} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line, and do it."""
    parser = argparse.ArgumentParser(prog="python -m ci.coverage.page", description=__doc__)
    parser.add_argument("--check", action="store_true", help="say what is not current, and write nothing")
    parser.add_argument(
        "--survey", metavar="PYTHON", help="ask the Parsl of this Python for its names; default: those in parsl.json"
    )
    options = parser.parse_args(arguments)
    stale = []
    if options.survey:
        text = dumped(survey_with(options.survey))
        if not NEWEST.exists() or text != NEWEST.read_text():
            stale.append(NEWEST)
            if not options.check:
                NEWEST.write_text(text)
    text = page()
    if not PAGE.exists() or text != PAGE.read_text():
        stale.append(PAGE)
        if not options.check:
            PAGE.write_text(text)
    lacking = missing()
    for path in lacking:
        print(f"missing: {path}")
    for file in stale:
        print(f"{'not current' if options.check else 'written'}: {file.relative_to(PAGE.parents[1])}")
    return 1 if lacking or (options.check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
