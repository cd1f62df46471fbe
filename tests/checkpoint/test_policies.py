"""What identifies the code and the files of a call, Parsl's layout, shared directories, and why a call was a miss."""

from __future__ import annotations

import os
import subprocess
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import bash_app, join_app, python_app
from parsl_on_dask.checkpoint import Cache, explain
from parsl_on_dask.checkpoint.parsl_files import ParslFile
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.utils import get_last_checkpoint
from tests.checkpoint.runs import Run, block, ran, recorded, square, squares, states
from tests.helpers import WAIT, append, text_of


@pytest.fixture(scope="module", params=["threads", "existing"])
def config_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


on_threads = pytest.mark.parametrize("config_name", ["threads"], indirect=True, scope="module")


def memoizer(mode: Any = "task_exit", **options: Any) -> BasicMemoizer:
    return BasicMemoizer(checkpoint_mode=mode, **options)


def scaled(log: str, x: int, scale: int) -> int:
    append(log)
    return x * scale


# ---------------------------------------------------------------- the code


def test_a_version_names_the_code(run: Run, log: str) -> None:
    for version in ("1", "1", 2, "1", None):
        with run(memoizer()):
            app = python_app(scaled, cache=True if version is None else Cache(version=version))
            assert app(log, 2, 3).result(WAIT) == 6
    assert ran(log) == 3


@pytest.mark.parametrize("kind", ["bash", "join"])
def test_a_version_of_other_kinds_of_apps(run: Run, log: str, kind: str) -> None:
    def command(log: str) -> str:
        return f"echo -n x >> {log}"

    def body(log: str) -> Any:
        append(log)
        return [square(log + ".other", 2)]

    for version in (1, 1, 2):
        with run(memoizer()):
            make, function = (bash_app, command) if kind == "bash" else (join_app, body)
            make(function, cache=Cache(version=version))(log).result(WAIT)
    assert ran(log) == 2


def code(expression: str) -> Any:
    """An app as an editor leaves it: the same name in the same module, another text."""
    names: dict[str, Any] = {"__name__": __name__}
    path = Path(f"/tmp/nowhere/{abs(hash(expression))}.py")
    import linecache

    text = f"def app(log, x):\n    open(log, 'a').write('x')\n    return {expression}\n"
    linecache.cache[str(path)] = (len(text), None, text.splitlines(True), str(path))
    exec(compile(text, str(path), "exec"), names)
    return names["app"]


@pytest.mark.parametrize("where", ["memoizer", "app"])
def test_the_text_names_the_code(run: Run, log: str, where: str) -> None:
    results = []
    for expression in ("x + 1", "x + 1", "x + 2", "x  +  1  # one"):
        with run(memoizer(identity="source" if where == "memoizer" else "name")):
            app = python_app(code(expression), cache=True if where == "memoizer" else Cache(identity="source"))
            results.append(app(log, 1).result(WAIT))
    assert results == [2, 2, 3, 2] and ran(log) == 2


@on_threads
def test_by_name_the_text_does_not_matter(run: Run, log: str) -> None:
    results = []
    for expression in ("x + 1", "x + 2"):
        with run(memoizer()):
            results.append(python_app(code(expression), cache=True)(log, 1).result(WAIT))
    assert results == [2, 2] and ran(log) == 1


@on_threads
def test_policies_are_never_mixed(run: Run, log: str) -> None:
    policies: list[Any] = [True, Cache(identity="source"), Cache(version="1"), Cache(version=1), Cache(version="name")]
    for turn in range(2):
        for number, policy in enumerate(policies):
            with run(memoizer()):
                future = python_app(scaled, cache=policy)(log, 2, 3)
                assert future.result(WAIT) == 6
                assert future.task_status() == ("exec_done" if turn == 0 and number < 5 else "memo_done") or number == 3
    assert ran(log) in (4, 5), "1 and '1' may be the same version"


def test_what_no_policy_is_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="identity"):
        BasicMemoizer(identity="text")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="files"):
        Cache(files="name")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="version stands for the code"):
        Cache(version=1, identity="source")
    with pytest.raises(ConfigurationError, match="checkpoint_mode="):
        BasicMemoizer(directory="somewhere")
    with pytest.raises(ConfigurationError, match="a Cache, not a str"):
        python_app(scaled, cache="yes")  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match=r"Cache\(\)"):
        python_app(scaled, cache=Cache)  # type: ignore[call-overload]


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("policy", "expected"), [("path", 1), ("stat", 3), ("content", 2)], ids=["path", "stat", "content"]
)
@pytest.mark.parametrize("where", ["memoizer", "app"])
def test_what_names_a_file(run: Run, log: str, tmp_path: Path, policy: Any, expected: int, where: str) -> None:
    @python_app(cache=True if where == "memoizer" else Cache(files=policy))
    def size(log: str, file: Any, inputs: Any = ()) -> int:
        append(log)
        with open(file) as f:
            return len(f.read())

    data = tmp_path / "data"
    data.write_text("one")
    for step in ("as it is", "as it is", "touched", "written"):
        if step == "touched":
            os.utime(data, ns=(10**18, 10**18))
        elif step == "written":
            data.write_text("two and more")
        with run(memoizer(files=policy if where == "memoizer" else "path")):
            assert size(log, File(str(data)), inputs=[File(str(data))]).exception(WAIT) is None
    assert ran(log) == expected


def test_a_file_that_is_not_there(run: Run, log: str, tmp_path: Path) -> None:
    @python_app(cache=Cache(files="content"))
    def read(log: str, file: Any) -> None:
        append(log)

    with run(memoizer()):
        error = read(log, File(str(tmp_path / "missing"))).exception(WAIT)
        assert isinstance(error, Exception) and "missing" in str(error)
    assert ran(log) == 0


# ---------------------------------------------------------------- Parsl's layout


def test_parsls_layout_is_written_too(run: Run, log: str, runinfo: str) -> None:
    with run(memoizer(parsl_layout=True)):
        squares(log)
        assert len(block(log, 300_000).result(WAIT)) == 300_000
    place = Path(runinfo, "000", "checkpoint")
    file = ParslFile(place / "tasks.pkl")
    values = [file.load(entry) for entry in file.entries()]
    assert sorted(v for v in values if isinstance(v, int)) == [0, 1, 4, 9, 16]
    assert [len(v) for v in values if not isinstance(v, int)] == [300_000]
    assert os.stat(place / "tasks.pkl").st_mode & 0o777 == 0o600
    for name in place.iterdir():
        if name.suffix in (".seg", ".idx"):
            name.unlink()
    with run(memoizer(parsl_layout=True, checkpoint_files=get_last_checkpoint(runinfo))):
        assert states(squares(log)) == {"memo_done"}
        assert len(block(log, 300_000).result(WAIT)) == 300_000
    assert ran(log) == 6
    assert len(ParslFile(os.path.join(runinfo, "001", "checkpoint", "tasks.pkl"))) == 6, "hits are carried along"


@pytest.fixture
def runinfo(tmp_path: Path) -> str:
    return str(tmp_path / "runinfo")


BOTH = """
import json, sys
if sys.argv[1] == "parsl":
    import parsl
else:
    from parsl_on_dask.importing.alias import install
    install()
    import parsl
from parsl.config import Config
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import ThreadPoolExecutor
from parsl.utils import get_last_checkpoint

log = []

@parsl.python_app(cache=True)
def area(width, height=2, note=None):
    log.append((width, height))
    return {"area": width * height, "note": note}

@parsl.python_app(cache=True, ignore_for_cache=["note"])
def noted(x, note=""):
    log.append(x)
    return x

@parsl.bash_app(cache=True)
def touch(name, times=2):
    return f"echo {name} >> touched"

options = {"parsl_layout": True} if sys.argv[1] == "ours" else {}
memoizer = BasicMemoizer(checkpoint_mode="task_exit", checkpoint_files=get_last_checkpoint("runinfo"), **options)
with parsl.load(Config(executors=[ThreadPoolExecutor()], run_dir="runinfo", memoizer=memoizer)):
    futures = [area(1), area(1, height=3), area((1, 2), note=[None, 1.5]), area("ab", 2), noted(1, note=sys.argv[1]),
               touch("here")]
    results = [f.result() for f in futures]
print(json.dumps([len(log), results, sorted({f.task_status() for f in futures})]))
"""


def test_a_campaign_moves_between_parsl_and_this_package(tmp_path: Path) -> None:
    import json

    from tests.front_door.programs import forked, write

    parsl_python = os.environ.get("PARSL_PYTHON", "")
    if not os.path.exists(parsl_python):
        pytest.skip("no real Parsl to compare with: set PARSL_PYTHON to the Python of an environment that has it")
    write(tmp_path, "campaign.py", BOTH)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    seen = []
    for who in ("parsl", "ours", "parsl"):
        if who == "ours":
            done = forked(tmp_path, "campaign.py", who)
        else:
            done = subprocess.run(
                [parsl_python, "campaign.py", who],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=100,
            )
        assert done.returncode == 0, done.stderr
        seen.append(json.loads(done.stdout.splitlines()[-1]))
    assert seen[0][0] == 5 and seen[0][2] == ["exec_done"]
    for count, results, statuses in seen[1:]:
        assert (count, results, statuses) == (0, seen[0][1], ["memo_done"])
    assert text_of(tmp_path / "touched") == "here\n"


# ---------------------------------------------------------------- a directory for many runs


def test_runs_share_a_directory_one_after_the_other(run: Run, log: str, tmp_path: Path) -> None:
    shared = tmp_path / "shared" / "cache"
    for number in range(3):
        with run(memoizer(directory=shared, checkpoint_files=[]), run_dir=str(tmp_path / f"runs-{number}")) as kernel:
            squares(log, range(3 * number + 3))
            assert kernel.checkpoint() == str(shared)
            assert not os.path.exists(os.path.join(kernel.run_dir, "checkpoint"))
    assert ran(log) == 9 and len(recorded(shared)) == 9
    assert os.stat(shared).st_mode & 0o777 == 0o700


@on_threads
def test_runs_share_a_directory_at_the_same_time(make_config: Any, log: str, tmp_path: Path) -> None:
    from parsl_on_dask.dataflow.dflow import DataFlowKernel

    shared = str(tmp_path / "shared")
    kernels = [
        DataFlowKernel(make_config(memoizer=memoizer(directory=shared), run_dir=str(tmp_path / f"runs-{i}")))
        for i in range(3)
    ]
    apps = [python_app(scaled, cache=True, data_flow_kernel=kernel) for kernel in kernels]

    def work(app: Any) -> None:
        for x in range(100):
            assert app(log, x, 2).result(WAIT) == 2 * x

    threads = [threading.Thread(target=work, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    for kernel in kernels:
        kernel.cleanup()
    assert ran(log) == 300, "each of them knows what was there when it began"
    with DataFlowKernel(make_config(memoizer=memoizer(directory=shared), run_dir=str(tmp_path / "runs-4"))) as kernel:
        app = python_app(scaled, cache=True, data_flow_kernel=kernel)
        assert [f.result(WAIT) for f in [app(log, x, 2) for x in range(100)]] == [2 * x for x in range(100)]
    assert ran(log) == 300


# ---------------------------------------------------------------- why not?


def test_why_a_call_was_not_reused(run: Run, log: str) -> None:
    app = python_app(scaled, cache=True)
    with run(memoizer()):
        for x in range(3):
            app(log, x, scale=10).result(WAIT)
    with run(memoizer()):
        future = app(log, 2, scale=11)
        future.result(WAIT)
        answer = explain(future)
        assert not answer.found and answer.different == ("keyword scale",), "what it recorded itself does not count"
        answer = explain((app, (log, 2), {"scale": 12}))
        assert not answer.found and answer.different == ("keyword scale",)
        assert "12" in str(answer) and "NO" in str(answer)
        answer = explain(partial(app, log, 2, scale=10))
        assert answer.found and answer.different == ()
        answer = explain((app, (log + "x", 1), {"scale": 10}))
        assert not answer.found and len(answer.different) == 1 and "argument 0" in answer.different[0]
        other = python_app(text_of, cache=True)
        assert explain((other, ("x",), {})).nearest is None
    assert ran(log) == 4


def test_why_not_before_it_runs(run: Run, log: str) -> None:
    with run(memoizer("manual")) as kernel:
        for x in range(2):
            square(log, x).result(WAIT)
        kernel.checkpoint()
        miss = square(log, 7)
        miss.result(WAIT)
        answer = explain(miss)
        assert not answer.found and answer.compared == 2 and len(answer.different) == 1
        assert "7" in str(answer)


def test_why_not_with_policies(run: Run, log: str) -> None:
    with run(memoizer()):
        python_app(scaled, cache=Cache(version="1"))(log, 1, 2).result(WAIT)
        again = python_app(scaled, cache=Cache(version="2"))
        answer = explain((again, (log, 1, 2), {}))
        assert not answer.found and len(answer.different) == 1, str(answer)
        assert explain((python_app(scaled, cache=Cache(version="1")), (log, 1, 2), {})).found
        assert not explain((python_app(scaled, cache=Cache(identity="source")), (log, 1, 2), {})).found
        assert not explain((python_app(scaled, cache=True), (log, 1, 2), {})).found
