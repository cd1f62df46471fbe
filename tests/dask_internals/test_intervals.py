"""distributed still takes the interval of its messages from code, in the way that we change it."""

from __future__ import annotations

import inspect
import subprocess
import sys

from parsl_on_dask.dask_internals.intervals import shorten


def test_shorten_in_this_process_is_needed() -> None:
    from distributed.batched import BatchedSend

    assert list(inspect.signature(BatchedSend.__init__).parameters)[1] == "interval"
    assert BatchedSend(interval="5ms").interval == 0.005


def test_shorten_in_this_process() -> None:
    program = (
        "from parsl_on_dask.dask_internals.intervals import shorten_in_this_process as s\n"
        "s(); s()\n"
        "from distributed.batched import BatchedSend\n"
        "print(BatchedSend(interval='5ms').interval, BatchedSend('2ms', loop=None).interval)\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["0.0002", "0.0002"]


def test_space_heartbeats_is_needed() -> None:
    from distributed import scheduler

    assert scheduler.heartbeat_interval(1) == 0.5 and scheduler.heartbeat_interval(2000) == 11


def test_space_heartbeats() -> None:
    program = (
        "from distributed import LocalCluster\n"
        "from parsl_on_dask.dask_internals.intervals import space_heartbeats\n"
        "import time\n"
        "space_heartbeats(3.0)\n"
        "with LocalCluster(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=':0') as cluster:\n"
        "    callback = cluster.workers[0].periodic_callbacks['heartbeat']\n"
        "    deadline = time.monotonic() + 60\n"
        "    while callback.callback_time != 3000 and time.monotonic() < deadline:\n"
        "        time.sleep(0.02)\n"
        "    print(callback.callback_time)\n"
        "from distributed import scheduler\n"
        "print(scheduler.heartbeat_interval(2000))\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert [float(word) for word in out.split()] == [3000, 11]


def test_shorten() -> None:
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0") as client:
        assert shorten(client)
        assert client.scheduler_comm.interval == 0.0002


def test_shorten_without_a_connection() -> None:
    assert not shorten(object())
