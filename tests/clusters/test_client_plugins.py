"""Nothing of a client is left on a cluster that is not ours."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.clusters import client_plugins, existing, roster
from parsl_on_dask.executors import DaskExecutor
from tests import interpreters
from tests.helpers import WAIT, eventually

SCRIPT = """
import sys, time
import parsl_on_dask as parsl
from parsl_on_dask.executors import DaskExecutor

@parsl.python_app
def value(x):
    return x

parsl.load(parsl.Config(executors=[DaskExecutor(sys.argv[1])], run_dir="runs", initialize_logging=False))
print([f.result() for f in [value(i) for i in range(30)]][-1], len(value("x" * 3_000_000).result()), flush=True)
time.sleep(600)
"""


@python_app
def value(x: Any) -> Any:
    return x


def on_scheduler(dask_scheduler: Any) -> dict[str, list[str]]:
    ours = {
        "plugins": list(dask_scheduler.plugins),
        "worker plugins": list(dask_scheduler.worker_plugins),
        "nanny plugins": list(dask_scheduler.nanny_plugins),
        # Dask itself has an empty one for each client that ever was there
        "topics": [name for name in dask_scheduler._broker._topics if not name.startswith("Client-")],
        "callbacks": list(dask_scheduler.periodic_callbacks),
        "handlers": [*dask_scheduler.handlers, *dask_scheduler.stream_handlers],
        "keys": [str(key) for key in dask_scheduler.tasks],
    }
    return {what: found for what, names in ours.items() if (found := [n for n in names if "parsl" in n])}


def on_worker(dask_worker: Any) -> dict[str, list[str]]:
    import os
    import sys
    import threading

    # the homes of users' base classes, and what Python and Dask keep for ever
    stay = ["_parsl_on_dask_lasting"] + [
        f"parsl_on_dask{rest}"
        for rest in ("", ".data_provider", ".data_provider.files", ".serialize", ".serialize.base")
    ]
    ours = {
        "plugins": list(dask_worker.plugins),
        "handlers": list(dask_worker.handlers),
        "modules": [name for name in sys.modules if name not in stay],
        "files": os.listdir(dask_worker.local_directory) if hasattr(dask_worker, "local_directory") else [],
        "threads": [thread.name for thread in threading.enumerate()],
        "keys": [str(key) for key in getattr(dask_worker, "data", ())],
    }
    return {what: found for what, names in ours.items() if (found := [n for n in names if "parsl" in n])}


def left(client: Any) -> list[Any]:
    found = [client.run_on_scheduler(on_scheduler)]
    for nanny in (False, True):
        found += client.run(on_worker, nanny=nanny).values()
    return [each for each in found if each]


def config(executors: list[Any], run_dir: Path, **more: Any) -> Any:
    return parsl.Config(executors=executors, run_dir=str(run_dir), initialize_logging=False, **more)


def settled(client: Any, what: str) -> None:
    try:
        eventually(lambda: not left(client), what, 20)
    except AssertionError as e:
        raise AssertionError(f"{e}: {left(client)}") from None


def test_what_a_client_wanted_before_it_connected_again(
    existing_cluster: str, existing_client: Any, tmp_path: Path
) -> None:
    """Dask takes a client's new connection before it notices the end of the old one, and forgets the client then."""

    def connect_again(name: str, dask_scheduler: Any) -> None:
        from distributed.scheduler import ClientState

        dask_scheduler.clients[name] = ClientState(name)

    settled(existing_client, "what other tests had there has gone")
    executor = DaskExecutor(existing_cluster)
    parsl.load(config([executor], tmp_path))
    future = value(b"x" * 3_000_000)
    assert future.exception(WAIT) is None
    existing_client.run_on_scheduler(connect_again, executor.lane.client.id)
    parsl.clear()
    settled(existing_client, "nothing is left of it")


@pytest.mark.parametrize("given", ["address", "client", "two labels"])
def test_after_clear(given: str, existing_cluster: str, existing_client: Any, tmp_path: Path) -> None:
    settled(existing_client, "what other tests had there has gone")
    own = {"client": existing_client} if given == "client" else {"address": existing_cluster}
    executors = [DaskExecutor(label=label, **own) for label in ("one", "other")[: 1 + (given == "two labels")]]
    for _ in range(2):
        parsl.load(config(executors, tmp_path))
        apps = [python_app(lambda x: x, executors=[executor.label]) for executor in executors]
        assert [f.result(WAIT) for f in [app(i) for i in range(30) for app in apps]][-1] == 29
        assert len(value(b"x" * 3_000_000).result(WAIT)) == 3_000_000
        assert left(existing_client), "something is there to be removed"
        parsl.clear()
        settled(existing_client, "nothing is left of it")
    assert existing_client.submit(abs, -4, pure=False).result(WAIT) == 4


def test_a_class_that_derives_from_one_of_ours_has_its_base_at_the_next_client(
    existing_cluster: str, existing_client: Any, tmp_path: Path
) -> None:
    class Named(parsl.File):
        """Goes by value."""

    @python_app
    def known(named: Any) -> bool:
        import sys

        from parsl_on_dask.data_provider.files import File

        sys.something_that_keeps_the_class = type(named)  # type: ignore[attr-defined]
        return isinstance(named, File)

    settled(existing_client, "what other tests had there has gone")
    for _ in range(2):
        parsl.load(config([DaskExecutor(existing_cluster)], tmp_path))
        assert all(f.result(WAIT) for f in [known(Named(f"/{i}")) for i in range(20)])
        parsl.clear()
        settled(existing_client, "nothing else is left of it")


def test_with_monitoring(existing_cluster: str, existing_client: Any, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    hub = parsl.monitoring.MonitoringHub(resource_monitoring_interval=0.2)
    parsl.load(config([DaskExecutor(existing_cluster)], tmp_path, monitoring=hub))
    assert [f.result(WAIT) for f in [value(i) for i in range(10)]][-1] == 9
    parsl.clear()
    settled(existing_client, "nothing is left of it")


def test_one_that_leaves_takes_nothing_from_another(existing_cluster: str, tmp_path: Path) -> None:
    from parsl_on_dask.dataflow.dflow import DataFlowKernel

    with DataFlowKernel(config([DaskExecutor(existing_cluster, label="stays")], tmp_path)) as stays:
        app = python_app(abs, data_flow_kernel=stays)
        assert app(-1).result(WAIT) == 1
        with interpreters.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), existing_cluster], cwd=tmp_path, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None and other.stdout.readline()
            other.kill()
        assert [f.result(WAIT) for f in [app(-i) for i in range(30)]] == list(range(30))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_a_client_that_is_killed(number: int, existing_cluster: str, existing_client: Any, tmp_path: Path) -> None:
    with interpreters.Popen(
        [sys.executable, "-c", SCRIPT, existing_cluster],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as script:
        assert script.stdout is not None
        assert script.stdout.readline() == b"29 3000000\n"
        assert left(existing_client)
        os.kill(script.pid, number)
        script.wait(30)
    settled(existing_client, "the scheduler noticed, and removed all of it")


def test_a_client_is_told_once_that_workers_have_come_or_gone() -> None:
    told: list[str] = []
    scheduler = SimpleNamespace(
        periodic_callbacks={}, workers={}, running=(), log_event=lambda topic, message: told.append(topic)
    )

    async def play() -> list[int]:
        plugin = client_plugins._scheduler_plugin("parsl-plugin", "somebody", True)
        await plugin.start(scheduler)
        look = scheduler.periodic_callbacks["parsl-plugin"]
        look.stop()
        counts = []
        for came, went in (0, 0), (0, 0), (3, 0), (0, 2), (0, 0):
            for _ in range(came):
                plugin.add_worker(scheduler, "tcp://a:1")
            for _ in range(went):
                plugin.remove_worker(scheduler, "tcp://a:1", stimulus_id="why")
            look.callback()
            counts.append(len(told))
        return counts

    assert asyncio.run(play()) == [1, 1, 2, 3, 3], "first that it will be told, then of changes"
    assert set(told) == {"parsl-somebody-workers"}


def test_an_existing_cluster_asks_for_its_workers_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(roster, "time", SimpleNamespace(monotonic=lambda: clock.now))
    cluster = object.__new__(existing.ExistingCluster)
    cluster.roster = roster.PolledRoster(cluster)
    cluster.client = SimpleNamespace(loop=SimpleNamespace(add_callback=lambda ask: asked.append(1)))  # type: ignore[assignment]
    cluster.told = False
    cluster.roster.take({"a": {"nthreads": 2}, "b": {"nthreads": 3}})
    assert cluster.slots() == 5
    cluster.refresh()
    assert len(asked) == 1, "nobody has said that it will be told"
    cluster._news()
    assert len(asked) == 2
    for seconds, expected in ((1.0, 2), (1.0, 2), (28.0, 3), (1.0, 3)):
        clock.now += seconds
        cluster.refresh()
        assert len(asked) == expected, "in case that a message was lost"
