"""The shell text of launchers: what it runs, how often, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from parsl_on_dask import launchers
from parsl_on_dask.launchers import (
    AprunLauncher,
    GnuParallelLauncher,
    JsrunLauncher,
    MpiExecLauncher,
    MpiRunLauncher,
    SimpleLauncher,
    SingleNodeLauncher,
    SrunLauncher,
    SrunMPILauncher,
    WrappedLauncher,
)
from tests.helpers import eventually

STARTERS = ("srun", "aprun", "jsrun", "mpiexec", "mpirun", "parallel")
ENVIRONMENT = {"JOBNAME": "job", "SLURM_JOB_NAME": "job", "SLURM_CPUS_ON_NODE": "8", "SLURM_JOB_NUM_NODES": "2"}


@pytest.fixture
def run(tmp_path):
    """Run a launcher's text where every starter only says how it was called."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in STARTERS:
        (tools / name).write_text(f'#!/bin/bash\necho "{name} $*"\n')
        (tools / name).chmod(0o755)

    def run(text, **environment):
        return subprocess.run(
            ["/bin/bash", "-c", text],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=20,
            env={"PATH": f"{tools}:/usr/bin:/bin", **ENVIRONMENT, **environment},
        )

    return run


def command_in(path):
    """The command of a file; what follows there of signals, for ``srun`` alone, is in a test of its own."""
    return path.read_text().partition(" &\nchild=")[0].rstrip("\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_srun_passes_signals_on_and_waits(run, tmp_path, number):
    """To a command that ends in its own time; its exit code is that of the task."""
    code = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); open('up', 'w').close(); time.sleep(60)"
    )
    run(SrunLauncher()(f'export A=1\nenv B=2 {sys.executable} -c "{code}"', 1, 1))
    task = subprocess.Popen(["/bin/bash", "cmd_job.sh"], cwd=tmp_path)
    eventually((tmp_path / "up").exists, "the command runs")
    task.send_signal(number)
    assert task.wait(30) == 7


def test_a_command_of_srun_that_fails(run, tmp_path):
    run(SrunLauncher()("exit 3", 1, 1))
    assert subprocess.run(["/bin/bash", "cmd_job.sh"], cwd=tmp_path, timeout=30).returncode == 3


def test_simple():
    assert SimpleLauncher()("work", 4, 1) == "work"
    assert SimpleLauncher()("work", 1, 2) == "work"


def test_wrapped(caplog):
    assert WrappedLauncher("docker")("test", 1, 1) == "docker test"
    assert not caplog.text
    WrappedLauncher("docker")("test", 2, 2)
    assert "tasks per node" in caplog.text
    assert "nodes per block" in caplog.text


def test_single_node_starts_all_copies(run):
    done = run(SingleNodeLauncher(debug=False)("echo copy $1 on $CORES", 3, 2))
    assert sorted(line.split()[1] for line in done.stdout.splitlines()) == list("123456")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("command", "fail_on_any", "code"),
    [("true", False, 0), ("false", False, 1), ("[ $1 = 1 ]", False, 0), ("[ $1 = 1 ]", True, 1), ("true", True, 0)],
)
def test_single_node_exit_code(run, command, fail_on_any, code):
    assert run(SingleNodeLauncher(fail_on_any=fail_on_any)(command, 2, 1)).returncode == code


@pytest.mark.parametrize(
    ("launcher", "called"),
    [
        (SrunLauncher(overrides="--x"), "srun --ntasks 4 -l --x bash cmd_job.sh"),
        (AprunLauncher(overrides="--x"), "aprun -n 4 -N 2 --x /bin/bash cmd_job.sh"),
        (JsrunLauncher(overrides="--x"), "jsrun -n 4 -r 2 --x /bin/bash cmd_job.sh"),
        (
            MpiExecLauncher(bind_cmd="--cpu-bind", overrides="--x"),
            "mpiexec --cpu-bind none --x -n 4 --hostfile job.nodes /usr/bin/sh cmd_job.sh",
        ),
        (MpiRunLauncher(overrides="--x", bash_location="/bin/sh"), "mpirun -np 4 --x /bin/sh cmd_job.sh"),
        (
            GnuParallelLauncher(),
            "parallel --env _ --joblog job.sh.parallel.log --sshloginfile job.nodes --jobs 2",
        ),
    ],
    ids=lambda v: type(v).__name__ if not isinstance(v, str) else "",
)
def test_starters(run, tmp_path, launcher, called):
    launcher.debug = False
    done = run(launcher("echo hello from $JOBNAME", 2, 2))
    assert (done.stdout.strip(), done.stderr, done.returncode) == (called, "", 0)
    assert command_in(tmp_path / "cmd_job.sh") == "echo hello from job"


def test_files_go_to_the_script_directory(run, tmp_path):
    (tmp_path / "my scripts").mkdir()
    done = run(SrunLauncher(debug=False)("work", 1, 1, str(tmp_path / "my scripts")))
    assert command_in(tmp_path / "my scripts" / "cmd_job.sh") == "work"
    assert done.stdout.strip() == f"srun --ntasks 1 -l bash {tmp_path}/my scripts/cmd_job.sh"


def test_without_the_script_directory_on_the_node_files_go_to_where_the_job_runs(run, tmp_path):
    done = run(SrunLauncher(debug=False)("work", 1, 1, str(tmp_path / "not here")))
    assert command_in(tmp_path / "cmd_job.sh") == "work"
    assert done.stdout.strip() == "srun --ntasks 1 -l bash cmd_job.sh"


def test_srun_mpi_gives_each_its_node(run):
    lines = run(SrunMPILauncher(debug=False)("work", 1, 2)).stdout.splitlines()
    share = "--exclusive --nodes 1 --ntasks 1"
    assert sorted(lines) == [f"srun {share} --relative {node} -l bash cmd_job.sh" for node in (0, 1)]


def test_srun_mpi_divides_the_cores(run):
    lines = run(SrunMPILauncher(debug=False)("work", 2, 2)).stdout.splitlines()
    assert lines == ["srun --ntasks 4 -l bash cmd_job.sh"] * 4


def test_nodes_are_listed_once(run, tmp_path):
    (tmp_path / "pbs").write_text("b\na\nb\n")
    run(MpiExecLauncher()("work", 1, 2), PBS_NODEFILE="pbs")
    assert (tmp_path / "job.nodes").read_text() == "a\nb\n"
    run(MpiExecLauncher()("work", 1, 2))
    assert (tmp_path / "job.nodes").read_text() == "localhost\n"


def test_nodes_of_other_batch_systems(run, tmp_path):
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.write_text('#!/bin/sh\n[ "$1 $2 $3" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n')
    scontrol.chmod(0o755)
    (tmp_path / "hosts").write_text("b\na\na\n")
    (tmp_path / "pe").write_text("b 4 all.q@b UNDEFINED\na 4 all.q@a UNDEFINED\n")
    for variable, value, nodes in [
        ("SLURM_JOB_NODELIST", "n[1-2]", "n1\nn2\n"),
        ("LSB_DJOB_HOSTFILE", "hosts", "a\nb\n"),
        ("PE_HOSTFILE", "pe", "a\nb\n"),
        ("OAR_NODEFILE", "hosts", "a\nb\n"),
    ]:
        assert run(MpiExecLauncher()("work", 1, 2), **{variable: value}).returncode == 0
        assert (tmp_path / "job.nodes").read_text() == nodes


@pytest.mark.parametrize(
    "launcher", [MpiExecLauncher(), GnuParallelLauncher(), SrunLauncher(), AprunLauncher()], ids=repr
)
def test_nothing_is_written_outside_the_script_directory(run, tmp_path, launcher):
    folder = tmp_path / "scripts of runs"
    folder.mkdir()
    before = set(tmp_path.iterdir())
    done = run(launcher("work", 1, 2, str(folder)))
    assert (done.returncode, done.stderr) == (0, "")
    assert set(tmp_path.iterdir()) == before
    assert list(folder.iterdir())


def test_blocks_whose_jobs_have_one_name_have_their_own_commands(run, tmp_path):
    for block in ("one", "two"):
        run(SrunLauncher()(f"work for {block}", 1, 1), JOBNAME=block, SLURM_JOB_NAME="mine")
    assert command_in(tmp_path / "cmd_one.sh") == "work for one"
    run(SrunLauncher()("work", 1, 1), JOBNAME="", SLURM_JOB_NAME="mine")
    assert (tmp_path / "cmd_mine.sh").exists()


@pytest.mark.parametrize("name", [n for n in launchers.__all__ if n != "WrappedLauncher"])
def test_repr(name):
    launcher = getattr(launchers, name)(debug=False)
    assert repr(eval(repr(launcher), vars(launchers).copy())) == repr(launcher)
