"""The job scripts of providers: the directives that Parsl's would have, in their order."""

from __future__ import annotations

import subprocess

import pytest

from parsl_on_dask.launchers import SimpleLauncher, SrunLauncher
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.providers import (
    CondorProvider,
    GridEngineProvider,
    LSFProvider,
    PBSProProvider,
    SlurmProvider,
    TorqueProvider,
)

SIMPLE = SimpleLauncher()


def lines_of(provider, mark, tasks_per_node=1):
    provider.script_dir = "/scratch/runs"
    text = provider.script("work", tasks_per_node, "name")
    return [line for line in text.splitlines() if line.startswith(mark)]


def body_of(provider, tasks_per_node=1):
    lines = provider.script("work", tasks_per_node, "name").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "trap"))]


def test_slurm():
    provider = SlurmProvider(
        partition="gpu",
        account="bio",
        qos="fast",
        constraint="knl",
        clusters="one,two",
        nodes_per_block=2,
        cores_per_node=8,
        mem_per_node=16,
        gpus_per_node=4,
        gres="nvme:1",
        walltime="01:30:59",
        scheduler_options="#SBATCH --comment=x\n#SBATCH --mail-type=END\n",
        worker_init="module load python\nsource env/bin/activate",
        launcher=SIMPLE,
    )
    assert lines_of(provider, "#SBATCH") == [
        "#SBATCH --job-name=name",
        "#SBATCH --output=/scratch/runs/name.stdout",
        "#SBATCH --error=/scratch/runs/name.stderr",
        "#SBATCH --nodes=2",
        "#SBATCH --time=90",
        "#SBATCH --ntasks-per-node=1",
        "#SBATCH --comment=x",
        "#SBATCH --mail-type=END",
        "#SBATCH --exclusive",
        "#SBATCH --partition=gpu",
        "#SBATCH --account=bio",
        "#SBATCH --qos=fast",
        "#SBATCH --constraint=knl",
        "#SBATCH --clusters=one,two",
        "#SBATCH --gpus-per-node=4",
        "#SBATCH --gres=nvme:1",
        "#SBATCH --mem=16g",
        "#SBATCH --cpus-per-task=8",
    ]
    assert body_of(provider) == [
        "module load python",
        "source env/bin/activate",
        "export PARSL_MEMORY_GB=16",
        "export PARSL_CORES=8",
        "export JOBNAME=name",
        "work",
    ]
    provider.launcher = SrunLauncher()
    body = "\n".join(body_of(provider))
    assert 'SRUN_CPUS_PER_TASK="${SRUN_CPUS_PER_TASK:-8}"' in body, "unless worker_init says another number"
    assert 'SLURM_OVERLAP="${SLURM_OVERLAP:-1}"' in body


def test_slurm_as_it_comes():
    assert lines_of(SlurmProvider(), "#SBATCH")[3:] == [
        "#SBATCH --nodes=1",
        "#SBATCH --time=10",
        "#SBATCH --ntasks-per-node=1",
        "#SBATCH --exclusive",
    ]
    assert body_of(SlurmProvider(launcher=SIMPLE)) == ["export JOBNAME=name", "work"]


def test_slurm_shares_cores_over_the_tasks_of_a_node():
    provider = SlurmProvider(cores_per_node=9, launcher=SIMPLE)
    lines = lines_of(provider, "#SBATCH", tasks_per_node=2)
    assert "#SBATCH --ntasks-per-node=2" in lines
    assert "#SBATCH --cpus-per-task=4" in lines
    assert "export PARSL_CORES=4" in body_of(provider, 2)


@pytest.mark.parametrize(("walltime", "minutes"), [("00:00:30", 1), ("1-00:00:00", 1440), ("100:00:00", 6000)])
def test_walltime_in_minutes(walltime, minutes):
    # 0 would mean no limit
    assert f"#SBATCH --time={minutes}" in lines_of(SlurmProvider(walltime=walltime), "#SBATCH")
    assert f"#BSUB -W {minutes}" in lines_of(LSFProvider(walltime=walltime), "#BSUB")


def test_slurm_paths_that_sbatch_would_read_otherwise():
    provider = SlurmProvider()
    provider.script_dir = "/scratch/100% mine"
    assert '#SBATCH --output="/scratch/100%% mine/parsl.stdout"' in provider.script().splitlines()


def test_pbspro():
    provider = PBSProProvider(
        account="bio",
        queue="fast",
        nodes_per_block=2,
        cpus_per_node=64,
        select_options="ngpus=4",
        walltime="01:30:59",
        scheduler_options="#PBS -l filesystems=home",
        worker_init="module load python",
        launcher=SIMPLE,
    )
    assert lines_of(provider, "#PBS") == [
        "#PBS -S /bin/bash",
        "#PBS -N name",
        "#PBS -m n",
        "#PBS -l walltime=01:30:59",
        "#PBS -l select=2:ncpus=64:ngpus=4",
        "#PBS -o /scratch/runs/name.stdout",
        "#PBS -e /scratch/runs/name.stderr",
        "#PBS -l filesystems=home",
    ]
    assert body_of(provider) == ["module load python", "export JOBNAME=name", "work"]


@pytest.mark.parametrize("options", ["ngpus=4", ":ngpus=4"])
def test_select_options_with_and_without_a_colon(options):
    provider = PBSProProvider(select_options=options)
    assert "#PBS -l select=1:ncpus=1:ngpus=4" in lines_of(provider, "#PBS")
    assert provider.select_options == options


def test_torque():
    provider = TorqueProvider(nodes_per_block=2, scheduler_options="#PBS -j oe", launcher=SIMPLE)
    assert lines_of(provider, "#PBS", tasks_per_node=3) == [
        "#PBS -j oe",
        "#PBS -S /bin/bash",
        "#PBS -N name",
        "#PBS -m n",
        "#PBS -l walltime=00:20:00",
        "#PBS -l nodes=2:ppn=3",
        "#PBS -o /scratch/runs/name.submit.stdout",
        "#PBS -e /scratch/runs/name.submit.stderr",
    ]
    assert "aprun -n 2 -N 1" in TorqueProvider(nodes_per_block=2).script()


@pytest.mark.parametrize("provider", [PBSProProvider, TorqueProvider])
def test_qsub_is_told_queue_and_account(provider, fake, tmp_path):
    system = fake("pbspro")
    made = provider(queue="fast", account="bio", launcher=SIMPLE)
    made.script_dir = str(tmp_path)
    made.submit("true", 1)
    assert system.calls()[0].startswith("qsub -q fast -A bio ")


def test_lsf():
    provider = LSFProvider(
        project="bio", queue="fast", nodes_per_block=2, walltime="01:30:00", scheduler_options="#BSUB -alloc_flags x"
    )
    assert lines_of(provider, "#BSUB") == [
        "#BSUB -W 90",
        "#BSUB -J name",
        "#BSUB -o /scratch/runs/name.submit.stdout",
        "#BSUB -e /scratch/runs/name.submit.stderr",
        "#BSUB -alloc_flags x",
        "#BSUB -P bio",
        "#BSUB -q fast",
        "#BSUB -nnodes 2",
    ]


def test_lsf_by_cores():
    provider = LSFProvider(cores_per_block=84, cores_per_node=40, request_by_nodes=False)
    assert provider.nodes_per_block == 3
    assert lines_of(provider, "#BSUB")[4:] == ["#BSUB -n 84", '#BSUB -R "span[ptile=40]"']


@pytest.mark.parametrize(("redirection", "command"), [(True, "bsub"), (False, "bsub /")])
def test_lsf_submits_by_a_file_or_from_it(redirection, command, fake, tmp_path):
    system = fake("lsf")
    provider = LSFProvider(bsub_redirection=redirection, launcher=SIMPLE)
    provider.script_dir = str(tmp_path)
    assert provider.submit("true", 1) == "1"
    assert (system.calls()[0] == command) is redirection
    assert system.calls()[0].startswith(command)


def test_grid_engine(fake, tmp_path):
    provider = GridEngineProvider(queue="fast", walltime="01:30:59", scheduler_options="#$ -pe mpi 8", launcher=SIMPLE)
    assert lines_of(provider, "#$") == [
        "#$ -S /bin/bash",
        "#$ -o /scratch/runs/name.submit.stdout",
        "#$ -e /scratch/runs/name.submit.stderr",
        "#$ -cwd",
        "#$ -l h_rt=01:30:59",
        "#$ -pe mpi 8",
    ]
    system = fake("sge")
    provider.script_dir = str(tmp_path)
    provider.submit("true", 1)
    assert system.calls()[0].startswith("qsub -q fast -terse /")


def test_condor():
    provider = CondorProvider(
        nodes_per_block=2,
        cores_per_slot=4,
        mem_per_slot=2.5,
        environment={"PLACE": "near 'here'"},
        project="Staff",
        scheduler_options="+Foo = 1",
        requirements='(OpSys == "LINUX")',
        transfer_input_files=["/etc/hosts"],
        walltime="01:00:00",
        worker_init="module load python",
        launcher=SIMPLE,
    )
    provider.script_dir = "/scratch/runs"
    text = provider.script("work", 1, "name")
    attributes = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    assert attributes == {
        "universe": "vanilla",
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT_OR_EVICT",
        "transfer_executable": "false",
        "transfer_input_files": "/scratch/runs/name.script,/etc/hosts",
        "machine_count": "2",
        "output": "/scratch/runs/name.stdout",
        "error": "/scratch/runs/name.stderr",
        "log": "/scratch/runs/name.log",
        "stream_output": "true",
        "stream_error": "true",
        "leave_in_queue": "JobStatus == 4 && time() - EnteredCurrentStatus < 3600",
        "environment": "\"PLACE='near ''here''' JOBNAME=name\"",
        "requirements": '(OpSys == "LINUX")',
        "+projectname": '"Staff"',
        "periodic_remove": "JobStatus == 2 && time() - EnteredCurrentStatus > 3600",
        "RequestMemory": "2560",
        "RequestCpus": "4",
        "+Foo": "1",
        "Arguments": '"name.script"',
        "Executable": "/bin/bash",
    }
    assert text.split("# name.script\n")[1].split("\n") == [
        "module load python",
        "export PARSL_MEMORY_GB=2.5",
        "export PARSL_CORES=4",
        "work",
    ]


def test_condor_removes_no_job_without_being_asked():
    provider = CondorProvider()
    assert "periodic_remove" not in provider.script()
    assert provider.walltime_seconds is None
    assert "requirements" not in provider.script()


def test_a_launcher_of_ones_own():
    class Twice(Launcher):
        def __call__(self, command, tasks_per_node, nodes_per_block, script_dir=""):
            return f"{command} {tasks_per_node} {nodes_per_block} {script_dir}; {command}"

    provider = SlurmProvider(nodes_per_block=2, launcher=Twice())
    provider.script_dir = "/scratch/runs"
    assert provider.script("work", 3).rstrip().endswith("\nwork 3 2 /scratch/runs; work")


def test_names_are_made_fit_for_files_and_options(fake, tmp_path):
    fake("slurm")
    provider = SlurmProvider(launcher=SIMPLE)
    provider.script_dir = str(tmp_path)
    job = provider.submit("true", 1, "parsl.my label/x.block-0")
    assert provider.resources[job]["job_name"].startswith("parsl.my_label_x.block-0.")


@pytest.mark.parametrize(
    "provider",
    [SlurmProvider(launcher=SrunLauncher()), PBSProProvider(), TorqueProvider(), LSFProvider(), GridEngineProvider()],
    ids=lambda provider: provider.label,
)
def test_scripts_are_good_bash(provider):
    text = provider.script("echo 'a'", 2)
    assert subprocess.run(["/bin/bash", "-n"], input=text, text=True, capture_output=True).stderr == ""


def test_a_dry_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SlurmProvider().script()
    CondorProvider().script()
    assert list(tmp_path.iterdir()) == []


def test_nodes_that_are_left_out():
    def extra(provider, mark):
        before = lines_of(provider, mark)
        provider.left_out = ("node1", "node7")
        return [line for line in lines_of(provider, mark) if line not in before]

    assert extra(SlurmProvider("debug"), "#SBATCH") == ["#SBATCH --exclude=node1,node7"]
    theirs = "#SBATCH --exclude=old[1-3],gpu1\n#SBATCH -x node9"
    assert extra(SlurmProvider("debug", scheduler_options=theirs), "#SBATCH") == [
        "#SBATCH --exclude=old[1-3],gpu1,node9,node1,node7"
    ]
    assert extra(LSFProvider(walltime="01:00:00"), "#BSUB") == ['#BSUB -R "select[hname!=node1 && hname!=node7]"']
    assert extra(GridEngineProvider(), "#$") == ["#$ -l h=!(node1|node7)"]
    assert extra(GridEngineProvider(scheduler_options="#$ -l hostname=big*"), "#$") == []
    assert extra(CondorProvider(), "requirements") == ['requirements = Machine != "node1" && Machine != "node7"']
    assert extra(CondorProvider(requirements="a || b"), "requirements") == [
        'requirements = (a || b) && Machine != "node1" && Machine != "node7"'
    ]
    # which have no way to say it
    assert extra(PBSProProvider(), "#PBS") == extra(TorqueProvider(), "#PBS") == []
