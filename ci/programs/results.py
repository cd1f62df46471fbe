"""What runs of the command saw, kept in ``data/results.json``."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ci.programs.listing import Program
from ci.programs.running import Outcomes

DATA = Path(__file__).parent / "data" / "results.json"


@dataclass
class Result:
    """What one run of one program saw.

    Attributes
    ----------
    date : str
        Day of the run.
    origin : str
        Version or commit of the program.
    python, parsl, package : str
        Versions of Python, of the real Parsl, and of this package.
    parsls, here : dict
        How many tests were in each state, on Parsl and on this package.
    passed_on_parsl : list of str
        The tests that passed on Parsl.
    lost : dict
        Those of them that did not pass here, with the end of what they said.
    gained : list of str
        Tests that passed here and did not on Parsl.
    names, names_here : list of str
        Names that the program uses and that Parsl has; those of them that are here.
    old_names, old_names_here : list of str
        Names that the program uses and that Parsl no longer has; those of them that are here.
    """

    date: str
    origin: str
    python: str
    parsl: str
    package: str
    parsls: dict[str, int] = field(default_factory=dict)
    here: dict[str, int] = field(default_factory=dict)
    passed_on_parsl: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    gained: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    names_here: list[str] = field(default_factory=list)
    old_names: list[str] = field(default_factory=list)
    old_names_here: list[str] = field(default_factory=list)

    def compare(self, real: Outcomes | None, here: Outcomes) -> None:
        """Keep the outcomes of both sides; without those of Parsl, the ones that were kept serve."""
        if real is not None:
            self.parsls, self.passed_on_parsl = real.counts(), real.passed()
            self.gained = sorted(set(here.passed()) - set(self.passed_on_parsl))
        self.here = here.counts()
        self.lost = {
            test: _short(here.texts.get(test) or f"it was {here.states.get(test, 'not found')}")
            for test in sorted(set(self.passed_on_parsl) - set(here.passed()))
        }


def _short(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    # Where environments, copies and temporary files are is of this one run.
    return re.sub(r"/[^\s']*/(?:site-packages|program|pytest-\d+)/", "", " | ".join(lines[-3:]))[-400:]


def read(path: Path = DATA) -> dict[str, Result]:
    """Return the results that are kept, by the program's name."""
    if not path.is_file():
        return {}
    return {name: Result(**entry) for name, entry in json.loads(path.read_text()).items()}


def write(results: dict[str, Result], path: Path = DATA) -> None:
    """Keep results."""
    path.parent.mkdir(exist_ok=True)
    data = {name: asdict(result) for name, result in sorted(results.items())}
    path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")


def problems(program: Program, result: Result) -> list[str]:
    """What keeps a run from being as it should be."""
    said = []
    if program.run and not result.passed_on_parsl:
        said.append(f"{program.name}: nothing passes on Parsl, so nothing was compared: look into parsl.txt")
    for test, text in result.lost.items():
        if program.reason(test) is None:
            said.append(f"{program.name}: {test} passes on Parsl and not here: {text}")
    for known in program.known:
        tests = [test for test in result.passed_on_parsl if known.covers(test)]
        if tests and not known.sometimes and not any(test in result.lost for test in tests):
            said.append(f"{program.name}: {known.tests} pass, but are said to fail: {known.reason}")
    for name in sorted(set(result.names) - set(result.names_here)):
        if program.reason(name) is None:
            said.append(f"{program.name}: uses {name}, which Parsl has and this package has not")
    return said
