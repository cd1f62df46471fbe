"""What providers leave out comes from the site's jobqueue settings."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap

import dask
import pytest

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.launchers import SimpleLauncher
from parsl_on_dask.legacy import forget_warnings
from parsl_on_dask.providers import (
    CondorProvider,
    GridEngineProvider,
    LSFProvider,
    PBSProProvider,
    SlurmProvider,
    TorqueProvider,
)
from parsl_on_dask.providers.site import shipped

SIMPLE = SimpleLauncher()


def site(system, **settings):
    return dask.config.set({f"jobqueue.{system}": {k.replace("_", "-"): v for k, v in settings.items()}})


def test_all_of_it_for_slurm():
    settings = {
        "queue": "gpu",
        "account": "bio",
        "walltime": "1-00:00:00",
        "cores": 24,
        "memory": "48GiB",
        "processes": 4,
        "interface": "ib0",
        "python": "/opt/python",
        "local_directory": "$TMPDIR",
        "death_timeout": "2 minutes",
        "shebang": "#!/usr/bin/bash",
        "job_script_prologue": ["module load python"],
        "job_extra_directives": ["--nice=3"],
        "job_directives_skip": ["--ntasks-per-node"],
    }
    with site("slurm", **settings):
        provider = SlurmProvider(launcher=SIMPLE, worker_init="export X=1", scheduler_options="#SBATCH --comment=x")
        text = provider.script("work", 1, "name")
    apart = ("trap", "#SBATCH --output", "#SBATCH --error")
    lines = [line for line in text.splitlines() if line and not line.startswith(apart)]
    assert lines == [
        "#!/usr/bin/bash",
        "#SBATCH --job-name=name",
        "#SBATCH --nodes=1",
        "#SBATCH --time=1-00:00:00",
        "#SBATCH --partition=gpu",
        "#SBATCH --account=bio",
        "#SBATCH --mem=48G",
        "#SBATCH --cpus-per-task=24",
        "#SBATCH --nice=3",
        "#SBATCH --comment=x",
        "#SBATCH --exclusive",
        "module load python",
        "export X=1",
        "export PARSL_MEMORY_GB=48",
        "export PARSL_CORES=24",
        "export JOBNAME=name",
        "work",
    ]
    found = provider.site
    assert (found.python, found.interface, found.local_directory) == ("/opt/python", "ib0", "$TMPDIR")
    assert (found.death_timeout, found.cores, found.memory_gb, found.processes) == (120.0, 24, 48.0, 4)
    assert (provider.walltime, provider.walltime_seconds) == ("24:00:00", 86400)


def test_arguments_win():
    with site("slurm", queue="gpu", account="bio", walltime="02:00:00", cores=24, memory="48GiB"):
        provider = SlurmProvider(
            "cpu", account="phys", walltime="00:10:00", cores_per_node=2, mem_per_node=1, launcher=SIMPLE
        )
        text = provider.script()
        assert provider.walltime == "00:10:00"
    for line in ("--partition=cpu", "--account=phys", "--time=10", "--cpus-per-task=2", "--mem=1g"):
        assert f"#SBATCH {line}\n" in text
    assert "gpu" not in text
    assert "bio" not in text


def test_without_a_site_all_is_as_in_parsl():
    expected = SlurmProvider().script()
    with dask.config.set(jobqueue={name: dict(section) for name, section in shipped().items()}):
        provider = SlurmProvider()
        assert provider.script() == expected
        assert provider.walltime == "00:10:00"


def test_a_section_of_its_own_may_leave_things_out():
    with dask.config.set({"jobqueue.perlmutter": {"queue": "regular", "walltime": "00:30:00"}}):
        provider = SlurmProvider(config_name="perlmutter")
        assert "#SBATCH --partition=regular\n" in provider.script()
        assert provider.walltime == "00:30:00"  # which dask-jobqueue ships, but here somebody wrote it
        assert dask.config.get("jobqueue.perlmutter") == {"queue": "regular", "walltime": "00:30:00"}


def test_a_section_that_is_not_there():
    provider = SlurmProvider(config_name="perlmuter")
    with (
        dask.config.set({"jobqueue.perlmutter": {"queue": "regular"}}),
        pytest.raises(ConfigurationError, match=r"no section jobqueue.perlmuter.*There are: .*perlmutter"),
    ):
        provider.script()


def test_old_names_of_settings():
    old = {"env_extra": ["export OLD=1"], "job_extra": ["--nice=4"], "header_skip": ["--mem"]}
    with site("slurm", **old, memory="1GB"):
        text = SlurmProvider(launcher=SIMPLE).script()
    assert "export OLD=1\n" in text
    assert "#SBATCH --nice=4\n" in text
    assert "--mem" not in text


@pytest.mark.parametrize(
    ("skip", "gone"),
    [
        (["-t"], "--time"),
        (["-p"], "--partition"),
        (["-n 1"], "--ntasks-per-node"),
        (["--mem"], "--mem"),
        (["--cpus-per-task=24"], "--cpus-per-task"),
    ],
    ids=str,
)
def test_skipped_directives_in_dask_jobqueues_spelling(skip, gone):
    with site("slurm", queue="q", cores=24, memory="1GB"):
        every = SlurmProvider().script().splitlines()
    with site("slurm", queue="q", cores=24, memory="1GB", job_directives_skip=skip):
        left = SlurmProvider().script().splitlines()
    missing = [line for line in every if line not in left]
    assert len(missing) == 1
    assert missing[0].startswith(f"#SBATCH {gone}")


def test_what_is_asked_for_beside_what_workers_have():
    with site("slurm", cores=4, memory="4GiB", job_cpu=8, job_mem="16G"):
        text = SlurmProvider().script()
    for line in ("#SBATCH --cpus-per-task=8", "#SBATCH --mem=16G", "export PARSL_CORES=4", "export PARSL_MEMORY_GB=4"):
        assert f"{line}\n" in text


@pytest.mark.parametrize(
    ("settings", "nodes", "expected"),
    [
        ({"resource_spec": "select=1:ncpus=24:mem=100GB"}, 1, "select=1:ncpus=24:mem=100GB"),
        ({"resource_spec": "select=1:ncpus=24:mem=100GB"}, 3, "select=3:ncpus=24:mem=100GB"),
        ({"cores": 24, "memory": "100GB"}, 2, "select=2:ncpus=24:mem=94GB"),
        ({"cores": 24}, 2, "select=2:ncpus=24"),
    ],
    ids=str,
)
def test_what_pbs_is_asked_for(settings, nodes, expected):
    with site("pbs", queue="q", account="bio", walltime="02:00:00", **settings):
        text = PBSProProvider(nodes_per_block=nodes).script()
        own = PBSProProvider(nodes_per_block=nodes, cpus_per_node=2).script()
    assert f"#PBS -l {expected}\n" in text
    assert "#PBS -q q\n#PBS -A bio\n" in text
    assert "#PBS -l walltime=02:00:00\n" in text
    assert ("export PARSL_CORES=24" in text) is ("cores" in settings)
    assert f"#PBS -l select={nodes}:ncpus=2\n" in own


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"resource_spec": "nodes=1:ppn=24,mem=100gb"}, "nodes=2:ppn=24,mem=100gb"),
        ({"cores": 24, "memory": "8GiB"}, "nodes=2:ppn=24,mem=16gb"),
        ({"queue": "q"}, "nodes=2:ppn=1"),
    ],
    ids=str,
)
def test_what_torque_is_asked_for(settings, expected):
    with site("pbs", **settings):
        assert f"#PBS -l {expected}\n" in TorqueProvider(nodes_per_block=2).script()


def test_lsf():
    with site("lsf", queue="q", project="bio", walltime="02:00", cores=8, memory="2GiB", lsf_units="mb"):
        text = LSFProvider(nodes_per_block=2).script()
        by_nodes = LSFProvider(nodes_per_block=2, request_by_nodes=True)
        assert by_nodes.walltime == "02:00:00"
        assert "#BSUB -nnodes 2\n" in by_nodes.script()
        assert "-n 16" not in by_nodes.script()
    for line in ("-W 02:00", "-q q", "-P bio", "-n 16", '-R "span[ptile=8]"', "-M 2148"):
        assert f"#BSUB {line}\n" in text
    assert "nnodes" not in text
    assert "export PARSL_CORES=8\n" in text


def test_grid_engine():
    with site("sge", queue="q", project="bio", resource_spec="m_mem_free=8G", cores=4):
        text = GridEngineProvider().script()
        own = GridEngineProvider(queue="mine").script()
    for line in ("-q q", "-P bio", "-l m_mem_free=8G"):
        assert f"#$ {line}\n" in text
    assert "export PARSL_CORES=4\n" in text
    assert "-q q" not in own


def test_condor():
    settings = {"cores": 4, "memory": "2GiB", "disk": "1GiB", "job_extra_directives": {"+Flavour": '"x"'}}
    with site("htcondor", **settings, submit_command_extra=["-verbose"], job_directives_skip=["Stream_"]):
        provider = CondorProvider()
        lines = provider.script().splitlines()
        start = provider._job("name", "true", 1).start_command("/path")
    for line in ("RequestCpus = 4", "RequestMemory = 2048", "RequestDisk = 1048576", '+Flavour = "x"'):
        assert line in lines
    assert not any(line.startswith("stream_") for line in lines)
    assert start == "condor_submit -verbose /path"


def test_output_goes_where_the_site_wants_it(tmp_path):
    with site("slurm", log_directory=str(tmp_path / "logs")):
        assert f"#SBATCH --output={tmp_path}/logs/name.stdout\n" in SlurmProvider().script("true", 1, "name")
    assert (tmp_path / "logs").is_dir()


def test_settings_given_with_the_provider():
    with site("slurm", queue="gpu", cores=24):
        provider = SlurmProvider(jobqueue={"queue": "cpu", "job_extra_directives": ["--nice=1"]})
        text = provider.script()
    assert "#SBATCH --partition=cpu\n" in text
    assert "#SBATCH --nice=1\n" in text
    assert provider.site.cores == 24


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"queu": "x"}, "Did you mean queue"), ({"quota": "x"}, "There are: .*walltime")],
    ids=str,
)
def test_settings_that_do_not_exist(settings, text):
    with pytest.raises(ConfigurationError, match=text):
        SlurmProvider(jobqueue=settings)


@pytest.mark.parametrize("settings", [{"cores": "many"}, {"memory": "much"}, {"job_mem": "much"}], ids=str)
def test_settings_that_cannot_be_read(settings):
    with site("slurm", **settings), pytest.raises(ConfigurationError, match="cannot be used"):
        SlurmProvider().script()


def test_settings_without_effect_are_reported(caplog):
    forget_warnings()
    with site("slurm", worker_command="dask_cuda.cli"), caplog.at_level(logging.WARNING, "parsl"):
        SlurmProvider().script()
        SlurmProvider().script()
    assert caplog.text.count("worker-command has no effect") == 1


def test_the_file_is_read(tmp_path):
    """And neither making nor showing a provider imports what is slow."""
    (tmp_path / "jobqueue.yaml").write_text("jobqueue:\n  slurm:\n    queue: from-the-file\n")
    program = """
        import sys
        from parsl_on_dask.providers import SlurmProvider
        provider = SlurmProvider(walltime="00:10:00")
        repr(provider)
        assert not {"dask", "distributed", "dask_jobqueue"} & set(sys.modules), "slow"
        print(provider.script())
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"DASK_CONFIG": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "#SBATCH --partition=from-the-file\n" in done.stdout
