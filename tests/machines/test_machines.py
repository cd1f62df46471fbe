"""Configs of named machines: what their sites want is in the job scripts. All are looked at by one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.machines import FOLDER, PAGE, directives, look, machines, page
from parsl_on_dask.check.explaining import ExecutorPlan, Explanation

EXPECTED = Path(__file__).parent / "expected"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture(scope="module")
def seen() -> Explanation:
    return look()


def written_down(name: str) -> Iterator[tuple[str, list[str]]]:
    """Label of each executor with the command that submits its jobs, and the lines of the job script."""
    for part in (EXPECTED / f"{name}.txt").read_text().strip().split("\n\n"):
        head, *lines = part.splitlines()
        yield head, lines


def as_written(plan: ExecutorPlan) -> tuple[str, list[str]]:
    command = plan.facts.get("submitted by")
    return (
        (f"{plan.label}: no jobs", [])
        if command is None
        else (f"{plan.label}: {command}", directives(plan.script or ""))
    )


@pytest.mark.parametrize("name", NAMES)
def test_directives_are_those_that_the_site_wants(seen: Explanation, name: str) -> None:
    assert [as_written(plan) for plan in seen.executors if plan.config == name] == list(written_down(name))


def test_nothing_is_refused(seen: Explanation) -> None:
    """Only what this machine lacks is told, and no old or useless argument is in any of them."""
    assert not seen.refused and not seen.unseen and not seen.old and not seen.without_effect
    assert sorted({plan.config for plan in seen.executors}) == NAMES
    wanted = [line for line in seen.not_here if "no command" not in line]
    assert [line.partition(": ")[2].partition(":")[0] for line in wanted] == ["address_by_interface('hsn0')"] * 2


def test_the_page_is_made_from_the_files() -> None:
    assert PAGE.read_text() == page(), "python -m ci.machines writes it"
    assert len({one.name for one in machines()}) >= 15


@pytest.mark.parametrize(
    ("name", "unwanted"),
    [
        ("marenostrum5", "--mem"),
        ("jean_zay", "--mem"),
        ("archer2", "--mem"),
        ("stampede3", "--mem"),
        ("narval", "--partition"),
        ("fir", "--partition"),
        ("gadi", "select="),
    ],
)
def test_what_a_site_refuses_is_not_asked_for(seen: Explanation, name: str, unwanted: str) -> None:
    scripts = [plan.script for plan in seen.executors if plan.config == name]
    assert scripts and not any(unwanted in (script or "") for script in scripts)
