"""The Python of the workers: the one that is activated, the one that is named, else the script's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import distributed
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.clusters import startup
from parsl_on_dask.errors import ConfigurationError, ExecutorError
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.launchers import WrappedLauncher
from parsl_on_dask.providers import LocalProvider, pythons
from parsl_on_dask.providers.job_scripts import preamble
from tests.clusters.jobs import ShellProvider
from tests.environments import is_in, looker, make


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second environment, with packages of its own."""
    return make(tmp_path_factory.mktemp("other") / "env", "distributed", "numpy")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without distributed."""
    return make(tmp_path_factory.mktemp("bare") / "env")


# ---------------------------------------------------------------- the choice, with programs that only tell their names


class Job:
    """A job on a machine that has these folders of programs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder("tools", "printf")
        self.own = self.python("script", fits=True) / "python"

    def folder(self, name: str, *programs: str, text: str = "#!/bin/sh\n") -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        for program in programs:
            folder.joinpath(program).write_text(text)
            folder.joinpath(program).chmod(0o755)
        return folder

    def python(self, name: str, *programs: str, fits: bool = True) -> Path:
        """A folder with programs that print their path; to the question whether they fit they answer as told."""
        text = f'#!/bin/sh\nif [ "$1" = -c ]; then exit {0 if fits else 1}; fi\necho "$0 $*"\n'
        return self.folder(name, *(programs or ("python", "python3")), text=text)

    def chosen(self, init: str, before: str = "", **environment: str) -> str:
        """The Python that a node runs when the job begins with a PATH, and ``init`` is its worker_init."""
        text = f"{pythons.note()}\n{init}\n/bin/sh {self.root}/start.sh"
        self.root.joinpath("start.sh").write_text(pythons.choice("start.py"))
        done = subprocess.run(
            ["/bin/bash", "-c", text], env={"PATH": before, **environment}, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        path, _, argument = done.stdout.strip().partition(" ")
        assert argument == "start.py" and done.stderr.count("\n") == done.stderr.count(
            f"fit, and {self.own} is taken\n"
        )
        return str(Path(path).relative_to(self.root))


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    made = Job(tmp_path)
    monkeypatch.setattr(sys, "executable", str(made.own))
    return made


@pytest.mark.parametrize(
    ("init", "chosen"),
    [
        ("", "script/python"),
        ("export OMP_NUM_THREADS=1", "script/python"),
        ("export PATH={root}/gcc:$PATH", "script/python"),
        ("export PATH={root}/env:$PATH", "env/python"),
        ("export PATH={root}/script:$PATH", "script/python"),
        ("export PATH={root}/only3:$PATH", "only3/python3"),
        ("export PATH={root}/misfit:$PATH", "misfit/python"),
        ("export VIRTUAL_ENV=/envs/a", "system/python"),
        ("export CONDA_PREFIX=/envs/a", "system/python"),
        ("export PYENV_VERSION=3.11", "system/python"),
        ("export PATH={root}/gcc", "script/python"),
        ("unset PATH", "script/python"),
        ("export PATH={root}/env:$PATH; set -eu", "env/python"),
        ("env() {{ PATH={root}/env:$PATH; }}; env", "env/python"),
    ],
)
def test_what_worker_init_activates(job: Job, init: str, chosen: str) -> None:
    job.folder("gcc", "gcc")
    for name in ("system", "env"):
        job.python(name)
    job.python("only3", "python3")
    job.python("misfit", fits=False)
    assert job.chosen(init.format(root=job.root), before=f"{job.root}/system") == chosen


def test_python3_where_python_is_another_one(job: Job) -> None:
    """As on systems whose python is Python 2."""
    job.python("system", "python")
    job.python("module", "python3")
    assert job.chosen(f"PATH={job.root}/module:$PATH", before=f"{job.root}/system") == "module/python3"


def test_an_environment_that_was_active_before_is_no_choice(job: Job) -> None:
    """The shell that submits may have any; sbatch hands it on."""
    job.python("base", fits=False)
    environment = {"VIRTUAL_ENV": "/envs/base", "before": f"{job.root}/base"}
    assert job.chosen("export X=1", **environment) == "script/python"


def test_an_environment_that_is_put_away_is_no_choice(job: Job) -> None:
    job.python("base", fits=False)
    environment = {"VIRTUAL_ENV": "/envs/base", "before": f"{job.root}/base"}
    assert job.chosen("unset VIRTUAL_ENV", **environment) == "script/python"


def test_what_is_left_after_an_environment_is_put_away(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's Python, which nobody has activated, is taken only where it fits."""
    job.python("module", "python3")
    text = pythons.choice("start.py").replace("/usr/bin/*", f"{job.root}/usr/*")
    monkeypatch.setattr(pythons, "choice", lambda _: text)
    for fits, chosen in ((False, "script/python"), (True, "usr/python3")):
        job.python("usr", "python3", fits=fits)
        assert job.chosen(f"PATH={job.root}/usr", before=f"{job.root}/module") == chosen


def test_no_python_at_all(job: Job) -> None:
    job.own.unlink()
    with pytest.raises(AssertionError, match=rf"no python or python3 on PATH=/none, and {job.own} is not there"):
        job.chosen("export PATH=/none")


def test_in_a_container(job: Job) -> None:
    """Its PATH is its own; of the job's variables some reach it, or none."""
    job.python("image")
    for environment in ('PARSL_ON_DASK_BEFORE="$PARSL_ON_DASK_BEFORE"', ""):
        enter = f"env -i PATH={job.root}/image {environment} /bin/sh {job.root}/start.sh; exit"
        assert job.chosen(f"PATH=/usr/bin:/bin\n{enter}") == "image/python"


def test_an_environment_made_anew_by_a_launcher(job: Job) -> None:
    """A starter that hands on no variables has nodes begin with a login's PATH: that is no choice, either."""
    job.python("login", fits=False)
    enter = f"/usr/bin/env -i PATH={job.root}/login /bin/sh {job.root}/start.sh; exit"
    assert job.chosen(enter) == "script/python"


def test_an_image_whose_python_is_where_the_nodes_is(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = job.root / ".singularity.d"
    monkeypatch.setattr(pythons, "_FOUND", pythons._FOUND.replace("/.singularity.d", str(mark)))
    job.python("usr")
    assert job.chosen(f": >{mark}", before=f"{job.root}/usr") == "usr/python"


# ---------------------------------------------------------------- what the chosen Python does


def started(folder: Path, *words: str, orders: str = "-", late: float = 0) -> subprocess.CompletedProcess[str]:
    """Run a node's first Python text."""
    start = startup.Start("node", str(folder / "parsl_on_dask.zip"), late)
    path = folder / startup.PYTHON_FILE
    path.write_text(start.python_text())
    return subprocess.run([*words, str(path), orders], capture_output=True, text=True, timeout=60)


def test_a_python_of_another_version_says_so(tmp_path: Path, other: Path) -> None:
    old = "import sys; sys.version_info = (3, 6, 8); sys.argv = sys.argv[1:]; exec(open(sys.argv[0]).read())"
    done = started(tmp_path, str(other / "bin/python"), "-c", old)
    assert done.returncode == 1
    for text in (f"{other}/bin/python (version 3.6)", f"{sys.executable} (version 3.{sys.version_info[1]})"):
        assert text in done.stderr
    assert "between minor versions" in done.stderr and "python= of the executor" in done.stderr


@pytest.mark.parametrize("name", ["python2.7", "python3.6", "python3.8", "python3.12", "python3.13"])
def test_any_version_can_say_so(tmp_path: Path, name: str) -> None:
    beside = Path(sys.base_prefix).parent.glob(f"{name[6:]}.*/bin/python")
    for python in (shutil.which(name), *map(str, beside)):
        if python and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
            break
    else:
        pytest.skip(f"there is no {name} here")
    if name == "python{}.{}".format(*sys.version_info[:2]):
        pytest.skip("that is this one")
    done = started(tmp_path, python)
    assert done.returncode == 1 and f"(version {name[6:]})" in done.stderr


def test_a_python_without_distributed_says_so(tmp_path: Path, bare: Path) -> None:
    done = started(tmp_path, str(bare / "bin/python"))
    assert done.returncode == 1
    for text in (f"{bare}/bin/python", sys.executable, "No module named 'distributed'"):
        assert text in done.stderr


def test_another_version_of_distributed_is_noted(tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = distributed.__version__
    monkeypatch.setattr(distributed, "__version__", "1.0")
    done = started(tmp_path, str(other / "bin/python"))
    assert done.stderr.startswith(f"parsl_on_dask: distributed is {here} here, and 1.0 where the script runs\n")


def test_files_that_do_not_come(tmp_path: Path, other: Path) -> None:
    done = started(tmp_path, sys.executable, orders=f"{tmp_path}/node.json", late=1)
    assert done.returncode == 1 and f"{tmp_path}/node.json is not there, and did not come within 1 s" in done.stderr
    done = started(tmp_path, str(other / "bin/python"))
    assert done.returncode == 1 and f"from {tmp_path}/parsl_on_dask.zip: No module" in done.stderr


def test_a_command_of_ours_alone_is_waited_for() -> None:
    for command in ("true", "sh start.sh", "sleep 5", "cat /tmp/start.txt", "echo 'x", ""):
        assert (preamble.noting(command), preamble.patience(command)) == ([], [])
    chosen = startup.start_command(None, "/my run/start.sh", "/my run/nodes/block-0.json")
    assert preamble.noting(chosen) == [pythons.note()]
    assert "[ -e '/my run/start.sh' ]" in preamble.patience(chosen)[0]
    named = startup.start_command("apptainer exec image.sif python", "/run/start.py", "/run/node.json")
    assert named == "apptainer exec image.sif python /run/start.py /run/node.json"
    assert preamble.noting(named) == [] and "/run/start.py" in preamble.patience(named)[0]


def test_a_first_file_that_comes_late(tmp_path: Path) -> None:
    path = tmp_path / "block-0" / "start.sh"
    (wait,) = preamble.patience(startup.start_command(None, str(path), "node.json"))
    text = f"(sleep 0.5; mkdir {path.parent}; touch {path}) & set -eu\n{wait}\ntest -e {path}"
    assert subprocess.run(["/bin/bash", "-c", text], timeout=60).returncode == 0


def test_folders_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, packages = tmp_path / "mine", tmp_path / "site-packages"
    behind = [p for p in sys.path if "python3" in p]
    monkeypatch.setattr(sys, "path", ["", str(mine), str(packages), f"{sys.prefix}/bin", *behind, "/behind"])
    assert startup.users_folders() == [str(mine)]


# ---------------------------------------------------------------- whole executors


@pytest.fixture(params=["local processes", "blocks"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., dict[str, str | None]]]:
    """A function that loads an executor, in whose provider a launcher and a worker_init may be, and looks around."""

    def look(launcher: Any = None, worker_init: str = "", **options: Any) -> dict[str, str | None]:
        more = {} if launcher is None else {"launcher": launcher}
        cls: Any = LocalProvider if request.param == "local processes" else ShellProvider
        provider = cls(worker_init=worker_init, **more)
        executor = HighThroughputExecutor(
            label="hpc", provider=provider, max_workers_per_node=1, address="127.0.0.1", **options
        )
        kernel = parsl.load(parsl.Config([executor], strategy="none", run_dir=str(tmp_path / "runinfo")))
        found: dict[str, str | None] = kernel.submit(looker()).result(60)
        return found

    yield look
    parsl.clear()


Run = Callable[..., dict[str, str | None]]


@pytest.mark.filterwarnings("ignore::distributed.versions.VersionMismatchWarning")
@pytest.mark.parametrize("way", ["activate", "PATH", "launch_cmd", "python", "words", "container"])
def test_another_environment(run: Run, way: str, other: Path) -> None:
    """Its packages are taken, and none of the script's."""
    options: dict[str, Any] = {
        "activate": {"worker_init": f"source {other}/bin/activate"},
        "PATH": {"worker_init": f"export PATH={other}/bin:$PATH"},
        "launch_cmd": {"launch_cmd": f"source {other}/bin/activate; process_worker_pool.py"},
        "python": {"python": f"{other}/bin/python"},
        "words": {"python": f"env -i PATH=/usr/bin:/bin {other}/bin/python"},
        "container": {"launcher": WrappedLauncher(f"env -i PATH={other}/bin:/usr/bin:/bin")},
    }[way]
    assert is_in(other, run(**options))


def test_nothing_is_activated(run: Run) -> None:
    found = run(worker_init="export HERE=1")
    assert found["python"] == sys.executable and found["pytest"] and found["before"] is None


@pytest.mark.parametrize("way", ["activated", "named"])
def test_a_python_that_does_not_fit_is_told(run: Run, bare: Path, way: str, tmp_path: Path) -> None:
    named = f"{bare}/bin/python"
    options = {"python": named} if way == "named" else {"worker_init": f"source {bare}/bin/activate"}
    try:
        assert run(**options)["python"] == sys.executable
    except ExecutorError as error:
        told = str(error)
        assert "No module named 'distributed'" in told
    else:
        # a provider of the user's own notes nothing before worker_init, so it is not known what that has activated
        assert way == "activated"
        told = "".join(path.read_text() for path in tmp_path.glob("runinfo/000/submit_scripts/*.err"))
    assert named in told and sys.executable in told


@pytest.mark.parametrize("python", ["", "'", 3])
def test_what_is_no_python(python: Any) -> None:
    with pytest.raises(ConfigurationError, match="python"):
        HighThroughputExecutor(python=python)
