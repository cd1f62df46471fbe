"""What providers leave out comes from the site's jobqueue settings."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap

import dask
import pytest

from parsl_on_dask.clusters.blockspec import node_spec
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import DaskExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.launchers import SimpleLauncher
from parsl_on_dask.old_spellings.legacy import forget_warnings
from parsl_on_dask.providers import (
    CondorProvider,
    GridEngineProvider,
    LSFProvider,
    PBSProProvider,
    SlurmProvider,
    TorqueProvider,
)
from parsl_on_dask.providers.jobqueue import provider_from_jobqueue
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


@pytest.mark.parametrize("imported", [False, True], ids=["", "with dask-jobqueue's defaults there"])
def test_a_walltime_in_the_file_counts_although_it_is_a_default(tmp_path, monkeypatch, imported):
    (tmp_path / "jobqueue.yaml").write_text("jobqueue:\n  slurm:\n    walltime: '00:30:00'\n    queue: null\n")
    monkeypatch.setattr(dask.config, "paths", [str(tmp_path)])
    written = dask.config.collect([str(tmp_path)])["jobqueue"]["slurm"]
    with dask.config.set(jobqueue={"slurm": {**(shipped()["slurm"] if imported else {}), **written}}):
        provider = SlurmProvider()
        assert (provider.walltime, provider.walltime_seconds) == ("00:30:00", 1800)
        assert "#SBATCH --time=00:30:00\n" in provider.script()
        assert provider.site.name is None and provider.site.shebang is None  # which nobody wrote


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("system", ["slurm", "pbs", "lsf", "sge", "oar", "moab"])
def test_jobs_by_settings_of_dask_have_its_defaults(system, by_name):
    name = "mine" if by_name else system
    with dask.config.set({f"jobqueue.{name}": {"cores": 1, "memory": "1GB"}}):
        provider = provider_from_jobqueue(system, name)
        assert provider.walltime_seconds == 1800
        assert provider.script().startswith("#!/usr/bin/env bash\n")


@pytest.mark.parametrize(
    ("system", "walltime", "seconds", "line"),
    [
        ("sge", "1500000", 1500000, "#$ -l h_rt=1500000"),
        ("sge", 86400, 86400, "#$ -l h_rt=86400"),
        ("pbs", "7200", 7200, "#PBS -l walltime=7200"),
        ("pbs", "02:00", 120, "#PBS -l walltime=02:00"),
        ("torque", "600", 600, "#PBS -l walltime=600"),
        ("moab", "3600", 3600, "#PBS -l walltime=3600"),
        ("lsf", "120", 7200, "#BSUB -W 120"),
        ("lsf", "02:00", 7200, "#BSUB -W 02:00"),
        ("lsf", "02:00:00", 7200, "#BSUB -W 120"),
        ("slurm", "120", 7200, "#SBATCH --time=120"),
        ("slurm", "02:00", 120, "#SBATCH --time=02:00"),
        ("slurm", "1-12", 129600, "#SBATCH --time=1-12"),
        ("slurm", "UNLIMITED", None, "#SBATCH --time=UNLIMITED"),
        ("oar", "2", 7200, "#OAR -l /nodes=1/core=1,walltime=2"),
        ("oar", "01:30", 5400, "#OAR -l /nodes=1/core=1,walltime=01:30"),
    ],
)
def test_walltimes_are_in_the_systems_own_units(system, walltime, seconds, line):
    provider = provider_from_jobqueue(system, walltime=walltime, cores=1, memory="1GB")
    assert provider.walltime_seconds == seconds
    assert f"{line}\n" in provider.script()


@pytest.mark.parametrize(
    ("make", "system", "settings", "options", "seconds"),
    [
        (SlurmProvider, "slurm", {"job_extra_directives": ["--time=02:00:00"]}, "", 7200),
        (SlurmProvider, "slurm", {"walltime": "10"}, "#SBATCH --qos=x\n#SBATCH -t 20", 1200),
        (SlurmProvider, "slurm", {"job_directives_skip": ["-t"]}, "", None),
        (SlurmProvider, "slurm", {}, "# --time=3", 600),
        (PBSProProvider, "pbs", {"job_extra": "-l walltime=3600"}, "", 3600),
        (TorqueProvider, "pbs", {"job_extra": "-l walltime=3600"}, "#PBS -l walltime=60", 3600),
        (PBSProProvider, "pbs", {}, "#PBS -l walltime=60", 60),
        (TorqueProvider, "pbs", {}, "#PBS -l walltime=60", 1200),
        (GridEngineProvider, "sge", {"resource_spec": "h_vmem=4G,h_rt=3600"}, "", 3600),
        (LSFProvider, "lsf", {}, "#BSUB -W 01:00", 3600),
    ],
    ids=str,
)
def test_the_limit_that_counts_is_the_one_that_the_system_takes(make, system, settings, options, seconds):
    with site(system, **settings):
        assert make(scheduler_options=options).walltime_seconds == seconds


def test_names_and_joined_output_of_grid_engine():
    provider = provider_from_jobqueue("sge", name="study")
    provider.script_dir = "/scratch"
    text = provider.script("work", 1, "job")
    for line in ("-N job", "-o /scratch/job.submit.stdout", "-j y", "-cwd"):
        assert f"#$ {line}\n" in text
    assert "#$ -e " not in text
    assert provider.output_paths("job")[0] == provider.output_paths("job")[1], "where an error is looked for"
    assert provider._new_name("parsl.dask.block-0").startswith("study.dask.block-0.")
    apart = provider_from_jobqueue("sge", job_directives_skip=["-j y"])
    assert "-e " in apart.script()
    assert "-j y" not in GridEngineProvider().script() and "-N " not in GridEngineProvider().script()


def test_output_that_pbs_joins():
    provider = PBSProProvider(scheduler_options="#PBS -j oe")
    assert provider.output_paths("job")[0] == provider.output_paths("job")[1]


@pytest.mark.parametrize(
    ("settings", "slots"),
    [
        ({"cores": 24, "processes": 1}, 24),
        ({"cores": 28, "processes": 28}, 28),
        ({"cores": 24, "processes": 7}, 24),
        ({"cores": 1, "processes": 4}, 4),
        ({"cores": 64}, 64),
        ({"cores": 128, "job_cpu": 64, "processes": 16}, 128),
        ({"cores": 8, "worker_extra_args": ["--nthreads 2", "--nworkers 3"]}, 6),
    ],
    ids=str,
)
def test_slots_of_a_node(settings, slots):
    executor = DaskExecutor(jobqueue="slurm", memory="1GB", **settings)
    assert executor.workers_per_node == slots
    assert f"export PARSL_CORES={slots}\n" in executor.provider.script()
    fewer = DaskExecutor(jobqueue="slurm", memory="1GB", max_workers_per_node=2, **settings)
    assert fewer.workers_per_node == 2


@pytest.mark.parametrize(
    ("memory", "slurm", "pbs"),
    [
        ("120GB", "112G", "112GB"),
        ("120 GiB", "120G", "120GB"),
        ("2000MB", "2G", "1908MB"),
        ("512MiB", "512M", "512MB"),
        (1073741824, "1G", "1024MB"),
        ("4e9", "4G", "3815MB"),
    ],
)
def test_memory_as_dask_jobqueue_asks_for_it(memory, slurm, pbs):
    settings = {"cores": 2, "memory": memory}
    assert f"#SBATCH --mem={slurm}\n" in provider_from_jobqueue("slurm", **settings).script()
    assert f":mem={pbs}\n" in provider_from_jobqueue("pbs", **settings).script()


def test_what_slurm_is_asked_for_is_what_is_written():
    for written in (0, "0", "120GB", "24G", "500"):
        assert f"#SBATCH --mem={written}\n" in provider_from_jobqueue("slurm", job_mem=written, memory="1GB").script()


def test_a_python_of_several_words_arrives_as_it_is():
    python = "apptainer exec image.sif python"
    assert provider_from_jobqueue("slurm", python=python).site.python == python


def test_options_of_workers_reach_the_nodes():
    args = ["--resources GPU=1", "--lifetime 50m", "--lifetime-stagger 4m", "--preload setup.py"]
    executor = DaskExecutor(jobqueue="slurm", cores=8, processes=2, memory="1GB", worker_extra_args=args)
    executor.run_dir = "/nowhere"
    spec = node_spec(executor, "0", [], None, "", True)
    assert spec["offered"] == ({"GPU": 1.0}, 2)
    assert (spec["drain_period"], spec["drain_stagger"], spec["preload"]) == (3000.0, 240.0, [["setup.py"], []])
    executor.validate_resource_spec({"resources": {"GPU": 1}, "priority": 1})
    for wanted in ({"GPU": 2}, {"TPU": 1}):
        with pytest.raises(InvalidResourceSpecification, match=r"there is GPU=1"):
            executor.validate_resource_spec({"resources": wanted})


def test_options_that_workers_do_not_have(caplog):
    with pytest.raises(ConfigurationError, match=r"worker-extra-args.*--worker-class is refused"):
        DaskExecutor(jobqueue="slurm", worker_extra_args=["--worker-class", "x.Y"])
    # whose script knows nothing of the file is not stopped by it
    forget_warnings()
    with site("slurm", worker_extra_args=["--worker-class", "x.Y"]), caplog.at_level(logging.WARNING, "parsl"):
        SlurmProvider().script()
        SlurmProvider().script()
    assert caplog.text.count("worker-extra-args has no effect here: --worker-class is refused") == 1


def test_warnings_come_once(caplog, recwarn):
    forget_warnings()
    settings = {
        "cores": 2,
        "memory": "1GB",
        "extra": [],
        "env_extra": ["module load x"],
        "job_extra": ["-t besteffort"],
    }
    with site("oar", **settings), caplog.at_level(logging.WARNING, "parsl"):
        for _ in range(3):
            text = provider_from_jobqueue("oar").script()
    assert "module load x\n" in text and "#OAR -t besteffort\n" in text
    assert [record.message for record in caplog.records] == [
        "jobqueue.oar.memory-per-core-property-name is not set, so OAR is asked for no memory"
    ]
    assert not list(recwarn)


def test_the_account_of_the_environment(monkeypatch):
    monkeypatch.setenv("PBS_ACCOUNT", "bio")
    assert "#PBS -A bio\n" in provider_from_jobqueue("pbs", cores=1, memory="1GB").script()
    assert "#PBS -A" not in provider_from_jobqueue("pbs", cores=1, memory="1GB", account="phys").script()
    assert "#PBS -A" not in PBSProProvider().script()
