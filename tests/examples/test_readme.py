"""The README's figures are those that were measured, and its first command is the one that CI runs."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()


def rows(page: str) -> dict[str, list[str]]:
    """Cells of the rows of a page's tables, by the first of them; the first row of a name counts."""
    found: dict[str, list[str]] = {}
    for line in (REPOSITORY / "docs" / page).read_text().splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found.setdefault(name, cells)
    return found


def test_names() -> None:
    states = {state: int(rows("api-coverage.md")[state][1]) for state in ("works", "differs", "no effect", "refused")}
    said = re.search(
        r"of the (\d+) public names .*?, (\d+) work, and (\d+) are .*?\. The other (\d+)\s", README, re.DOTALL
    )
    assert said is not None
    assert [int(number) for number in said.groups()] == [
        sum(states.values()),
        states["works"] + states["differs"],
        states["no effect"],
        states["refused"],
    ]


def test_speed() -> None:
    measured = rows("performance.md")
    ours, parsl, dask = measured["no-op calls, two processes"][1:4]
    chain, chain_of_parsl = map(float, measured["large value through a chain"][1:3])
    said = " ".join(README.split())
    assert f"{ours} calls a second on two processes (Parsl: {parsl}, bare Dask: {dask})" in said
    assert f"a chain of ten calls in {chain:.2f} s (Parsl: {chain_of_parsl:.0f} s)" in said


def test_the_first_command_is_the_one_of_ci() -> None:
    [script] = re.findall(r"-m parsl_on_dask (examples/\w+\.py)", README)
    assert (REPOSITORY / script).exists() and f'"$OLDPWD/{script}"' in (REPOSITORY / ".ci" / "run").read_text()


def test_what_it_links_to_is_there() -> None:
    """Pages of the site are looked at when it is built; the README is not among them."""
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)", (REPOSITORY / page).read_text())
        assert [link for link in links if not (REPOSITORY / link).exists()] == []
