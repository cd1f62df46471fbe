"""The page for people who change the package names files that there are, and rooms as they are."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

import parsl_on_dask

PACKAGE = Path(parsl_on_dask.__file__).parent
REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "design.md").read_text()
ROOTS = {"docs", "tests", "ci", "benchmarks", "examples"}


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    lines = [line for line in section(heading).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def files_in(text: str) -> list[str]:
    return re.findall(r"`(\w[\w.]*/[\w./]+\.(?:py|md|toml))`", text)


def is_there(name: str) -> bool:
    return (PACKAGE / name).exists() or (REPOSITORY / name).exists() or (REPOSITORY / "docs" / name).exists()


@pytest.mark.parametrize("page", ["docs/design.md", "CONTRIBUTING.md", "docs/new-parsl.md"])
def test_files_that_are_named_are_there(page: str) -> None:
    names = files_in((REPOSITORY / page).read_text())
    assert names and [name for name in names if not is_there(name)] == []


def test_each_change_has_its_files() -> None:
    changes = rows("Common changes")
    assert changes and all(files_in(files) for _, files in changes)
    assert len(changes) < 20, "the table fits on a screen"


def test_what_is_named_in_a_file_is_there() -> None:
    """As in "`PATIENCE` in `remote/runner.py`"."""
    found = re.findall(r"`([\w.]+)`(?: and `([\w.]+)`)? (?:in|of) `(\w[\w.]*/[\w./]+\.py)`", section("Common changes"))
    assert len(found) > 5
    for *names, file in found:
        text = (PACKAGE / file).read_text()
        for name in filter(None, names):
            assert re.search(rf"\b{name.rpartition('.')[2]}\b", text), f"{name} is not in {file}"


def test_each_word_has_a_file_to_begin_with() -> None:
    words = rows("Words")
    assert words and all(files_in(begin) for _, _, begin in words)
    assert len(section("Words").splitlines()) < 60, "a glossary is a page"


def test_the_picture_has_all_rooms_in_the_order_of_the_layers() -> None:
    picture = section("The rooms").split("```")[1]
    assert len(picture.splitlines()) < 30, "it fits on a screen"
    layers = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0][
        "layers"
    ]
    order = {name.strip(): n for n, layer in enumerate(layers) for name in layer.split(":")}
    drawn = [line[21:] for line in picture.splitlines() if line.strip()]
    found = [[order[name.strip("/")] for name in line.split() if name.strip("/") in order] for line in drawn]
    assert all(max(above) < min(below) for above, below in pairwise(found) if above and below)
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms <= set(re.findall(r"(\w+)/", picture))
