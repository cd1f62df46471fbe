"""One feature suite over three executors: in-process threads, local processes, a Dask cluster that exists already."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import types
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

from tests import helpers, interpreters, kernels
from tests.helpers import SESSION_TAG, Script, address_in, describe, eventually, listening_ports, start_script, tagged
from tests.kernels import CONFIG_NAMES, cluster_processes, executor_for, own_children, unload

HIDING = '''\
"""Makes this Python unable to import the package under test and the tests, its children included."""
import sys
from importlib.machinery import PathFinder


class HidingFinder(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] in {"parsl_on_dask", "parsl", "tests"}:
            return None
        return super().find_spec(fullname, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = HidingFinder
'''


CLUSTER_SETTINGS = {
    "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver",
    "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "2s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "2s",
}
"""Workers that die are replaced soon. Dask seldom looks at itself; else it takes an eighth of a core for nothing."""


EXTENDED = (
    # long runs, other people's tests and programs, batch systems
    *("tests/benchmark/", "tests/benchmarks/", "tests/chaos/", "tests/conformance/", "tests/hpc/", "tests/programs/"),
    "tests/release/test_build.py",
    # blocks of nodes, each with interpreters of its own; how they are asked for is core
    *(f"tests/clusters/test_{name}.py" for name in ("allocated", "block_trouble", "blocks", "draining", "hosts")),
    *(f"tests/clusters/test_{name}.py" for name in ("notice", "pythons")),
    "tests/executors/test_mpi.py",
    # commands of batch systems, notebooks, whole examples
    *("tests/providers/test_batch.py", "tests/front_door/test_notebook.py", "tests/examples/"),
    # killed at many moments; the ends of several interpreters
    *("tests/checkpoint/test_durability.py", "tests/common/test_late_threads.py"),
    *("tests/features/test_walltime_of_jobs.py", "tests/lanes/test_blocks_come_and_go.py"),
    # servers of S3, SSH and others; workers that share no disk
    *("tests/data_provider/test_fsspec_staging.py", "tests/data_provider/test_dask_transfer_isolated.py"),
    # pages, a browser, a database, a real Parsl
    *(
        "tests/clusters/test_dask_page.py",
        "tests/monitoring/test_pages_browser.py",
        "tests/monitoring/test_postgres.py",
    ),
    *("tests/checkpoint/test_parsl_itself.py", "tests/monitoring/test_parsl_itself.py"),
    *(f"tests/monitoring/test_{name}.py" for name in ("pages", "pages_odd", "report", "robust")),
)
"""Folders and files whose tests are not part of the core suite; single ones are marked ``extended``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--everything", action="store_true", help="run the extended tests beside the core suite, too")
    parser.addoption("--dask-on-threads", action="store_true", help="executors of threads have a Dask cluster at once")
    parser.addoption("--core", action="store_true", help="leave extended tests out of what is named")


def pytest_configure(config: pytest.Config) -> None:
    # what a shell starts in the background is deaf to Ctrl-C, and so is what that starts; some tests try it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # nothing of what is collected goes away before the end
    config.option.loadscopereorder = False  # files with few tests are not the short ones, which are to come last
    # what the command line names is run; without that, it is the core suite
    if hasattr(config, "workerinput"):
        config.option.core = config.workerinput["core"]
    elif config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.markexpr:
        config.option.core = not config.option.everything
    config.addinivalue_line("markers", "extended: not part of the core suite, which pytest runs when nothing is named")
    config.addinivalue_line("markers", "timeout: seconds after which pytest-timeout ends the test")
    os.environ[SESSION_TAG] = uuid.uuid4().hex
    if config.getoption("dask_on_threads"):
        start_with_dask()
    cloudpickle.register_pickle_by_value(helpers)


def start_with_dask() -> None:
    """Have executors of threads make their Dask clusters when they start, and not when somebody asks."""
    from parsl_on_dask.lanes.threads import ThreadsLane

    init = ThreadsLane.__init__

    def __init__(lane: Any, executor: Any) -> None:
        init(lane, executor)
        assert lane.client.status == "running"

    ThreadsLane.__init__ = __init__  # type: ignore[method-assign]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    place = collection_path.relative_to(config.rootpath).as_posix() + "/" * collection_path.is_dir()
    return True if config.option.core and place.startswith(EXTENDED) else None


@pytest.hookimpl(hookwrapper=True)
def pytest_collect_file() -> Iterator[None]:
    """Examples in docstrings are the package's; no test module is searched for them."""
    outcome = yield
    found = outcome.get_result()  # type: ignore[attr-defined]
    outcome.force_result([node for node in found if type(node) in (pytest.Module, pytest.Package)])  # type: ignore[attr-defined]


def pytest_collection_finish() -> None:
    # else each time that garbage is looked for, all tests are looked at
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_itemcollected(item: pytest.Item) -> None:
    # what a test module defines travels by value: no worker can import the module
    if item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(180))
    if item.nodeid.startswith(EXTENDED):
        item.add_marker(pytest.mark.extended)
    module = getattr(item, "module", None)
    if isinstance(module, types.ModuleType) and module.__name__ in sys.modules:
        cloudpickle.register_pickle_by_value(module)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["core"] = node.config.option.core


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.core:
        extended = [item for item in items if item.get_closest_marker("extended")]
        config.hook.pytest_deselected(items=extended)
        items[:] = [item for item in items if item not in {*extended}]


@pytest.hookimpl(hookwrapper=True)
def pytest_report_to_serializable() -> Iterator[None]:
    """When several processes share the work, reports travel as UTF-8, also of tests of texts that it does not have."""
    outcome = yield
    outcome.force_result(encodable(outcome.get_result()))  # type: ignore[attr-defined]


def encodable(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, dict):
        return {key: encodable(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(map(encodable, data))
    return data


def remaining(session: str) -> list[psutil.Process]:
    return [*{*tagged(SESSION_TAG, session), *psutil.Process().children(recursive=True)}]


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """After the last test no process that the session started runs, and this process listens on no new port.

    Supervisors of local blocks are forked, but for tests about their start, which ask for `fresh_supervisors`.
    """
    ports = listening_ports()
    interpreters.warm_starts()
    yield
    interpreters.close()
    session = os.environ[SESSION_TAG]
    try:
        eventually(lambda: not remaining(session), "every process of the session has ended")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{describe(remaining(session))}") from None
    assert listening_ports() <= ports


def cluster_python(directory: Path, module: str, *args: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **CLUSTER_SETTINGS, "PYTHONPATH": str(directory / "site")}
    with open(directory / f"{module}.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            cwd=directory / "work",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    cluster_processes.append(psutil.Process(process.pid))
    return process


@pytest.fixture(scope="session")
def existing_cluster(nothing_left_behind: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of two single-threaded workers, on which nothing of ours can be imported."""
    directory = tmp_path_factory.mktemp("existing")
    for name in ("site", "work"):
        (directory / name).mkdir()
    (directory / "site" / "sitecustomize.py").write_text(HIDING)
    file = directory / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    scheduler = cluster_python(
        directory, "distributed.cli.dask_scheduler", *common, "--host", "127.0.0.1", "--port", "0"
    )
    address: str = eventually(lambda: address_in(file), "the scheduler has started", 60)
    workers = cluster_python(
        directory,
        "distributed.cli.dask_worker",
        *common,
        *("--host", "127.0.0.1", "--nworkers", "2", "--nthreads", "1", "--local-directory", str(directory / "work")),
    )
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield address
    for process in (workers, scheduler):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="session")
def warm_workers(nothing_left_behind: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of two worker processes that kernels share in modules with ``WARM = True``."""
    from parsl_on_dask.lanes import remote_lane
    from tests import warm

    remote_lane.open_cluster = kernels.open_cluster
    directory = tmp_path_factory.mktemp("warm")
    with warm.started(executor_for("processes", None), directory) as cluster:
        cluster_processes.append(psutil.Process(cluster.keeper.process.pid))
        yield cluster


@pytest.fixture
def fresh_supervisors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that keep local workers are started by a fresh Python."""
    monkeypatch.setattr("parsl_on_dask.clusters.supervisor.subprocess", subprocess)


@pytest.fixture
def existing_client(existing_cluster: str) -> Iterator[Any]:
    """A Dask client of the existing cluster that belongs to the user."""
    from distributed import Client

    with Client(existing_cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="module", params=CONFIG_NAMES)
def config_name(request: pytest.FixtureRequest) -> str:
    """Which executor the test runs on. A module overrides this fixture to leave some out."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def make_executor(config_name: str, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A function that makes a fresh executor; keywords go to its constructor."""
    return lambda **options: executor_for(config_name, request, **options)


@pytest.fixture(scope="module")
def make_config(make_executor: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """A function that makes a fresh Config; keywords go to its constructor."""

    def make(warm: bool | None = None, **options: Any) -> Any:
        from parsl_on_dask.config import Config

        if "executors" not in options:
            options["executors"] = [make_executor(warm=warm)]
        options.setdefault("run_dir", str(tmp_path_factory.mktemp("runinfo")))
        options.setdefault("strategy", "none")
        return Config(**options)

    return make


@pytest.fixture(scope="module")
def kernel(make_config: Callable[..., Any], request: pytest.FixtureRequest) -> Iterator[Any]:
    """A loaded kernel that the tests of a module share; the module's dict CONFIG holds its Config arguments."""
    config = make_config(**getattr(request.module, "CONFIG", {}))
    before = own_children()
    yield kernels.load(config)
    unload()
    try:
        eventually(lambda: own_children() <= before, "the processes of the kernel have ended")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{describe([*own_children() - before])}") from None


@pytest.fixture
def load(make_config: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """A function that loads a kernel for one test; keywords go to its Config. Not for modules that use `kernel`."""
    yield lambda **options: kernels.load(make_config(**options))
    unload()


@pytest.fixture
def nothing_loaded() -> Iterator[None]:
    """Whatever the test loads is shut down behind it."""
    yield
    unload()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[str]:
    """The path of a file that lets calls of `helpers.hold` end; made at the end of the test in any case."""
    path = tmp_path / "gate"
    yield str(path)
    path.touch()


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    """A function that starts a script (see `helpers.start_script`); what it leaves is killed after the test."""
    started: list[Script] = []

    def start(text: str, *args: str, **options: Any) -> Script:
        directory = tmp_path / f"script{len(started)}"
        directory.mkdir()
        started.append(start_script(directory, text, *args, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()
