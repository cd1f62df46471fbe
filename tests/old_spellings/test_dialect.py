"""Defaults of earlier releases, for scripts that say which they were written for."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.channels import LocalChannel
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import (
    DaskExecutor,
    HighThroughputExecutor,
    ThreadPoolExecutor,
    WorkQueueExecutor,
)
from parsl_on_dask.monitoring import MonitoringHub
from parsl_on_dask.old_spellings import dialect
from parsl_on_dask.providers import LocalProvider
from tests.front_door.programs import FRONT, forked, write

MAKES: dict[str, Any] = {
    "HighThroughputExecutor": HighThroughputExecutor,
    "LocalProvider": LocalProvider,
    "MonitoringHub": MonitoringHub,
    "ThreadPoolExecutor": ThreadPoolExecutor,
    "WorkQueueExecutor": WorkQueueExecutor,
}
ROWS = [
    (owner, argument, was)
    for owner, rows in dialect.OLD_DEFAULTS.items()
    for argument, all_ in rows.items()
    for was in all_
]


@pytest.fixture
def speaks(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda release: monkeypatch.setenv(dialect.VARIABLE, release)


@pytest.mark.parametrize(
    ("release", "make", "argument", "value"),
    [
        ("2026.1.12", HighThroughputExecutor, "encrypted", False),
        ("2024.12.30", HighThroughputExecutor, "encrypted", False),
        ("2026.1.19", HighThroughputExecutor, "encrypted", True),
        ("1.0.0", LocalProvider, "init_blocks", 4),
        ("1.0.0", LocalProvider, "max_blocks", 10),
        ("1.1.0", LocalProvider, "init_blocks", 1),
        ("1.1.0", LocalProvider, "max_blocks", 1),
        ("1.0.0", MonitoringHub, "logging_endpoint", "sqlite:///monitoring.db"),
        ("1.2.0", MonitoringHub, "logging_endpoint", "sqlite:///monitoring.db"),
        ("2022.10.10", MonitoringHub, "logging_endpoint", "sqlite:///runinfo/monitoring.db"),
        ("2024.2.19", MonitoringHub, "logging_endpoint", "sqlite:///runinfo/monitoring.db"),
        ("2024.2.26", MonitoringHub, "logging_endpoint", None),
        ("2025.11.3", ThreadPoolExecutor, "thread_name_prefix", ""),
        ("2025.11.10", ThreadPoolExecutor, "thread_name_prefix", "ThreadPoolExecutor-threads"),
        ("1.0.0", WorkQueueExecutor, "autocategory", False),
        ("1.1.0", WorkQueueExecutor, "autocategory", True),
    ],
)
def test_a_default_is_that_of_the_release(speaks: Any, release: str, make: Any, argument: str, value: Any) -> None:
    speaks(release)
    assert getattr(make(), argument) == value


@pytest.mark.parametrize(("owner", "argument", "was"), ROWS)
def test_what_a_script_says_itself_counts(speaks: Any, owner: str, argument: str, was: dialect.Was) -> None:
    today = inspect.signature(MAKES[owner]).parameters[argument].default
    speaks("1.0.0")
    said = {"logging_endpoint": "sqlite:///mine.db", "thread_name_prefix": "mine"}.get(argument, today)
    assert said != was.default
    assert getattr(MAKES[owner](**{argument: said}), argument) == said


@pytest.mark.parametrize("release", [None, "", "newest", "2026.10.26"])
@pytest.mark.parametrize(("owner", "argument", "was"), ROWS)
def test_without_a_dialect_they_are_todays(
    speaks: Any, monkeypatch: pytest.MonkeyPatch, release: str | None, owner: str, argument: str, was: dialect.Was
) -> None:
    if release is None:
        monkeypatch.delenv(dialect.VARIABLE, raising=False)
    else:
        speaks(release)
    assert getattr(MAKES[owner](), argument) != was.default


def test_by_position_beside_an_old_channel(speaks: Any) -> None:
    speaks("1.0.0")
    provider = LocalProvider(LocalChannel(), 1, None, 2)
    assert (provider.init_blocks, provider.max_blocks) == (2, 10)


def test_no_limit_is_infinite_by_its_old_name() -> None:
    assert min(HighThroughputExecutor().max_workers, 3) == 3
    assert HighThroughputExecutor(max_workers_per_node=2).max_workers == 2


def test_subclasses_and_what_is_no_executor_of_parsl(speaks: Any) -> None:
    class Mine(HighThroughputExecutor):
        def __init__(self) -> None:
            super().__init__("mine")

    speaks("2024.12.30")
    assert not Mine().encrypted
    assert DaskExecutor(hosts=["localhost"]).encrypted and WorkQueueExecutor().encrypted


def test_signature_and_repr_stay(speaks: Any) -> None:
    assert inspect.signature(HighThroughputExecutor).parameters["encrypted"].default is True
    speaks("2024.12.30")
    assert "encrypted=False" in repr(HighThroughputExecutor())
    with pytest.raises(TypeError, match="colour"):
        HighThroughputExecutor(colour="blue")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "text", ["2024", "2024.12", "2024.13.1", "2024.2.30", "2021.5.1", "2026.10.27", "2.0.0", "1.3.0", "v1.0.0", "new"]
)
def test_what_names_no_release(speaks: Any, text: str) -> None:
    speaks(text)
    for make in (ThreadPoolExecutor, parsl.Config):
        with pytest.raises(ConfigurationError) as caught:
            make()
        said = str(caught.value)
        assert all(w in said for w in (repr(text), dialect.VARIABLE, "1.2.0", "2022.10.10", "2026.10.26", "newest")), (
            said
        )


SCRIPT = """
    import os, sys
    import parsl
    from parsl.executors import HighThroughputExecutor

    print(HighThroughputExecutor().encrypted, os.environ.get("PARSL_ON_DASK_DIALECT"))
    """


def test_on_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, "program.py", SCRIPT)
    assert forked(tmp_path, *FRONT, "program.py").stdout.split() == ["True", "None"]
    done = forked(tmp_path, *FRONT, "--dialect", "2024.12.30", "program.py")
    assert done.stdout.split() == ["False", "2024.12.30"], done.stderr
    before = {dialect.VARIABLE: "1.0.0"}
    assert forked(tmp_path, *FRONT, "--dialect=newest", "program.py", env=before).stdout.split()[0] == "True"
    assert forked(tmp_path, *FRONT, "program.py", env=before).stdout.split()[0] == "False"


def test_a_wrong_one_on_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, "program.py", "print('ran')")
    for done in (
        forked(tmp_path, *FRONT, "--dialect", "2024", "program.py"),
        forked(tmp_path, *FRONT, "program.py", env={dialect.VARIABLE: "2024"}),
    ):
        assert done.returncode == 2 and "2022.10.10 to 2026.10.26" in done.stderr and "ran" not in done.stdout
        assert "Traceback" not in done.stderr


def test_check_says_which_defaults_hold(tmp_path: Path) -> None:
    write(
        tmp_path,
        "c.py",
        "from parsl.config import Config\nfrom parsl.executors import HighThroughputExecutor\n"
        "config = Config(executors=[HighThroughputExecutor()])",
    )
    done = forked(tmp_path, *FRONT, "--dialect", "2024.12.30", "check", "c.py")
    assert "connections: not encrypted" in done.stdout
    assert "Defaults: those of Parsl 2024.12.30" in done.stdout


def test_processes_run_with_the_defaults_of_1_0(tmp_path: Path) -> None:
    """Four blocks of one worker, without encryption, from a script that says nothing of it."""
    write(
        tmp_path,
        "program.py",
        """
        import parsl
        from parsl.config import Config
        from parsl.executors import HighThroughputExecutor

        parsl.load(Config(executors=[HighThroughputExecutor(max_workers=1)]))
        kernel = parsl.dfk()
        [executor] = [e for e in kernel.executors.values() if e.label == "HighThroughputExecutor"]
        print(parsl.python_app(pow)(2, 5).result(), len(executor.status()))
        print(executor.lane.client.scheduler.address.partition(":")[0])
        """,
    )
    done = forked(tmp_path, *FRONT, "--dialect", "1.0.0", "program.py")
    assert done.stdout.split() == ["32", "4", "tcp"], done.stderr


def test_every_row_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text()
    section = page.partition("## Old defaults")[2].partition("\n## ")[0]
    for owner, argument, was in ROWS:
        line = next(x for x in section.splitlines() if f"`{owner}({argument}=)`" in x and was.before in x)
        assert re.search(f"`{re.escape(repr(was.default))}`".replace("'", "[\"']"), line), line
