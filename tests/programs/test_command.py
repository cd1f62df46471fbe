"""``ci/programs``: what it says about a small program that has one of everything."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("ci.programs.listing", reason="ci/programs is in the repository, and not in this copy")

from ci.programs import listing, names, page, release, results, running, sources
from ci.programs.listing import Known, ListError, Program
from ci.programs.results import Result
from ci.programs.running import Outcomes

TESTS = """
    import os
    import time
    import pytest

    def test_passes(): pass
    def test_fails(): assert 1 == 2, "one is not two"
    def test_is_skipped(): pytest.skip("not today")

    def test_leaves_a_file():
        open("was here", "w").close()
    """


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "test_it.py").write_text(textwrap.dedent(TESTS))
    (folder / "test_end.py").write_text("import os\ndef test_a(): pass\ndef test_ends(): os._exit(3)\n")
    (folder / "hangs.py").write_text("import time\ntime.sleep(1000)\n")
    (folder / "works.py").write_text("print('done')\n")
    return folder


def run(source: Path, tmp_path: Path, *commands: str, limit: int = 60) -> Outcomes:
    program = Program("it", "a program", pypi="it==1", run=commands, limit=limit)
    return running.run(program, source, sys.executable, tmp_path / "work")


def test_outcomes_of_tests(source: Path, tmp_path: Path) -> None:
    seen = run(source, tmp_path, "pytest test_it.py")
    assert seen.states == {
        "test_it.py::test_passes": "passed",
        "test_it.py::test_fails": "failed",
        "test_it.py::test_is_skipped": "skipped",
        "test_it.py::test_leaves_a_file": "passed",
    }
    assert "one is not two" in seen.texts["test_it.py::test_fails"]


def test_a_test_that_ends_the_process_has_failed(source: Path, tmp_path: Path) -> None:
    assert run(source, tmp_path, "pytest test_end.py").states == {
        "test_end.py::test_a": "passed",
        "test_end.py::test_ends": "failed",
    }


def test_commands_count_as_tests_and_have_a_limit(source: Path, tmp_path: Path) -> None:
    seen = run(source, tmp_path, "python works.py", "python hangs.py", limit=2)
    assert seen.states == {"python works.py": "passed", "python hangs.py": "failed"}
    assert "over the limit of 2 s" in seen.texts["python hangs.py"]


def test_the_source_stays_as_it_is(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path, "pytest test_it.py")
    assert not (source / "was here").exists()


def test_what_is_lost_needs_a_reason() -> None:
    real, here = Outcomes({"a": "passed", "b": "passed", "c": "failed"}), Outcomes({"a": "passed", "b": "failed"})
    result = Result("2026-01-01", "it==1", "3.11", "2026.1.1", "1.0")
    result.compare(real, here)
    assert list(result.lost) == ["b"]
    program = Program("it", "a program", pypi="it==1")
    assert ["b passes on Parsl" in problem for problem in results.problems(program, result)] == [True]
    explained = Program("it", "a program", pypi="it==1", known=(Known(("b",), "because"),))
    assert results.problems(explained, result) == []
    stale = Program("it", "a program", pypi="it==1", known=(Known(("b",), "because"), Known(("a",), "because")))
    assert ["are said to fail" in problem for problem in results.problems(stale, result)] == [True]


@pytest.mark.parametrize("known", ["a.py", "a.py::TestIt", "a.py::TestIt::test_x", "a.py::TestIt::test_x[1]"])
def test_a_reason_is_about_a_file_a_class_a_function_or_one_test(known: str) -> None:
    assert Known((known,), "because").covers("a.py::TestIt::test_x[1]")
    assert not Known((known,), "because").covers("a.pyc::TestIts::test_xy[1]")


def test_a_run_in_which_nothing_passes_on_parsl_tells_nothing() -> None:
    broken = Outcomes({"pytest tests": "failed"}, {"pytest tests": "unrecognized arguments"})
    result = Result("2026-01-01", "it==1", "3.11", "2026.1.1", "1.0")
    result.compare(broken, broken)
    program = Program("it", "a program", pypi="it==1", run=("pytest tests",))
    assert ["nothing passes on Parsl" in problem for problem in results.problems(program, result)] == [True]
    assert page.figures([program], {"it": result})[0][1].startswith("0;")


def test_what_a_test_said_is_what_it_said_first() -> None:
    seen = Outcomes()
    for state, text in (("passed", ""), ("failed", "no such file"), ("failed", "the teardown failed, too")):
        seen.note("test", state, text)
    assert (seen.states, seen.texts) == ({"test": "failed"}, {"test": "no such file"})


def test_a_name_that_is_not_here_is_a_problem() -> None:
    result = Result(
        "2026-01-01", "it==1", "3.11", "2026.1.1", "1.0", names=["parsl.x", "parsl.y"], names_here=["parsl.x"]
    )
    assert ["parsl.y" in problem for problem in results.problems(Program("it", "", pypi="it==1"), result)] == [True]


@pytest.mark.parametrize(
    ("text", "imports", "attributes"),
    [
        ("import parsl", {"parsl"}, set()),
        ("import parsl.config as c\nc.Config", {"parsl.config"}, set()),
        ("from parsl import load, dfk", {"parsl.load", "parsl.dfk"}, set()),
        ("from parsl.app.app import *", {"parsl.app.app"}, set()),
        ("import parsl as p\np.config.Config(p.File('a').path)", {"parsl"}, {"parsl.config.Config", "parsl.File"}),
        ("import parsley\nfrom .parsl import x", set(), set()),
        ("this is not python", set(), set()),
    ],
)
def test_names(text: str, imports: set[str], attributes: set[str]) -> None:
    found = names.of(text)
    assert (found.imports, found.attributes) == (imports, attributes)


def test_names_of_notebooks(tmp_path: Path) -> None:
    cells = [["%pip install parsl\n", "import parsl\n"], ["parsl.load()"], ["!ls"], ["not python at all"]]
    book = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    (tmp_path / "a.ipynb").write_text(json.dumps(book))
    found = names.used(tmp_path)
    assert (found.imports, found.attributes) == ({"parsl"}, {"parsl.load"})


def test_a_source_can_be_given(source: Path, tmp_path: Path) -> None:
    program = Program("it", "a program", repository="https://example.invalid/it", commit="0123456789abcdef")
    assert (sources.get(program, tmp_path / "sources", source) / "works.py").is_file()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('name = "a"\nwhat = "b"', "either pypi"),
        ('name = "a"\nwhat = "b"\nrepository = "c"', "needs a commit"),
        ('name = "a"\nwhat = "b"\npypi = "a==1"\ncolour = "red"', "colour"),
        ('name = "a"\nwhat = "b"\npypi = "a==1"\nrun = ["rm -rf x"]', "begins with none of"),
    ],
)
def test_a_wrong_entry_is_explained(tmp_path: Path, entry: str, said: str) -> None:
    (tmp_path / "list.toml").write_text(f"[[program]]\n{entry}\n")
    with pytest.raises(ListError, match=said):
        listing.read(tmp_path / "list.toml")


def test_what_a_release_changes() -> None:
    before = {"parsl.a": {"f": {"parameters": ["x"]}, "g": {}}, "parsl.b": {}}
    after = {"parsl.a": {"f": {"parameters": ["x", "y"]}, "h": {}}}
    assert [line.partition(": ")[0] for line in release.differences(before, after)] == [
        "changed",
        "gone",
        "new",
        "gone",
    ]
    assert release.differences(before, before) == []


def test_the_page_is_current() -> None:
    assert page.text() == page.PAGE.read_text(), "write it again with: python -m ci.programs --page"


def test_the_readme_is_current() -> None:
    assert page.readme() == page.README.read_text(), "write it again with: python -m ci.programs --page"


def test_what_was_seen_is_of_the_programs_in_the_list() -> None:
    origins = {program.name: program.origin for program in listing.read()}
    seen = {name: result.origin for name, result in results.read().items()}
    assert seen.items() <= origins.items(), "a program has another version now: run it again"
