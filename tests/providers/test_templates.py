"""Templates of job scripts, for providers of a script's own."""

from __future__ import annotations

import importlib
import string
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.launchers import SimpleLauncher
from parsl_on_dask.providers.cluster_provider import ClusterProvider
from parsl_on_dask.providers.errors import SchedulerMissingArgs

#: What Parsl's providers put in, besides the job's name.
VARIABLES = {
    "condor": "environment input_files job_name job_script nodes project requirements scheduler_options "
    "submit_script_dir",
    "grid_engine": "scheduler_options submit_script_dir user_script walltime worker_init",
    "lsf": "scheduler_options submit_script_dir user_script walltime worker_init",
    "pbspro": "job_stderr_path job_stdout_path ncpus nodes_per_block scheduler_options select_options user_script "
    "walltime worker_init",
    "slurm": "job_stderr_path job_stdout_path nodes scheduler_options tasks_per_node user_script walltime worker_init",
    "torque": "nodes_per_block scheduler_options submit_script_dir tasks_per_node user_script walltime worker_init",
}


class OwnProvider(ClusterProvider):
    status_polling_interval = 1

    def __init__(self) -> None:
        super().__init__("own", 1, 1, 0, 1, 1, "00:10:00", SimpleLauncher())

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl") -> str:
        raise NotImplementedError

    def cancel(self, job_ids: Any) -> Any:
        raise NotImplementedError

    def _status(self) -> None:
        raise NotImplementedError


def template_of(system: str) -> str:
    text: str = importlib.import_module(f"parsl_on_dask.providers.{system}.template").template_string
    return text


@pytest.mark.parametrize("system", VARIABLES)
def test_a_provider_of_a_scripts_own_can_fill_it_in(system: str, tmp_path: Path) -> None:
    names = VARIABLES[system].split()
    script = tmp_path / "job.sh"
    OwnProvider()._write_submit_script(template_of(system), str(script), "the-job", {n: f"<{n}>" for n in names})
    text = script.read_text()
    assert [name for name in names if f"<{name}>" not in text] == []
    assert "$" not in text.replace("$ -", "").replace("$(", "") and (system == "condor" or "the-job" in text)


def test_what_is_not_given_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchedulerMissingArgs, match="walltime"):
        names = dict.fromkeys(set(VARIABLES["slurm"].split()) - {"walltime"}, "")
        OwnProvider()._write_submit_script(template_of("slurm"), str(tmp_path / "job.sh"), "job", names)


@pytest.mark.parametrize("system", VARIABLES)
def test_it_names_nothing_else(system: str) -> None:
    found = {m["named"] or m["braced"] for m in string.Template.pattern.finditer(template_of(system))} - {None}
    assert found <= {*VARIABLES[system].split(), "jobname"}
