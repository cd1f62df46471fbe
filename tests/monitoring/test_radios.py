"""Radios: taken by every executor, and working for whoever calls them."""

from __future__ import annotations

import pickle
import queue
import socket
import stat
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.monitoring import MonitoringHub
from parsl_on_dask.monitoring.errors import MonitoringRouterStartError
from parsl_on_dask.monitoring.message_type import MessageType
from parsl_on_dask.monitoring.radios.filesystem import FilesystemRadio
from parsl_on_dask.monitoring.radios.htex import HTEXRadio
from parsl_on_dask.monitoring.radios.multiprocessing import MultiprocessingQueueRadio
from parsl_on_dask.monitoring.radios.udp import UDPRadio
from tests import kernels
from tests.monitoring.runs import Record

WARM = True

RADIOS = [FilesystemRadio, HTEXRadio, MultiprocessingQueueRadio, lambda: UDPRadio(address="127.0.0.1", port=0)]


@python_app
def double(x):
    return 2 * x


@python_app
def report(status):
    import datetime

    from parsl_on_dask.monitoring.message_type import MessageType
    from parsl_on_dask.monitoring.radios.htex import HTEXRadio

    row = {"executor_label": "app", "block_id": "1", "timestamp": datetime.datetime.now(), "status": status}
    HTEXRadio().create_sender().send((MessageType.BLOCK_INFO, [row]))


@pytest.mark.parametrize("radio", [FilesystemRadio, MultiprocessingQueueRadio, lambda: UDPRadio(address="127.0.0.1")])
def test_messages_arrive(radio: Callable[[], Any], tmp_path: Path) -> None:
    described = radio()
    with pytest.raises(MonitoringRouterStartError, match="no receiver"):
        described.create_sender()
    messages: queue.Queue[Any] = queue.Queue()
    receiver = described.create_receiver(run_dir=str(tmp_path), resource_msgs=messages)
    if not isinstance(described, MultiprocessingQueueRadio):  # which reaches no further than its queue
        described = pickle.loads(pickle.dumps(described))
    sender = described.create_sender()
    sent = [(MessageType.TASK_INFO, {"task_id": i}) for i in range(3)]
    for message in sent:
        sender.send(message)
    got = [messages.get(timeout=20) for _ in sent]
    assert sorted(m[1]["task_id"] for m in got) == [0, 1, 2]
    sender.send(sent[0])
    receiver.shutdown()
    assert messages.get(timeout=1) == sent[0]


def test_a_datagram_of_somebody_else_is_not_read() -> None:
    radio = UDPRadio(address="127.0.0.1")
    messages: queue.Queue[Any] = queue.Queue()
    receiver = radio.create_receiver(run_dir=".", resource_msgs=messages)
    assert radio.port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"x" * 64 + pickle.dumps("evil"), ("127.0.0.1", radio.port))
    radio.create_sender().send("good")
    assert messages.get(timeout=20) == "good"
    receiver.shutdown()
    assert messages.empty()


def test_files_are_the_owners_only(tmp_path: Path) -> None:
    radio = FilesystemRadio()
    receiver = radio.create_receiver(run_dir=str(tmp_path), resource_msgs=queue.Queue())
    receiver.shutdown()
    assert stat.S_IMODE((tmp_path / "monitor-fs-radio").stat().st_mode) == 0o700


def test_wrong_arguments() -> None:
    with pytest.raises(ConfigurationError, match="hmac_digest"):
        UDPRadio(address="127.0.0.1", hmac_digest="rot13")
    with pytest.raises(ConfigurationError, match="address"):
        UDPRadio(address=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("radio", RADIOS)
def test_every_executor_takes_every_radio(
    radio: Callable[[], Any], make_executor: Callable[..., Any], load: Callable[..., Any], tmp_path: Path
) -> None:
    executor = make_executor(remote_monitoring_radio=radio())
    load(executors=[executor], monitoring=MonitoringHub(), run_dir=str(tmp_path))
    future = double(4)
    assert future.result() == 8
    tid = future.tid
    kernels.unload()
    record = Record(tmp_path / "monitoring.db")
    assert record.on_worker(tid) == [(0, "running"), (0, "running_ended")]
    assert not (Path(record.one("workflow")["rundir"]) / "monitor-fs-radio").exists()


def test_an_app_sends_messages_of_its_own(load: Callable[..., Any], config_name: str, tmp_path: Path) -> None:
    load(monitoring=MonitoringHub(), run_dir=str(tmp_path))
    future = report("HELD")
    if config_name == "existing":  # whose workers do not have the package
        with pytest.raises(ImportError):
            future.result()
    else:
        future.result()
        kernels.unload()
        assert Record(tmp_path / "monitoring.db").one("block", executor_label="app")["status"] == "HELD"


class Inline(ParslExecutor):
    """An executor of somebody else's making."""

    label = "inline"

    def __init__(self, radio: Any) -> None:
        super().__init__()
        self.remote_monitoring_radio = radio

    def start(self) -> None:
        row = {"executor_label": "inline", "block_id": "0", "timestamp": datetime.now(), "status": "RUNNING"}
        self.monitoring_messages.put((MessageType.BLOCK_INFO, [row]))

    def submit(self, func: Any, resource_specification: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        row = {"executor_label": "inline", "block_id": "1", "timestamp": datetime.now(), "status": "HELD"}
        self.remote_monitoring_radio.create_sender().send((MessageType.BLOCK_INFO, [row]))
        future: Future[Any] = Future()
        future.set_result(func(*args, **kwargs))
        return future

    def shutdown(self) -> None:
        super().shutdown()


def test_an_executor_of_somebody_elses(load: Callable[..., Any], config_name: str, tmp_path: Path) -> None:
    if config_name != "threads":
        return
    load(executors=[Inline(FilesystemRadio())], monitoring=MonitoringHub(), run_dir=str(tmp_path))
    future = double(3)
    assert future.result() == 6
    kernels.unload()
    record = Record(tmp_path / "monitoring.db")
    assert record.states(future.tid) == [(0, "pending"), (0, "launched"), (0, "exec_done")]
    assert sorted(row["status"] for row in record.rows("block", executor_label="inline")) == ["HELD", "RUNNING"]
