"""The most likely mistakes of people who come from Parsl or from Dask, and whether the texts say what to write."""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import pytest

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, executors, join_app, launchers, providers, python_app
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.futures import AppFuture
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.errors import ConfigurationError, NoDataFlowKernelError, ParslError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor
from tests.front_door.programs import FRONT, forked, write
from tests.helpers import WAIT

NAMES = {
    "parsl": parsl,
    **{f.__name__: f for f in (python_app, bash_app, join_app)},
    **{name: getattr(where, name) for where in (executors, providers, launchers) for name in where.__all__},
    "Config": Config,
    "BasicMemoizer": BasicMemoizer,
    "MPIExecutor": executors.MPIExecutor,
    "local_threads": importlib.import_module("parsl_on_dask.configs.local_threads"),
}


@python_app
def inc(x: Any) -> Any:
    return x + 1


@python_app
def word() -> str:
    return "abc"


@pytest.fixture
def made_by_dask() -> Iterator[dict[str, Any]]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield {"cluster": cluster, "client": client}


# ---------------------------------------------------------------- configurations


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # executors
        ("Config(executors=ThreadPoolExecutor())", "Write a list, executors=[ThreadPoolExecutor(...)]"),
        ("Config(executors=[ThreadPoolExecutor])", "executors=[ThreadPoolExecutor()]"),
        ("Config(executors=ThreadPoolExecutor)", "executors=[ThreadPoolExecutor()]"),
        ("Config(executors=['threads'])", "ThreadPoolExecutor(label='threads')"),
        ("Config(executors=['tcp://10.0.0.1:8786'])", "executors=[DaskExecutor('tcp://10.0.0.1:8786')]"),
        ("Config(executors=[LocalProvider()])", "HighThroughputExecutor(provider=LocalProvider(...))"),
        ("Config(executors=[HighThroughputExecutor(), HighThroughputExecutor()])", "its own label="),
        ("Config(executors=[__import__('concurrent.futures').futures.ThreadPoolExecutor()])", "from parsl.executors"),
        ("Config(executor=[ThreadPoolExecutor()])", "Write executors="),
        ("Config(max_workers_per_node=3)", "belongs to the executor, HighThroughputExecutor(max_workers_per_node=...)"),
        # load
        ("parsl.load(ThreadPoolExecutor())", "parsl.load(Config(executors=[ThreadPoolExecutor(...)]))"),
        ("parsl.load([ThreadPoolExecutor()])", "parsl.load(Config(executors=[...]))"),
        ("parsl.load(Config)", "with parentheses"),
        ("parsl.load('tcp://10.0.0.1:8786')", "DaskExecutor('tcp://10.0.0.1:8786')"),
        ("parsl.load(local_threads)", "parsl.load(local_threads.config)"),
        ("parsl.load(lambda: Config())", "call it"),
        ("parsl.load(executors=[ThreadPoolExecutor()])", "parsl.load(Config(executors=...))"),
        # workers
        ("HighThroughputExecutor(workers_per_node=4)", "Write max_workers_per_node="),
        ("HighThroughputExecutor(max_worker_per_node=4)", "Write max_workers_per_node="),
        ("HighThroughputExecutor(n_workers=4)", "Write max_workers_per_node="),
        ("HighThroughputExecutor(max_worker=4)", "Write max_workers_per_node="),
        ("HighThroughputExecutor(maxworkers=4)", "Write max_workers_per_node="),
        ("HighThroughputExecutor(maxWorkersPerNode=4)", "Write max_workers_per_node="),
        ("MPIExecutor(max_workers=4)", "Write max_workers_per_block="),
        ("ThreadPoolExecutor(max_worker=4)", "Write max_threads="),
        ("ThreadPoolExecutor(maxthreads=4)", "Write max_threads="),
        ("HighThroughputExecutor(worker_init='x')", "belongs to the provider"),
        ("HighThroughputExecutor(walltime='01:00:00')", "belongs to the provider"),
        ("HighThroughputExecutor(4)", "Write max_workers_per_node=4"),
        ("HighThroughputExecutor(LocalProvider())", "provider=LocalProvider(...)"),
        ("HighThroughputExecutor(provider=LocalProvider)", "provider=LocalProvider(...)"),
        ("HighThroughputExecutor(provider='slurm')", "SlurmProvider('partition')"),
        ("HighThroughputExecutor(provider=SrunLauncher())", "SlurmProvider(launcher=SrunLauncher())"),
        ("HighThroughputExecutor(mem_per_worker='4GB')", "mem_per_worker=4"),
        ("HighThroughputExecutor(launch_cmd='my_worker_pool.py')", "WrappedLauncher("),
        ("ThreadPoolExecutor(4)", "Write max_threads=4"),
        ("ThreadPoolExecutor(max_workers=4)", "Write max_threads="),
        # providers
        ("SlurmProvider('debug', walltime=30)", "'00:30:00' for 30 minutes"),
        ("SlurmProvider('debug', walltime='1:30')", "'01:30:00' or '00:01:30'"),
        ("SlurmProvider('debug', walltime='2h')", "'02:00:00'"),
        ("SlurmProvider('debug', walltime='90 minutes')", "'01:30:00'"),
        ("SlurmProvider('debug', walltime='00:00:00')", "no time at all"),
        ("SlurmProvider('debug', walltime='soon')", "HH:MM:SS"),
        ("SlurmProvider('debug', launcher=SrunLauncher)", "launcher=SrunLauncher()"),
        ("SlurmProvider('debug', launcher='srun')", "launcher=SrunLauncher()"),
        ("SlurmProvider('debug', launcher='nothing')", "SingleNodeLauncher()"),
        ("SlurmProvider('debug', nodes=2)", "Write nodes_per_block="),
        ("SlurmProvider('debug', scheduler_options=['#SBATCH -C x'])", "lines of text"),
        ("PBSProProvider(partition='debug')", "Write queue="),
        ("SlurmProvider('debug', node=2)", "Write nodes_per_block="),
        ("SlurmProvider('debug', wall_time='01:00:00')", "Write walltime="),
        ("LocalProvider(initblocks=3)", "Write init_blocks="),
        ("LocalProvider(max_worker=3)", "HighThroughputExecutor(max_workers_per_node=...)"),
        ("SrunLauncher(override='-n 1')", "Write overrides="),
        ("LocalProvider(max_workers=3)", "HighThroughputExecutor(max_workers=...)"),
        ("LocalProvider(channel=parsl.channels.SSHChannel('host'))", "Run the script on host"),
        ("SlurmProvider('debug', channel='ssh')", "Write no channel at all"),
        # Dask
        ("DaskExecutor()", "DaskExecutor('tcp://10.0.0.1:8786')"),
        ("DaskExecutor('10.0.0.1')", "'tcp://10.0.0.1:8786'"),
        ("DaskExecutor(n_workers=4)", "HighThroughputExecutor(max_workers_per_node=4)"),
        ("DaskExecutor(max_worker=4)", "HighThroughputExecutor(max_workers_per_node=4)"),
        ("DaskExecutor(adress='tcp://a:1')", "Write address="),
        ("DaskExecutor(schedulerfile='a.json')", "Write scheduler_file="),
        ("DaskExecutor(host=['node1'])", "Write hosts="),
        ("DaskExecutor('tcp://a:1', maxblocks=4)", "Write max_blocks="),
        ("DaskExecutor(jobqueue='slurm', max_jobs=4)", "Did you mean max_blocks?"),
        ("DaskExecutor(scheduler='tcp://a:1')", "DaskExecutor('tcp://a:1')"),
        ("DaskExecutor(cluster='tcp://a:1')", "DaskExecutor('tcp://a:1')"),
        ("DaskExecutor(client='tcp://a:1')", "DaskExecutor('tcp://a:1')"),
        ("DaskExecutor(queue='debug')", "DaskExecutor(jobqueue='slurm', queue=...)"),
        ("DaskExecutor(jobqueue='slurm', walltime='1h')", "'01:00:00'"),
        # decorators
        ("python_app(lambda: 1, executors='htex')", "executors=['htex']"),
        ("python_app('htex')", "by name"),
        ("python_app(lambda: 1, executor='htex')", "executors=['label']"),
        ("python_app(lambda: 1, retries=3)", "Config(retries=...)"),
        ("python_app(lambda: 1, retry=3)", "Config(retries=...)"),
        ("python_app(lambda: 1, memoize=True)", "cache=True"),
        ("python_app(lambda: 1, ignoreforcache=['x'])", "Write ignore_for_cache="),
        ("bash_app(lambda: 1, std_out='out.txt')", "def f(..., stdout=...)"),
        ("Config(retry=3)", "Write retries="),
        ("Config(checkpointmode='task_exit')", "Write checkpoint_mode="),
        ("Config(memoizer=BasicMemoizer(checkpointmode='task_exit'))", "Write checkpoint_mode="),
        ("parsl.load(executers=[])", "parsl.load(Config(executors=...))"),
        ("bash_app(lambda: 1, stdout='out.txt')", "def f(..., stdout=...)"),
        ("bash_app(lambda: 1, timeout=3)", "def f(..., walltime=...)"),
        ("python_app(lambda: 1, gpus=1)", "parsl_resource_specification="),
        ("join_app(lambda: 1, nothing=1)", "It takes function"),
        ("python_app(__import__('dask').delayed(len))", "the function itself"),
        # nothing is loaded
        ("python_app(len)('abc')", "parsl.load()"),
        ("parsl.dfk()", "parsl.load()"),
        ("parsl.wait_for_current_tasks()", "parsl.load()"),
    ],
)
def test_a_wrong_argument(text: str, words: str) -> None:
    with pytest.raises((TypeError, ParslError)) as caught:
        eval(text, dict(NAMES))
    said = " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert words in said, said
    assert "\n" not in said, "no dump of whole objects"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: Config(executors=[d["client"]]), "DaskExecutor(client=client)"),
        (lambda d: Config(executors=d["client"]), "parsl.load(client)"),
        (lambda d: Config(executors=[d["cluster"]]), "DaskExecutor(cluster=cluster)"),
        (lambda d: HighThroughputExecutor(provider=d["cluster"]), "DaskExecutor(cluster=cluster)"),
        (lambda d: DaskExecutor(d["client"]), "DaskExecutor(client=...)"),
        (lambda d: DaskExecutor(d["cluster"]), "DaskExecutor(cluster=...)"),
    ],
)
def test_a_client_or_a_cluster_where_it_does_not_belong(
    made_by_dask: dict[str, Any], make: Callable[[Any], Any], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(made_by_dask)
    assert words in str(caught.value)


def test_a_client_that_is_closed(existing_cluster: str, tmp_path: Path) -> None:
    from distributed import Client

    with Client(existing_cluster, set_as_default=False) as client:
        pass
    with pytest.raises(ConfigurationError, match="was closed before"):
        parsl.load(Config(executors=[DaskExecutor(client=client)], run_dir=str(tmp_path)))


def test_users_classes_keep_pythons_rules() -> None:
    class Any_(HighThroughputExecutor):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)

    class Own(HighThroughputExecutor):
        def __init__(self, size: int) -> None:
            super().__init__(max_workers_per_node=size)

    assert Any_(max_workers_per_node=2).max_workers_per_node == 2
    assert Own(size=3).max_workers_per_node == 3
    with pytest.raises(TypeError, match="'sizes'. Write size="):
        Own(sizes=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Any_(colour="blue")


def test_signatures_stay() -> None:
    assert list(inspect.signature(python_app).parameters)[:3] == ["function", "data_flow_kernel", "cache"]
    assert next(iter(inspect.signature(parsl.load).parameters)) == "config"
    assert next(iter(inspect.signature(Config).parameters)) == "executors"


# ---------------------------------------------------------------- futures and apps, on each executor


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: inc(1) + 1, "future.result()"),
        (lambda: 1 - inc(1), "future.result()"),
        (lambda: sum([inc(1), inc(2)]), "future.result()"),
        (lambda: inc(1) > 1, "'>' was used on the future of app 'inc'"),
        (lambda: sorted([inc(1), inc(2)]), "future.result()"),
        (lambda: list(inc(1)), "AppFuture"),
        (lambda: len(word()), "AppFuture"),
        (lambda: open(word()), "AppFuture"),
        (lambda: inc(1).compute(), "future.result()"),
        (lambda: inc(1).get(), "future.result()"),
        (lambda: word().upper(), "future.result().upper(...)"),
        (lambda: inc(1).persist(), "stays on its worker"),
        (lambda: inc(1).status == "finished", "future.done()"),
        (lambda: inc(1).status != "finished", "future.done()"),
        (lambda: inc.map([1, 2]), "[inc(x) for x in xs]"),
        (lambda: inc.submit(1), "inc(...) returns a future"),
        (lambda: inc.compute(), "inc(...).result()"),
        (lambda: inc.result(), "inc(...).result()"),
        (lambda: bash_app(lambda outputs=(): "true")(outputs=["out.txt"]), "File('out.txt')"),
        (lambda: parsl.load(), "parsl.clear()"),
    ],
)
def test_a_future_or_an_app_used_as_something_else(kernel: Any, use: Callable[[], Any], words: str) -> None:
    with pytest.raises((TypeError, AttributeError, ParslError)) as caught:
        use()
    assert words in str(caught.value), str(caught.value)


def test_what_is_no_mistake(kernel: Any) -> None:
    """The checks are in nobody's way."""
    one, other = inc(1), inc(1)
    assert one != other and one == one and one in [other, one] and len({one, other}) == 2
    assert bool(one) and not callable(one)
    part = number(3 + 4j).imag
    assert isinstance(part, AppFuture)
    assert part.result(WAIT) == 4 and part in [part] and part != 4 and part != "4" and len({part, part}) == 1
    assert inc(number(3).real).result(WAIT) == 4
    assert not hasattr(inc, "map") and not hasattr(inc, "result")


@python_app
def number(x: complex) -> complex:
    return x


def failure(future: Any) -> str:
    error = future.exception(WAIT)
    assert error is not None
    return f"{type(error).__name__}: {error}"


def test_calls_that_fail(kernel: Any, config_name: str) -> None:
    @bash_app
    def forgot() -> Any:
        "echo something"

    @bash_app
    def shows(inputs: Any = ()) -> str:
        return f"cat {inputs[0].filepath}"

    @join_app
    def no_future() -> Any:
        return 5

    @python_app
    def nested() -> Any:
        return inc(1).result()

    assert "'forgot' must return the command to run" in failure(forgot())
    assert "File('a.txt')" in failure(shows(inputs=["a.txt"]))
    assert "make 'no_future' a python_app" in failure(no_future())
    assert f"the loaded Config has '{config_name}'" in failure(python_app(len, executors=["other"])("abc"))
    wanted = python_app(lambda parsl_resource_specification=None: 1)(parsl_resource_specification={"cores": 2})
    assert "WorkQueueExecutor takes cores" in failure(wanted)
    ranks = python_app(lambda parsl_resource_specification=None: 1)(parsl_resource_specification={"num_nodes": 2})
    assert "MPIExecutor takes num_nodes" in failure(ranks)
    if config_name != "threads":  # where the script's own kernel is there
        said = failure(nested())
        assert "on a worker" in said and "join_app" in said and "inc.func(...)" in said


def test_an_exit_code_says_where_to_look(kernel: Any) -> None:
    error = bash_app(lambda: "no_such_command_at_all")().exception(WAIT)
    assert str(error) == "bash_app <lambda> failed with unix exit code 127", "which scripts may compare"
    if sys.version_info >= (3, 11):
        assert "not found" in error.__notes__[0] and "stderr=" in error.__notes__[0]


LOCK = threading.Lock()


def test_what_cannot_be_pickled_is_named(kernel: Any, config_name: str) -> None:
    if config_name == "threads":
        pytest.skip("threads share objects")
    lock = threading.Lock()

    class Model:
        def __init__(self) -> None:
            self.connection = threading.Lock()

    def uses_global() -> Any:
        return LOCK.locked()

    uses_global.__module__ = "__main__"
    assert "because of its variable 'lock' of the function around it" in failure(python_app(lambda: lock.locked())())
    assert "because of its attribute 'connection', a lock" in failure(inc(Model()))
    assert "because of its element 'a', a lock" in failure(inc({"a": lock}))
    said = failure(inc(lock))
    assert "argument 0, a lock," in said and "ThreadPoolExecutor" in said and said.count("ThreadPoolExecutor") == 1


# ---------------------------------------------------------------- Dask's tools, and asyncio's


def test_what_dask_does_with_futures_of_apps(kernel: Any, existing_client: Any) -> None:
    import distributed

    assert existing_client.gather([inc(1)]) == [2]
    assert dask.compute(inc(1), [inc(2)]) == (2, [3])
    completed = distributed.as_completed([inc(1)], loop=existing_client.loop)
    assert [f.key.partition("-")[0] for f in completed] == ["inc"]


def test_an_app_given_to_a_client(kernel: Any, config_name: str) -> None:
    if config_name != "processes":
        pytest.skip("workers that have this package, and are not the script itself")
    client = kernel.executors[config_name].lane.client
    with pytest.raises(NoDataFlowKernelError, match=r"inc.func\(...\)"):
        client.submit(inc, 1, pure=False).result(WAIT)
    assert client.submit(inc.func, 1, pure=False).result(WAIT) == 2


def test_waiting_with_asyncio(kernel: Any) -> None:
    async def every_way() -> list[Any]:
        found = [await inc(1), *await asyncio.gather(inc(2), inc(3))]
        done, pending = await asyncio.wait([inc(4), inc(5)], timeout=WAIT)  # type: ignore[type-var]
        found += sorted(f.result() for f in done)
        assert not pending
        for one in asyncio.as_completed([inc(6)]):
            found.append(await one)
        return found

    assert asyncio.run(every_way()) == [2, 3, 4, 5, 6, 7]


def test_giving_up_a_wait_with_asyncio(kernel: Any, gate: str, tmp_path: Path) -> None:
    from tests.helpers import hold

    async def short() -> Any:
        return await asyncio.wait([held], timeout=0.05)

    held = python_app(hold)(str(tmp_path / "started"), gate, 3)
    done, pending = asyncio.run(short())
    assert not done and pending == {held}
    Path(gate).touch()
    assert held.result(WAIT) == 3
    assert concurrent.futures.wait([held], WAIT).done == {held}


# ---------------------------------------------------------------- whole scripts

FORGETS = """
    import time
    import parsl
    from parsl import python_app
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor

    parsl.load(Config(executors=[HighThroughputExecutor(max_workers_per_node=1)]))

    @python_app
    def slow(i):
        time.sleep(60)

    futures = [slow(i) for i in range(3)]
    {end}
    """


def test_a_script_that_does_not_wait_is_told(tmp_path: Path) -> None:
    write(tmp_path, "program.py", FORGETS.format(end=""))
    done = forked(tmp_path, *FRONT, "program.py")
    assert done.returncode == 0
    assert "ended before 3 of its tasks were done (3 of app 'slow')" in done.stderr
    assert "parsl.wait_for_current_tasks()" in done.stderr


@pytest.mark.parametrize(
    "end", ["parsl.clear = None; 1 / 0", "for f in futures: f.cancel()\n    parsl.dfk().cleanup()"]
)
def test_a_script_that_fails_or_cleans_up_is_not_told(tmp_path: Path, end: str) -> None:
    write(tmp_path, "program.py", FORGETS.format(end=end))
    done = forked(tmp_path, *FRONT, "program.py")
    assert "given up" not in done.stderr, done.stderr


def test_a_module_that_workers_do_not_have(existing_cluster: str, tmp_path: Path) -> None:
    write(tmp_path, "only_here.py", "def f(x): return x\n")
    write(
        tmp_path,
        "program.py",
        f"""
        import only_here, parsl
        from parsl.config import Config
        from parsl.executors import DaskExecutor

        parsl.load(Config(executors=[DaskExecutor({existing_cluster!r})]))
        print(parsl.python_app(only_here.f)(1).exception(60))
        """,
    )
    said = forked(tmp_path, *FRONT, "program.py").stdout
    assert "No module named 'only_here'" in said and "Install" in said, said
