"""docs/programs.md, made of the list and of what was seen."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from ci.programs import listing, results
from ci.programs.listing import Program
from ci.programs.results import Result

PAGE = Path(__file__).resolve().parents[2] / "docs" / "programs.md"

README = PAGE.parents[1] / "README.md"
_START, _END = "<!-- by python -m ci.programs -->", "<!-- end -->"
_RUN, _TESTS = "Programs run", "Tests, scripts and cells that pass on Parsl"
_LOOKED, _NAMES = "Programs whose names were looked at", "Different names that they use and Parsl has"

_HEAD = """\
# Programs

Public programs that use Parsl, run on this package in place of Parsl and on Parsl itself, each in an environment of its
own. In the environment with this package there is no code of Parsl's, so nothing can come from there. This page is
made by `python -m ci.programs`; `ci/programs` says how, and has the list.

| | |
|---|---|
{figures}

Parsl's own tests are another measure, in [compatibility.md](compatibility.md#parsls-own-tests): all 143 that
Parsl runs on each of four executors pass here, and 325 of the 436 with configurations of their own. What to do when
there is a new release of Parsl is in [new-parsl.md](new-parsl.md).

## What ran

*Passed on Parsl* counts tests, scripts and cells of notebooks that pass on Parsl; *here* those of them that pass on
this package. *Names* are those of Parsl's that the sources of the program
import or take from the package, and that Parsl has; *here* those of them that this package has.

| Program | What is run | Uses | Passed on Parsl | Here | Names | Here | Parsl, date |
|---|---|---|---|---|---|---|---|
{ran}
{waiting}
## What does not pass here

{lost}

## Programs of which only the names were looked at

They need what is hard to come by: a scheduler of a site, a GPU, large data, other software, an old Python.

| Program | For | Names | Here | Old names | Here | Date |
|---|---|---|---|---|---|---|
{looked}

*Old names* are those that the program uses and that Parsl {parsl} does not have.{absent}
"""


def ran(result: Result) -> bool:
    """Whether tests of the program were run that tell something: where none passes on Parsl, the fault is elsewhere."""
    return bool(result.passed_on_parsl)


def kept(result: Result) -> int:
    """How many tests that pass on Parsl pass here."""
    return len(result.passed_on_parsl) - len(result.lost)


def summary(result: Result) -> str:
    """One line about a run."""
    said = [f"{kept(result)} of {len(result.passed_on_parsl)} that pass on Parsl"] if ran(result) else []
    if result.names or result.old_names:
        said.append(f"{len(result.names_here)} of {len(result.names)} names")
    return ", ".join(said) or "no names"


def text(programs: Sequence[Program] | None = None, seen: dict[str, Result] | None = None) -> str:
    """Return the page."""
    programs = listing.read() if programs is None else programs
    seen = results.read() if seen is None else seen
    pairs = [(program, seen[program.name]) for program in programs if program.name in seen]
    done = [(program, result) for program, result in pairs if ran(result)]
    others = [(program, result) for program, result in pairs if not ran(result)]
    newest = max((result.parsl for _, result in pairs), key=_release, default="")
    absent = sorted({name for _, result in pairs for name in set(result.names) - set(result.names_here)})
    waiting = [program.name for program in programs if program.name not in seen]
    return _HEAD.format(
        waiting=f"\nIn the list, and not run yet: {', '.join(waiting)}.\n" if waiting else "",
        figures="\n".join(f"| {what} | {figure} |" for what, figure in figures(programs, seen)),
        ran="\n".join(_ran(program, result) for program, result in done),
        lost="\n".join(_lost(done)) or "Nothing.",
        looked="\n".join(_looked(program, result) for program, result in others),
        parsl=newest,
        absent=f" Names that Parsl has and this package has not: {', '.join(f'`{name}`' for name in absent)}."
        if absent
        else "",
    )


def figures(programs: Sequence[Program], seen: dict[str, Result]) -> list[tuple[str, str]]:
    """What the page says in numbers, with the words for it."""
    pairs = [(program, seen[program.name]) for program in programs if program.name in seen]
    done = [result for _, result in pairs if ran(result)]
    passed, here = sum(len(result.passed_on_parsl) for result in done), sum(map(kept, done))
    whole = sum(not result.lost for result in done)
    names = {name for _, result in pairs for name in result.names}
    missing = {name for _, result in pairs for name in set(result.names) - set(result.names_here)}
    old = {name for _, result in pairs for name in result.old_names}
    old_here = {name for _, result in pairs for name in result.old_names_here}
    return [
        (_RUN, f"{len(done)}; {whole} of them with all that passes on Parsl"),
        (_TESTS, f"{passed}; {here} of them here ({_percent(here, passed)})"),
        (_LOOKED, f"{len(pairs)}"),
        (_NAMES, f"{len(names)}; {len(names) - len(missing)} of them here"),
        (
            "Different names that they use and Parsl does not have, mostly those of earlier releases",
            f"{len(old)}; {len(old_here)} of them here",
        ),
    ]


def _percent(part: int, whole: int) -> str:
    # Rounded down: 100 % is all.
    return f"{int(1000 * part / whole) / 10:g} %" if whole else "–"


def _ran(program: Program, result: Result) -> str:
    link = f"[{program.name}]({program.link}) {program.pypi.partition('==')[2] or program.commit[:10]}"
    cells = [link, program.part, program.uses, len(result.passed_on_parsl), kept(result)]
    cells += [len(result.names), len(result.names_here), f"{result.parsl}, {result.date}"]
    return _line(cells)


def _lost(done: Sequence[tuple[Program, Result]]) -> Iterator[str]:
    for program, result in done:
        if not result.lost:
            continue
        yield from ([f"**{program.name}**", ""])
        by_reason: dict[str, list[str]] = {}
        for test, said in result.lost.items():
            known = program.reason(test)
            by_reason.setdefault(known.reason if known else f"Not looked into yet: `{said[-200:]}`", []).append(test)
        for reason, tests in by_reason.items():
            shown = ", ".join(f"`{test}`" for test in tests[:4])
            more = f" and {len(tests) - 4} more" if len(tests) > 4 else ""
            yield f"- {shown}{more}: {reason}"
        yield ""


def _looked(program: Program, result: Result) -> str:
    link = f"[{program.name}]({program.link}) {program.pypi.partition('==')[2] or program.commit[:10]}"
    cells = [link, program.what, len(result.names), len(result.names_here)]
    cells += [len(result.old_names), len(result.old_names_here), result.date]
    return _line(cells)


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', ' ') for cell in cells)} |"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def sentence() -> str:
    """What the README says of the programs."""
    programs, seen = listing.read(), results.read()
    done = [seen[program.name] for program in programs if program.name in seen and ran(seen[program.name])]
    passed, here = sum(len(result.passed_on_parsl) for result in done), sum(map(kept, done))
    said = (
        f"- **Programs:** {len(done)} public programs were run on Parsl and here. Of their tests that pass on Parsl, "
        f"{_percent(here, passed)} pass here ({here} of {passed}). [Which](docs/programs.md)"
    )
    return textwrap.fill(said, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def readme() -> str:
    """Return the README with that sentence between its marks."""
    before, start, rest = README.read_text().partition(_START)
    _, end, after = rest.partition(_END)
    return f"{before}{start}\n{sentence()}\n{end}{after}"


def write() -> None:
    """Write the page, and the README's figures."""
    PAGE.write_text(text())
    README.write_text(readme())
