"""The table of jobqueue.yaml's settings: it is current, and what it says of each setting is so."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import dask
import pytest

from ci.coverage import jobqueue as page
from parsl_on_dask.clusters.blockspec import node_spec
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import DaskExecutor
from parsl_on_dask.old_spellings.legacy import forget_warnings
from parsl_on_dask.providers.site import WITHOUT_EFFECT, shipped

#: a value for each setting that is not the one that holds without it
VALUES: dict[str, Any] = {
    "cores": 3,
    "memory": "3GB",
    "processes": 2,
    "death-timeout": 7,
    "extra": ["--resources GPU=1"],
    "worker-extra-args": ["--resources GPU=1"],
    "env-extra": ["module load python"],
    "job-script-prologue": ["module load python"],
    "job-extra": ["--one"],
    "job-extra-directives": ["--one"],
    "htcondor.job-extra": {"+One": "1"},
    "htcondor.job-extra-directives": {"+One": "1"},
    "job-cpu": 4,
    "ncpus": 4,
    "mem": 4000000000,
    "job-mem": "4G",
    "walltime": "03:00",
    "lsf-units": "gb",
    "use-stdin": False,
    "disk": "2GB",
    "submit-command-extra": ["-verbose"],
    "cancel-command-extra": ["-fast"],
    "scheduler-options": {"port": 1},
    "job-directives-skip": ["-l", "-M", "--mem", "Request"],
}
SETTINGS = [(section, key) for section, keys in shipped().items() for key in keys if section not in page.NOT_READ]


def all_that_comes_of_it(section: str, settings: dict[str, Any]) -> Any:
    """Everything that a job and its nodes are told, and how the job is submitted and cancelled."""
    needed: dict[str, Any] = {"cores": 2, "memory": "2GB"}
    if "processes" in settings:
        needed["worker-extra-args"] = ["--resources X=1"]
    with dask.config.set(jobqueue={section: {**needed, **settings}}):
        executor = DaskExecutor(jobqueue=section)
        provider: Any = executor.provider
        site = provider.site
    executor.run_dir = "/nowhere"
    spec = node_spec(executor, "0", [], None, "", True)
    job = provider._job("name", "work", 1)
    started = job.start_command("/path"), provider._cancel_command(["1"])
    name = provider._new_name("parsl.dask.block-0").rpartition(".block")[0]
    site = provider.site
    return (
        provider.script("work", 1, "name"),
        started,
        spec,
        name,
        (site.python, site.interface),
        executor.workers_per_node,
    )


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    forget_warnings()


def test_the_page_is_current() -> None:
    assert page.page(page.PAGE.read_text()) == page.PAGE.read_text(), "write it with: python -m ci.coverage.jobqueue"


def test_it_tells_of_every_setting() -> None:
    lines = page.table().splitlines()
    for section, keys in shipped().items():
        for key in keys:
            told = f"| `{section}` |" if section in page.NOT_READ else f"| `{key}` |"
            assert any(told in line for line in lines), (section, key)


@pytest.mark.parametrize(("section", "key"), SETTINGS)
def test_each_does_what_it_says(section: str, key: str, caplog: pytest.LogCaptureFixture) -> None:
    value = VALUES.get(f"{section}.{key}", VALUES.get(key, "something"))
    before = all_that_comes_of_it(section, {"processes": 1} if key == "processes" else {})
    caplog.clear()
    with caplog.at_level(logging.WARNING, "parsl.providers.site"):
        after = all_that_comes_of_it(section, {key: value})
    if "no effect" in page.meaning(section, key).partition(";")[0]:
        assert after == before
        assert [record.message for record in caplog.records] == [
            f"jobqueue.{section}.{key} has no effect here: {WITHOUT_EFFECT[key]}"
        ]
    else:
        assert after != before


@pytest.mark.parametrize("section", page.NOT_READ)
def test_sections_that_are_not_read(section: str) -> None:
    with pytest.raises(ConfigurationError, match="no such batch system"):
        DaskExecutor(jobqueue=section)
