"""What ``parsl_on_dask.options`` says counts for the calls of one app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import bash_app, join_app, options, python_app
from parsl_on_dask.app.errors import AppTimeout
from parsl_on_dask.errors import ConfigurationError
from tests.helpers import WAIT

CONFIG = {"initialize_logging": False, "retries": 0}


@options(retries=2, retry_on=OSError, name="fetcher")
@python_app
def fetch(folder: str, kind: str) -> None:
    with open(f"{folder}/{kind}", "a") as file:
        file.write("x")
    raise (OSError if kind == "os" else ValueError)(kind)


def tries(folder: Path, kind: str) -> int:
    return len(folder.joinpath(kind).read_text())


@pytest.mark.usefixtures("kernel")
def test_only_what_is_worth_it_is_tried_again(tmp_path: Path) -> None:
    for kind, error, count in (("os", OSError, 3), ("value", ValueError, 1)):
        future = fetch(str(tmp_path), kind)
        with pytest.raises(error):
            future.result(WAIT)
        assert tries(tmp_path, kind) == count
        assert future.task_record["func_name"] == "fetcher"


@pytest.mark.usefixtures("kernel")
def test_options_around_an_app_again_count_for_some_of_its_calls(tmp_path: Path) -> None:
    once = options(retries=0)(fetch)
    assert once.options is not None and once.options.retry_on == (OSError,) and fetch.options.retries == 2  # type: ignore[union-attr]
    with pytest.raises(OSError):
        once(str(tmp_path), "os").result(WAIT)
    assert tries(tmp_path, "os") == 1


@pytest.mark.usefixtures("kernel")
def test_a_walltime_that_the_function_does_not_see() -> None:
    @options(walltime=0.2)
    @python_app
    def spin() -> None:
        while True:
            pass

    @options(walltime=0.2)
    @bash_app
    def rest() -> str:
        return "sleep 60"

    @options(walltime=0.2)
    @bash_app
    def brief(walltime: float = WAIT) -> str:
        return "sleep 0.4"

    for app, name in ((spin, "spin"), (rest, "rest")):
        with pytest.raises(AppTimeout, match=f"App {name} exceeded walltime: 0.2 seconds"):
            app().result(WAIT)
    assert brief(walltime=WAIT).result(WAIT) == 0, "what the call says counts more"


@pytest.mark.usefixtures("kernel")
def test_a_priority_and_a_limit_do_no_harm_where_they_mean_nothing() -> None:
    @options(memory=4000, priority=2)
    @python_app
    def double(x: int) -> int:
        return 2 * x

    @options(name="both")
    @join_app
    def join(x: int) -> Any:
        return double(x)

    assert double(3).result(WAIT) == 6 and join(4).result(WAIT) == 8


def test_mistakes() -> None:
    for wrong in ({"retries": -1}, {"retry_on": (3,)}, {"memory": 0}, {"name": 5}, {"priority": "high"}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            options(**wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="walltime"):
        options(walltime="soon")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="write it above @python_app"):
        options(retries=1)(len)
