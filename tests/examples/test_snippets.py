"""Every block of Python in README and docs runs as it stands there, those of a page one after the other.

Where that cannot be, a comment in front of the block says why: ``<!-- not run: needs a scheduler -->``. Pages that are
notebooks run when the site is built.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import interpreters

REPOSITORY = Path(__file__).parents[2]
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>.+?) -->\n+)?^```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of Python.

    Attributes
    ----------
    code : str
    reason : str or None
        Why it is not run.
    """

    code: str
    reason: str | None


def blocks(page: Path) -> list[Block]:
    return [Block(found["code"], found["reason"]) for found in BLOCK.finditer(page.read_text())]


DOCS = REPOSITORY / "docs"
PAGES = {
    page.relative_to(REPOSITORY).as_posix(): found
    for page in [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
    if "generated" not in page.parts and (found := blocks(page))
}


@pytest.mark.parametrize("page", [name for name, found in PAGES.items() if any(not block.reason for block in found)])
def test_the_python_of_a_page_runs(page: str, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(block.code for block in PAGES[page] if not block.reason))
    done = interpreters.run(
        [sys.executable, "-m", "parsl_on_dask", str(script)],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


def test_most_of_it_runs() -> None:
    every = [block for found in PAGES.values() for block in found]
    assert len([block for block in every if block.reason]) < len(every) / 4


def test_what_is_not_run_is_python_all_the_same() -> None:
    for found in PAGES.values():
        for block in found:
            compile(block.code, "a block", "exec")
