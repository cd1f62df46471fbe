"""`python -m parsl_on_dask program` does what `python program` does, and `import parsl` works in it."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from parsl_on_dask.front_door import cli
from tests.front_door.programs import FRONT, forked, python, write

SHOW = """
    import sys
    own = sorted(set(globals()) - {"__builtins__"})
    print(__name__, sys.argv, sys.path[0], globals().get("__file__"), __package__, __spec__ and __spec__.name)
    print(own, __doc__, sys.modules["__main__"].__dict__ is globals(), type(__builtins__), type(__loader__))
    """


def both(folder: Path, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program under plain Python and under this package: nobody can tell which was which."""
    plain = python(folder, *args, stdin=stdin)
    here = python(folder, *FRONT, *args, stdin=stdin)
    assert (here.stdout, here.returncode) == (plain.stdout, plain.returncode), here.stderr
    return here


def same_words(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """As `both`, for programs that write to standard error."""
    plain = python(folder, *args)
    here = both(folder, *args)
    # plain `python -m` shows its own machinery at the top of a traceback
    words = re.sub(r'  File "[^"]*runpy[^"]*", line .*\n(    .*\n)*', "", plain.stderr)
    assert here.stderr == words
    return here


@pytest.mark.parametrize(
    "args",
    [
        ("show.py",),
        ("sub/show.py", "--scheduler", "x", "-m", "y"),
        ("-m", "sub.show", "-c", "--help"),
        ("-msub.show",),
        ("-m", "package", "a"),
        ("sub", "a"),
        ("archive.zip", "a"),
        ("-", "a"),
    ],
    ids=" ".join,
)
def test_a_program_finds_the_world_that_python_gives_it(tmp_path: Path, args: tuple[str, ...]) -> None:
    for name in ("show.py", "sub/show.py", "sub/__main__.py", "package/__init__.py", "package/__main__.py"):
        write(tmp_path, name, SHOW if name != "package/__init__.py" else "import sys; print(sys.argv, __name__)")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.write(tmp_path / "sub" / "__main__.py", "__main__.py")
    text = (tmp_path / "show.py").read_text()
    assert "__main__" in both(tmp_path, *args, stdin=text).stdout


def test_code_from_the_command_line(tmp_path: Path) -> None:
    code = "import sys; print(__name__, sys.argv, repr(sys.path[0]), sorted(set(globals()) - {'__builtins__'}))"
    assert "['-c', '--fast', 'x']" in both(tmp_path, "-c", code, "--fast", "x").stdout


def test_a_link_to_a_script_imports_from_where_the_script_is(tmp_path: Path) -> None:
    write(tmp_path, "real/show.py", SHOW)
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "show.py")
    both(tmp_path, "link.py")


@pytest.mark.parametrize(
    "ending, code",
    [
        ("pass", 0),
        ("sys.exit()", 0),
        ("sys.exit(7)", 7),
        ("sys.exit('a last word')", 1),
        ("1 / 0", 1),
        ("import no_such_module", 1),
        ("raise KeyboardInterrupt", -2),
        ("sys.excepthook = lambda *caught: print('my own hook', caught[0], caught[1].args); 1 / 0", 1),
        ("import os; os._exit(3)", 3),
    ],
)
@pytest.mark.parametrize("way", [("ends.py",), ("-m", "ends")], ids=" ".join)
def test_programs_end_as_under_python(tmp_path: Path, way: tuple[str, ...], ending: str, code: int) -> None:
    write(
        tmp_path,
        "ends.py",
        f"""
        import atexit, sys

        def ends():
            {ending}

        atexit.register(lambda: print("at exit", sys.modules["__main__"].ends is ends, flush=True))
        ends()
        """,
    )
    assert same_words(tmp_path, *way).returncode == code


def test_the_scripts_own_hook_sees_the_scripts_own_traceback(tmp_path: Path) -> None:
    write(
        tmp_path,
        "hook.py",
        "import sys; sys.excepthook = lambda *e: print(e[2].tb_frame.f_code.co_filename); 1 / 0",
    )
    assert "hook.py" in both(tmp_path, "hook.py").stdout


@pytest.mark.parametrize("text", ["def (", "x = 1\n  y = 2", "caf\xe9 = '"])
def test_a_script_that_does_not_compile_is_shown_as_python_shows_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.py").write_text(text, encoding="latin-1")
    here, plain = python(tmp_path, *FRONT, "broken.py"), python(tmp_path, "broken.py")
    assert here.returncode == plain.returncode == 1
    assert here.stderr.splitlines()[-1].partition(":")[0] == "SyntaxError" or "IndentationError" in here.stderr
    assert "run_as_main" not in here.stderr


def test_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nprint(ascii('caf\xe9'))\n".encode("latin-1"))
    assert both(tmp_path, "latin.py").stdout == "'caf\\xe9'\n"


def test_functions_of_the_script_travel_by_value(tmp_path: Path) -> None:
    write(
        tmp_path,
        "program.py",
        """
        import cloudpickle, subprocess, sys

        def double(x):
            return 2 * x

        if __name__ == "__main__":
            assert double.__module__ == "__main__"
            load = "import pickle, sys; print(pickle.load(sys.stdin.buffer)(21))"
            subprocess.run([sys.executable, "-c", load], input=cloudpickle.dumps(double), check=True)
        """,
    )
    done = forked(tmp_path, *FRONT, "program.py")
    assert done.stdout == "42\n", done.stderr


@pytest.mark.parametrize("args", [("program.py",), ("-m", "program"), ("-",), ("-c", "import program")], ids=" ".join)
def test_import_parsl_means_this_package(tmp_path: Path, args: tuple[str, ...]) -> None:
    path = write(tmp_path, "program.py", "import parsl, parsl.config as c; print(parsl.__name__, c.__name__)")
    done = forked(tmp_path, *FRONT, *args, stdin=path.read_text())
    assert done.stdout.split() == ["parsl_on_dask", "parsl_on_dask.config"], done.stderr


def test_a_module_of_parsl_can_be_run(tmp_path: Path) -> None:
    done = forked(tmp_path, *FRONT, "-m", "parsl.version")
    assert done.returncode == 0, done.stderr


SHOW_CLUSTER = "from parsl_on_dask.common.overrides import cluster_override as c; print(c())"


def test_the_cluster_of_the_command_line_is_the_cluster_of_the_process(tmp_path: Path) -> None:
    for args, cluster in {
        (): "None",
        ("--scheduler", "tcp://10.0.0.1:8786"): "--scheduler tcp://10.0.0.1:8786",
        ("--scheduler=tls://h:1",): "--scheduler tls://h:1",
        ("--scheduler-file", "s.json"): f"--scheduler-file {tmp_path / 's.json'}",
    }.items():
        done = forked(tmp_path, *FRONT, *args, "-c", SHOW_CLUSTER)
        assert done.stdout.strip() == cluster, done.stderr


@pytest.mark.parametrize(
    "args, code, words",
    [
        ((), 2, ["nothing to run", "workflow.py"]),
        (("--",), 2, ["nothing to run"]),
        (("missing.py",), 2, ["missing.py", "No such file", "-m NAME"]),
        ((".",), 1, ["__main__"]),
        (("-m",), 2, ["-m needs", "module"]),
        (("-c",), 2, ["-c needs", "code"]),
        (("-m", "missing.module"), 1, ["no module named 'missing.module'"]),
        (("-m", "missing.py"), 1, ["'missing'"]),
        (("-m", "email"), 1, ["email.__main__", "package"]),
        (("-m", ".relative"), 1, [".relative"]),
        (("--jobs", "x.py"), 2, ["--jobs"]),
        (("--scheduler",), 2, ["--scheduler"]),
        (("--scheduler", "nonsense", "x.py"), 2, ["'nonsense'", "tcp://"]),
        (("--scheduler", "", "x.py"), 2, ["tcp://"]),
        (("--scheduler-file", "no/such/s.json", "x.py"), 2, ["no/such/s.json", "dask scheduler"]),
        (("--scheduler", "h:1", "--scheduler-file", "s.json", "x.py"), 2, ["--scheduler and --scheduler-file", "one"]),
    ],
)
def test_a_wrong_command_line_is_explained(tmp_path: Path, args: tuple[str, ...], code: int, words: list[str]) -> None:
    done = forked(tmp_path, *FRONT, *args)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert [word for word in words if word not in done.stderr] == [], done.stderr


@pytest.mark.parametrize("args", [("--help",), ("-h", "script.py")])
def test_help(tmp_path: Path, args: tuple[str, ...]) -> None:
    done = forked(tmp_path, *FRONT, *args)
    assert done.returncode == 0 and "--scheduler-file" in done.stdout and "examples:" in done.stdout


def test_version(tmp_path: Path) -> None:
    from parsl_on_dask.version import PACKAGE_VERSION, PARSL_VERSION

    done = forked(tmp_path, *FRONT, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith(f"parsl-on-dask {PACKAGE_VERSION} (API of Parsl {PARSL_VERSION}, distributed ")


def test_a_real_parsl_that_something_imported_first_is_explained(tmp_path: Path) -> None:
    write(tmp_path, "early/parsl.py", "")
    write(tmp_path, "early/usercustomize.py", "")
    code = "import sys, runpy; sys.path.insert(0, 'early'); import parsl; sys.argv = ['x', 'x.py']; "
    done = python(tmp_path, "-c", code + "runpy.run_module('parsl_on_dask', run_name='__main__')")
    assert done.returncode == 1 and "already imported" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "options, word",
    [
        (("--jobqueue", "slumr"), "slurm"),
        (("--jobqueue", ""), "batch system"),
        (("--jobqueue", "slurm", "--config-name", "nowhere"), "nowhere"),
        (("--jobqueue", "slurm", "--max-blocks", "none"), "whole number"),
        (("--jobqueue", "slurm", "--max-blocks", "0"), "whole number"),
        (("--jobqueue", "slurm", "--scheduler", "tcp://a:1"), "one of them"),
        (("--max-blocks", "2"), "--jobqueue"),
        (("--config-name", "mine"), "--jobqueue"),
    ],
    ids=" ".join,
)
def test_options_for_jobs_that_make_no_sense(tmp_path: Path, options: tuple[str, ...], word: str) -> None:
    write(tmp_path, "program.py", "print('ran')")
    done = forked(tmp_path, *FRONT, *options, "program.py")
    assert done.returncode == 2 and word in done.stderr and "ran" not in done.stdout


# ---------------------------------------------------------------- commands


def test_one_command_is_installed_which_is_not_one_of_parsls() -> None:
    """A second package's command of the same name would replace the first one's, and take it away when it leaves."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    scripts = text.partition("[project.scripts]\n")[2].partition("\n[")[0]
    assert scripts.split() == ["parsl-on-dask", "=", '"parsl_on_dask.__main__:main"']


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("visualize", "--listen"),
        ("report", "DB"),
        ("perf", "--iterate"),
        ("globus-auth", "Globus"),
        ("checkpoint", "verify"),
        ("check", "Config"),
    ],
)
def test_what_parsls_commands_do_is_below_it(tmp_path: Path, command: str, words: str) -> None:
    done = forked(tmp_path, *FRONT, command, "--help")
    assert done.returncode == 0 and words in done.stdout, done.stderr


@pytest.mark.parametrize("command", ["visualize", "report", "perf", "globus-auth", "checkpoint", "check"])
def test_every_command_says_in_one_line_what_is_wrong(tmp_path: Path, command: str) -> None:
    done = forked(tmp_path, *FRONT, command, "--nonsense")
    assert done.returncode == 2 and done.stdout == ""
    first, last = done.stderr.splitlines()
    assert first.startswith(f"python -m parsl_on_dask {command}: ")
    assert last == f"(see python -m parsl_on_dask {command} --help)"


def test_perf_takes_the_cluster_of_the_command_line() -> None:
    call = cli.parse(["--scheduler", "tcp://10.0.0.1:8786", "perf", "--config", "config.py"])
    assert call.kind == "perf" and call.args == ("--config", "config.py") and call.cluster is not None


@pytest.mark.parametrize("text, seconds", [("90", 90.0), ("45s", 45.0), ("30m", 1800.0), ("1.5h", 5400.0), ("0", 0.0)])
def test_how_long_blocks_stay(text: str, seconds: float) -> None:
    call = cli.parse(["--linger", text, "script.py", "--linger", "x"])
    assert (call.linger, call.args) == (seconds, ("--linger", "x"))


def test_the_script_of_a_run_is_told_all_but_where_it_is() -> None:
    options = ["--linger", "2h", "--jobqueue", "slurm", "--max-blocks", "2"]
    call = cli.parse(["--name", "n", "run", "--detach", *options, "-m", "module", "--name", "x", "--detach"])
    assert (call.detach, call.name, call.kind, call.target) == (True, "n", "module", "module")
    assert list(call.words) == [*options, "-m", "module", "--name", "x", "--detach"]
    call = cli.parse(["run", "--in-job", "--config-name", "controller", "script.py"])
    assert (call.in_job, call.config_name, call.cluster, call.words) == ("", "controller", None, ("script.py",))
    assert cli.parse(["--in-job=slurm", "--name=n", "script.py"]).in_job == "slurm"
