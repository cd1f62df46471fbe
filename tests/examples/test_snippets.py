"""Every block of Python or shell in README and docs runs as it stands there, those of a page one after the other.

Where that cannot be, a comment in front of the block says why: ``<!-- not run: needs a scheduler -->``. Pages that are
notebooks run when the site is built. Blocks of the kind ``console`` are sessions that were seen, and do not run.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import interpreters

REPOSITORY = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+)?^ *```(?P<kind>python|bash|console)\n(?P<code>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
OURS = ["python", "-m", "parsl_on_dask"]
"""How commands begin that can run here."""


class Block(NamedTuple):
    """A block of a page.

    Attributes
    ----------
    kind : str
        ``"python"``, ``"bash"`` or ``"console"``.
    code : str
    reason : str or None
        Why it is not run.
    """

    kind: str
    code: str
    reason: str | None


def blocks(page: Path) -> list[Block]:
    return [Block(found["kind"], found["code"], found["reason"]) for found in BLOCK.finditer(page.read_text())]


DOCS = REPOSITORY / "docs"
PAGES = {
    page.relative_to(REPOSITORY).as_posix(): found
    for page in [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
    if "generated" not in page.parts and (found := blocks(page))
}


def of(page: str, kind: str) -> list[Block]:
    return [block for block in PAGES[page] if block.kind == kind]


def pages(kind: str) -> list[str]:
    return [page for page in PAGES if any(not block.reason for block in of(page, kind))]


WORKFLOW = """
import parsl

with parsl.load():
    assert parsl.python_app(abs)(-2).result() == 2
"""
FAILED = """
import os

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor

for number in range(3):
    os.makedirs(f"runinfo/{number:03}")


@parsl.python_app
def repaired_meanwhile(case):
    if case == 17 and not os.path.exists("repaired"):
        raise ValueError(case)
    return case


executor = HighThroughputExecutor(label="htex", max_workers_per_node=1)
with parsl.load(Config(executors=[executor], trace=True)):
    assert [i for i, future in enumerate([repaired_meanwhile(i) for i in range(18)]) if future.exception()] == [17]
open("repaired", "w").close()
"""
BEFORE = {"docs/failures.md": FAILED}
"""Scripts that have run when the commands of a page do."""
GIVEN = {
    "workflow.py": WORKFLOW,
    "sweep.py": next(block.code for block in of("docs/tutorials/slurm.md", "python")),
}
"""Scripts that pages take for granted."""


def start(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = interpreters.run(
        [sys.executable, *words],
        cwd=folder,
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done


def lines(block: Block) -> Iterator[list[str]]:
    """Words of each command of a block."""
    for line in block.code.splitlines():
        if block.kind == "bash" or line.startswith("$ "):
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


@pytest.mark.parametrize("page", pages("python"))
def test_the_python_of_a_page_runs(page: str, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(block.code for block in of(page, "python") if not block.reason))
    done = start(["-m", "parsl_on_dask", str(script)], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", pages("bash"))
def test_the_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(DOCS)
    for name, text in GIVEN.items():
        (tmp_path / name).write_text(text)
    if page in BEFORE:
        (tmp_path / "before.py").write_text(BEFORE[page])
        done = start(["-m", "parsl_on_dask", "before.py"], tmp_path)
        assert done.returncode == 0, done.stderr
    for block in of(page, "bash"):
        for words in () if block.reason else lines(block):
            assert words[:3] == OURS, "say why it is not run"
            done = start(words[1:], tmp_path)
            assert done.returncode == 0, (words, done.stderr)


def options(words: list[str]) -> tuple[str, list[str]]:
    """The command of this package's that a line has, and its options; those of scripts do not count."""
    rest = words[words.index("parsl_on_dask") + 1 :]
    command = rest[0] if re.fullmatch(r"[a-z-]+", rest[0]) and rest[0] != "run" and not rest[0].startswith("-") else ""
    ours = []
    for word in rest:
        if not command and word.endswith(".py"):
            break
        if word.startswith("-"):
            ours.append(word.partition("=")[0])
    return command, ours


def test_commands_that_are_not_run_have_options_that_are_there(tmp_path: Path) -> None:
    used: dict[str, set[str]] = {}
    for found in PAGES.values():
        for block in found:
            if block.kind == "console" or (block.kind == "bash" and block.reason):
                for words in lines(block):
                    if "parsl_on_dask" in words:
                        command, ours = options(words)
                        used.setdefault(command, set()).update(ours)
    assert len(used) > 2
    for command, names in used.items():
        done = start([*OURS[1:], *([command] if command else []), "--help"], tmp_path)
        assert done.returncode == 0, command
        assert [name for name in names if not re.search(rf"(?<![\w-]){name}\b", done.stdout)] == [], command


def test_most_of_it_runs() -> None:
    every = [block for page in PAGES for block in of(page, "python")]
    assert len([block for block in every if block.reason]) < len(every) / 4


def test_what_is_not_run_is_python_or_shell_all_the_same() -> None:
    for page in PAGES:
        for block in of(page, "python"):
            compile(block.code, "a block", "exec")
        shell = "\n".join(block.code for block in of(page, "bash"))
        done = subprocess.run(["bash", "-n"], input=shell, capture_output=True, text=True)
        assert done.returncode == 0, (page, done.stderr)
