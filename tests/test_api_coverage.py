"""docs/api-coverage.md says of every name of Parsl's how it fares here. It is current, and what it says is true."""

from __future__ import annotations

import ast
import inspect
import json
import logging
import os
import re
import textwrap
import warnings
from pathlib import Path

import pytest

import parsl_on_dask
from ci.coverage import kinds, page
from ci.coverage.compare import find, statements
from parsl_on_dask.errors import ParslError
from parsl_on_dask.old_spellings import legacy

SAID = [(statement.state, *attempt) for statement in statements().said for attempt in statement.attempts]
REFUSED = [attempt for state, attempt, _ in SAID if state == "refused"]
WITHOUT_EFFECT = [(attempt, name) for state, attempt, name in SAID if state == "no effect"]


@pytest.fixture(autouse=True)
def every_report_is_new() -> None:
    legacy.forget_warnings()


def test_the_page_is_current() -> None:
    assert page.page() == page.PAGE.read_text(), "write it again with: python -m ci.coverage.page"


def test_nothing_is_missing_without_a_word() -> None:
    assert page.missing() == []


def test_every_statement_is_about_something() -> None:
    known = []
    for file in (page.NEWEST, page.EARLIER):
        for row in page.compare(json.loads(file.read_text())["modules"], earlier=file == page.EARLIER):
            known += [row, *row.parameters]
    used = {id(row.statement) for row in known}
    assert [each.names for each in statements().said if id(each) not in used] == []


def test_the_pages_that_are_named_are_there() -> None:
    for statement in statements().said:
        name, _, heading = statement.see.partition("#")
        if name:
            headings = [
                re.sub(r"[^a-z0-9 _-]", "", line.lstrip("# ").lower()).replace(" ", "-")
                for line in (page.PAGE.parent / name).read_text().splitlines()
                if line.startswith("#")
            ]
            assert not heading or heading in headings, statement.see


@pytest.mark.parametrize("attempt", REFUSED)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_refused_says_what_to_write(attempt: str) -> None:
    with pytest.raises((ParslError, TypeError)) as caught:
        exec(attempt, {})
    assert len(str(caught.value)) > 60


@pytest.mark.parametrize(("attempt", "name"), WITHOUT_EFFECT)
def test_what_has_no_effect_is_reported(attempt: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="parsl"), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        exec(attempt, {})
    told = [record.getMessage() for record in caplog.records] + [str(each.message) for each in warned]
    assert any(f"{name}=" in text for text in told), told


def test_no_argument_is_kept_and_then_forgotten() -> None:
    """What "works" is read somewhere: it is no parameter that is accepted, and ignored without a word."""
    read, named = _reads()
    forgotten = []
    for row in page.compare(json.loads(page.NEWEST.read_text())["modules"]):
        cls = None if "." in row.shown else find(row.module, row.shown)
        if not isinstance(cls, type):
            continue
        own = Path(inspect.getfile(cls)) if cls.__module__.startswith("parsl_on_dask") else None
        for parameter in row.parameters:
            name = parameter.shown.rstrip("=")
            elsewhere = named.get(name, set()) - {own}
            if parameter.state in ("works", "differs") and not ({name, f"_{name}"} & read or elsewhere):
                forgotten += [] if _is_used_by_constructor(cls, name) else [parameter.path]
    assert forgotten == []


def _reads() -> tuple[set[str], dict[str, set[Path | None]]]:
    """Names of attributes that the package reads, and where a text names one."""
    read: set[str] = set()
    named: dict[str, set[Path | None]] = {}
    for file in Path(parsl_on_dask.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.setdefault(node.value, set()).add(file)
    return read, named


def _is_used_by_constructor(cls: type, name: str) -> bool:
    """Whether a constructor does more with an argument than to keep it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls.__init__)))  # type: ignore[misc]
    except (OSError, TypeError):  # it is made by Python
        return True
    kept = {id(n.value) for n in ast.walk(tree) if isinstance(n, (ast.Assign, ast.AnnAssign))}
    kept |= {id(e) for n in ast.walk(tree) if isinstance(n, ast.Assign) for e in getattr(n.value, "elts", ())}
    return any(isinstance(n, ast.Name) and n.id == name and id(n) not in kept for n in ast.walk(tree))


def test_what_is_read_or_called_in_any_release_is_so_here() -> None:
    kept = json.loads(kinds.KEPT.read_text())
    assert kept["versions"][-1] == statements().parsl
    assert list(kinds.differences(kept)) == []
    for name in kinds.ACCEPTED:
        path, _, attribute = name.rpartition(".")
        assert attribute in kept["classes"][path]


def test_a_difference_of_kinds_is_found() -> None:
    owner = "parsl.executors.threads.ThreadPoolExecutor"
    classes = {owner: {"label": ["called"], "outstanding": ["read", "called"], "shutdown": ["read", "called"]}}
    assert list(kinds.differences({"classes": classes})) == [
        f"{owner}.label: called in Parsl, read here",
        f"{owner}.shutdown: read and called in Parsl, called here",
    ]


def test_the_names_are_those_of_the_real_parsl(tmp_path_factory: pytest.TempPathFactory) -> None:
    named = os.environ.get("PARSL_PYTHON", "")
    if named == "make":
        from benchmarks.setup_parsl import setup

        requirement = f"parsl[monitoring]=={statements().parsl}"
        named = str(setup(tmp_path_factory.mktemp("parsl"), [requirement]))
    if not named:
        pytest.skip(
            "no real Parsl to compare with: set PARSL_PYTHON to the Python of an environment that has it "
            "(pip install 'parsl[monitoring]'), or to 'make' for an environment that is made now"
        )
    found = page.survey_with(str(Path(named)))
    if found["version"] != statements().parsl:
        pytest.skip(f"this is Parsl {found['version']}; the page is about {statements().parsl}")
    assert page.dumped(found) == page.NEWEST.read_text(), f"write it again: python -m ci.coverage.page --survey {named}"
