"""``ci/conformance``: what it says about a small suite that has one of everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parents[2] / "ci" / "conformance"
pytestmark = pytest.mark.skipif(not HERE.is_dir(), reason="ci/conformance is in the repository, and not in this copy")

CONFTEST = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--config", nargs=1)

def pytest_ignore_collect(path):
    return "manual_tests" in path.strpath
"""
TESTS = {
    "test_one.py": """
        import os, signal, time
        import pytest

        def test_passes():
            import parsl, parsl.config, parsl_on_dask.config
            assert parsl.__name__ == "parsl_on_dask" and parsl.config is parsl_on_dask.config

        def test_fails():
            assert 1 == 2, "one is not two"

        def test_ends_the_process():
            os._exit(3)

        def test_stands_still():
            time.sleep(1000)

        def test_is_skipped():
            pytest.skip("not today")

        @pytest.mark.parametrize("n", [1, 2])
        def test_after_all_that(n):
            pass
        """,
    "test_two.py": """
        def test_leaves_a_kernel():
            import parsl
            parsl.load(parsl.Config(executors=[parsl.ThreadPoolExecutor()]))

        def test_finds_none():
            import parsl
            with parsl.load(parsl.Config(executors=[parsl.ThreadPoolExecutor()])):
                pass
        """,
    "test_three.py": "import no_such_module_anywhere",
    "manual_tests/test_by_hand.py": "raise AssertionError('this is never imported')",
}
ONE, TWO, THREE = (f"parsl/tests/test_{name}.py" for name in ("one", "two", "three"))
PASSING = [f"{ONE}::test_{name}" for name in ("passes", "after_all_that[1]", "after_all_that[2]")]
PASSING += [f"{TWO}::test_leaves_a_kernel", f"{TWO}::test_finds_none"]
FAILING = [f"{ONE}::test_{name}" for name in ("fails", "ends_the_process", "stands_still")] + [f"{THREE}::test_gone"]


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Path]:
    tests = tmp_path / "installed" / "parsl" / "tests"
    (tests / "manual_tests").mkdir(parents=True)
    (tests / "__init__.py").touch()
    (tests / "conftest.py").write_text(CONFTEST)
    for name, text in TESTS.items():
        (tests / name).write_text(textwrap.dedent(text))
    yield tmp_path / "installed"


def conformance(suite: Path, baseline: dict[str, list[str]], expected: list[dict[str, Any]], *words: str) -> Any:
    data = suite.parent / "data"
    data.mkdir(exist_ok=True)
    (data / "baseline.json").write_text(json.dumps({"parsl": "0", "local": baseline}))
    (data / "expected_failures.json").write_text(json.dumps(expected))
    root = str(HERE.parents[1])
    path = os.pathsep.join([str(HERE), root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "conform", "--tests-from", str(suite), "--data", str(data), "--config", "local"]
    return subprocess.run(
        [*command, "--jobs", "1", "--limit", "20", *words],
        env={**os.environ, "PYTHONPATH": path},
        cwd=suite.parent,
        capture_output=True,
        text=True,
        timeout=110,
    )


def test_what_fails_as_expected(suite: Path) -> None:
    baseline = {"passed": PASSING + FAILING, "skipped": [f"{ONE}::test_is_skipped"]}
    done = conformance(suite, baseline, [{"reason": "of the toy", "tests": FAILING}])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "local    5 passed, 4 expected failures, 1 skipped" in done.stdout
    assert f"pytest died with status 3 in {ONE}::test_ends_the_process" in done.stdout


def test_everything_that_is_not_as_it_should_be(suite: Path) -> None:
    leave_out = {"reason": "takes long", "tests": [f"{ONE}::test_stands_still"], "run": False}
    expected = [leave_out, {"reason": "of old", "tests": [f"{ONE}::test_passes", f"{ONE}::test_of_old"]}]
    baseline = {"passed": PASSING + FAILING + [f"{ONE}::test_is_skipped", f"{TWO}::test_lost"]}
    done = conformance(suite, baseline, expected)
    assert done.returncode == 1
    for line in (
        f"{ONE}::test_passes: passes, but is expected to fail: of old",
        f"{ONE}::test_fails: fails",
        "one is not two",
        f"{ONE}::test_ends_the_process: fails",
        f"{ONE}::test_is_skipped: is skipped, but Parsl passes it",
        f"{TWO}::test_lost: fails\n    no test of this name was found",
        f"{THREE}::test_gone: fails",
        "No module named 'no_such_module_anywhere'",
        f"names {ONE}::test_of_old, which is no test of Parsl",
    ):
        assert line in done.stdout, line
    assert "local    5 passed, 1 expected failures, 6 not as they should be" in done.stdout


def test_one_test_alone(suite: Path) -> None:
    done = conformance(suite, {"passed": PASSING}, [], "--only", f"{ONE}::test_after_all_that")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "local    2 passed\n" in done.stdout


def test_no_suite(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = conformance(tmp_path / "empty", {}, [])
    assert done.returncode == 2
    assert "no tests of Parsl in" in done.stderr and "Traceback" not in done.stderr
