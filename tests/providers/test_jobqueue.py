"""Providers from dask-jobqueue's settings."""

from __future__ import annotations

import dask
import pytest

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.launchers import SimpleLauncher, SingleNodeLauncher, SrunLauncher
from parsl_on_dask.providers import (
    CondorProvider,
    GridEngineProvider,
    LSFProvider,
    PBSProProvider,
    SlurmProvider,
    TorqueProvider,
)
from parsl_on_dask.providers.jobqueue import JobQueueProvider, provider_from_jobqueue

NODE = {"cores": 8, "memory": "16GiB"}


@pytest.mark.parametrize(
    ("system", "provider"),
    [
        ("slurm", SlurmProvider),
        ("SLURM", SlurmProvider),
        ("pbs", PBSProProvider),
        ("torque", TorqueProvider),
        ("lsf", LSFProvider),
        ("sge", GridEngineProvider),
        ("htcondor", CondorProvider),
        ("oar", JobQueueProvider),
        ("moab", JobQueueProvider),
    ],
)
def test_systems(system, provider):
    assert type(provider_from_jobqueue(system, **NODE)) is provider


def test_theirs_and_ours_together():
    provider = provider_from_jobqueue(
        "slurm",
        queue="gpu",
        **NODE,
        walltime="2-00:00:00",
        job_extra_directives=["--nice=1"],
        job_script_prologue=["module load python"],
        python="/opt/python",
        nodes_per_block=2,
        max_blocks=4,
        qos="fast",
        launcher=SrunLauncher(),
    )
    text = provider.script()
    for line in ("--partition=gpu", "--nodes=2", "--time=2-00:00:00", "--nice=1", "--qos=fast", "--cpus-per-task=8"):
        assert f"#SBATCH {line}\n" in text
    assert "exclusive" not in text  # nor would dask-jobqueue ask for it
    assert "module load python\n" in text
    assert provider.site.python == "/opt/python"
    assert (provider.max_blocks, provider.walltime) == (4, "48:00:00")


def test_a_named_section_and_what_wins_over_it():
    with dask.config.set({"jobqueue.perlmutter": {"queue": "regular", "cores": 128, "exclusive": True}}):
        provider = provider_from_jobqueue("slurm", "perlmutter", queue="debug")
        assert provider.site.queue == "debug"
        assert provider.site.cores == 128


def test_the_form_of_the_request_tells_torque():
    assert type(provider_from_jobqueue("pbs", resource_spec="nodes=1:ppn=4")) is TorqueProvider
    assert type(provider_from_jobqueue("pbspro", resource_spec="nodes=1:ppn=4")) is PBSProProvider
    assert isinstance(provider_from_jobqueue("torque").launcher, SingleNodeLauncher)


def test_lsf_reads_from_stdin_unless_told():
    assert provider_from_jobqueue("lsf").bsub_redirection
    assert not provider_from_jobqueue("lsf", use_stdin=False).bsub_redirection
    assert not provider_from_jobqueue("lsf", bsub_redirection=False).bsub_redirection


def test_oar():
    provider = provider_from_jobqueue(
        "oar",
        **NODE,
        queue="q",
        project="bio",
        walltime="01:00:00",
        resource_spec="/nodes=2",
        memory_per_core_property_name="memcore",
        job_extra_directives=["-t besteffort"],
        launcher=SimpleLauncher(),
        worker_init="module load python",
    )
    provider.script_dir = "/scratch"
    assert [line for line in provider.script("work", 1, "name").splitlines() if line and "trap" not in line] == [
        "#!/usr/bin/env bash",
        "#OAR -n name",
        "#OAR -q q",
        "#OAR --project bio",
        "#OAR -l /nodes=2,walltime=01:00:00",
        "#OAR -t besteffort",
        "#OAR -p memcore>=2048",
        "#OAR -O /scratch/name.submit.stdout",
        "#OAR -E /scratch/name.submit.stderr",
        "module load python",
        "export PARSL_MEMORY_GB=16",
        "export PARSL_CORES=8",
        "export JOBNAME=name",
        "work",
    ]
    assert provider.walltime_seconds == 3600


def test_moab():
    provider = provider_from_jobqueue("moab", **NODE, queue="q", walltime="01:00:00", launcher=SimpleLauncher())
    assert [line for line in provider.script("work", 1, "name").splitlines() if line.startswith("#PBS")][:4] == [
        "#PBS -N name",
        "#PBS -q q",
        "#PBS -l select=1:ncpus=8:mem=16GB",
        "#PBS -l walltime=01:00:00",
    ]


def test_a_node_must_be_described_where_dask_jobqueue_wants_it():
    with pytest.raises(ConfigurationError, match=r"cores.*memory.*jobqueue.moab"):
        provider_from_jobqueue("moab", cores=8).script()


@pytest.mark.parametrize(
    ("system", "settings", "text"),
    [
        ("slrm", {}, "Did you mean 'slurm'.*There are:.*'moab'"),
        ("kubernetes", {}, "no such batch system"),
        (None, {}, "no such batch system"),
        ("slurm", {"queu": "x"}, "no setting 'queu'. Did you mean queue"),
        ("sge", {"partition": "x"}, "no setting 'partition'.*resource_spec"),
        ("slurm", {"max_blocks": -1}, "max_blocks"),
        ("oar", {"system": "oar"}, "system"),
    ],
)
def test_what_does_not_exist(system, settings, text):
    with pytest.raises((ConfigurationError, TypeError), match=text):
        provider_from_jobqueue(system, **settings)


def test_only_systems_without_a_provider():
    with pytest.raises(ConfigurationError, match="'oar', 'moab'"):
        JobQueueProvider("slurm")
