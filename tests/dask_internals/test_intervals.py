"""distributed still takes the interval of its messages from code, in the way that we change it."""

from __future__ import annotations

import inspect
import subprocess
import sys

from parsl_on_dask.dask_internals.intervals import shorten


def test_batched_send_takes_its_interval_as_first_argument() -> None:
    from distributed.batched import BatchedSend

    assert list(inspect.signature(BatchedSend.__init__).parameters)[1] == "interval"
    assert BatchedSend(interval="5ms").interval == 0.005


def test_a_process_of_ours_has_short_intervals() -> None:
    program = (
        "from parsl_on_dask.dask_internals.intervals import shorten_in_this_process as s\n"
        "s(); s()\n"
        "from distributed.batched import BatchedSend\n"
        "print(BatchedSend(interval='5ms').interval, BatchedSend('2ms', loop=None).interval)\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["0.0002", "0.0002"]


def test_a_clients_connection_has_an_interval_to_shorten() -> None:
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        assert shorten(client)
        assert client.scheduler_comm.interval == 0.0002


def test_a_client_without_one_is_left_alone() -> None:
    assert not shorten(object())
