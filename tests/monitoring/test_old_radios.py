"""What scripts and plug-ins of Parsl before 2025 do with a hub and with radios."""

from __future__ import annotations

import os
import queue
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.monitoring import MonitoringHub, radios
from parsl_on_dask.monitoring.message_type import MessageType
from parsl_on_dask.monitoring.radios import filesystem, htex, multiprocessing, udp
from parsl_on_dask.old_spellings.legacy import forget_warnings
from tests import kernels
from tests.monitoring.runs import Record

WARM = True

URL = "udp://127.0.0.1:55055"


@pytest.fixture(scope="module")
def config_name() -> str:
    return "processes"


@pytest.fixture(autouse=True)
def warned_again() -> None:
    forget_warnings()


def block(label: str) -> tuple[MessageType, list[dict[str, Any]]]:
    row = {"executor_label": label, "block_id": "1", "timestamp": datetime.now(), "status": "HELD"}
    return MessageType.BLOCK_INFO, [row]


@python_app
def send_them(run_dir):
    import datetime
    import warnings

    from parsl_on_dask.monitoring import radios
    from parsl_on_dask.monitoring.message_type import MessageType

    warnings.simplefilter("ignore")
    url = "udp://127.0.0.1:55055"
    made = {
        "udp": radios.UDPRadio(url, 3),
        "udp sender": radios.UDPRadioSender(url, timeout=5),
        "htex": radios.HTEXRadio(monitoring_url=url, source_id=3, timeout=10),
        "htex sender": radios.HTEXRadioSender(url),
        "zmq sender": radios.ZMQRadioSender("127.0.0.1", 55056),
        "files": radios.FilesystemRadio(monitoring_url=url, source_id=3, run_dir=run_dir),
        "files sender": radios.FilesystemRadioSender(monitoring_url=url, run_dir=run_dir),
    }
    for label, radio in made.items():
        assert isinstance(radio, radios.MonitoringRadioSender)
        row = {"executor_label": label, "block_id": "1", "timestamp": datetime.datetime.now(), "status": "HELD"}
        radio.send((MessageType.BLOCK_INFO, [row]))
    return sorted(made)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_old_radios_send_is_recorded(load: Callable[..., Any], tmp_path: Path) -> None:
    kernel = load(monitoring=MonitoringHub(), run_dir=str(tmp_path))
    sent = send_them(kernel.run_dir).result()
    # from the script itself, which is where executors and plug-ins send from
    radios.UDPRadio(URL, 3).send(block("from the script"))
    kernels.unload()
    record = Record(tmp_path / "monitoring.db")
    labels = {row["executor_label"] for row in record.rows("block") if row["status"] == "HELD"}
    assert labels == {*sent, "from the script"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nobody_listens() -> None:
    with pytest.raises(RuntimeError, match="nobody records"):
        radios.UDPRadioSender(URL).send(block("lost"))


def test_files_that_others_may_write_are_not_read(load: Callable[..., Any], tmp_path: Path) -> None:
    kernel = load(monitoring=MonitoringHub(), run_dir=str(tmp_path))
    filesystem.FilesystemRadioSender(run_dir=kernel.run_dir).send(block("evil"))
    folder = Path(kernel.run_dir) / "monitor-fs-radio" / "new"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    os.chmod(folder, 0o777)
    kernels.unload()
    assert len(list(folder.iterdir())) == 1
    assert Record(tmp_path / "monitoring.db").rows("block", status="HELD") == []


@pytest.mark.parametrize(
    ("name", "today"),
    [
        ("FilesystemRadio", filesystem.FilesystemRadio),
        ("HTEXRadio", htex.HTEXRadio),
        ("MultiprocessingQueueRadio", multiprocessing.MultiprocessingQueueRadio),
    ],
)
def test_old_names_without_arguments_describe_a_radio(name: str, today: type) -> None:
    with pytest.warns(DeprecationWarning, match=rf"has moved: write parsl.monitoring.radios.\w+.{name}\."):
        old = getattr(radios, name)
    assert type(old()) is today


def test_todays_udp_radio_by_its_old_name() -> None:
    with pytest.warns(DeprecationWarning, match=r"radios.udp.UDPRadio\."):
        radio = radios.UDPRadio(address="127.0.0.1", port=5)
    assert type(radio) is udp.UDPRadio and radio.port == 5
    with pytest.raises(ConfigurationError, match="address"):
        radios.UDPRadio()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_queue() -> None:
    messages: queue.Queue[Any] = queue.Queue()
    radios.MultiprocessingQueueRadio(messages).send("hello")
    assert messages.get(timeout=1) == "hello"


def test_no_such_name() -> None:
    with pytest.raises(AttributeError):
        radios.Nothing  # noqa: B018


def test_messages_of_a_hub(load: Callable[..., Any], tmp_path: Path) -> None:
    hub = MonitoringHub()
    load(monitoring=hub, run_dir=str(tmp_path))
    hub.send(block("together"))
    hub.send(*block("apart"))
    hub.resource_msgs.put(block("queue"))
    kernels.unload()
    rows = Record(tmp_path / "monitoring.db").rows("block", status="HELD")
    assert [row["executor_label"] for row in rows] == ["together", "apart", "queue"]


@pytest.mark.parametrize("form", ["today", "2024", "2022"])
def test_a_hub_is_started_by_hand(tmp_path: Path, form: str, caplog: pytest.LogCaptureFixture) -> None:
    hub, run = MonitoringHub(), str(tmp_path / "007")
    if form == "today":
        hub.start(run, str(tmp_path), None)
    elif form == "2024":
        hub.start("3d7a-run-id", run, tmp_path)  # type: ignore[arg-type]
    else:
        hub.start(run_id="3d7a-run-id", run_dir=run)
    assert hub.logging_endpoint == f"sqlite:///{tmp_path}/monitoring.db"
    hub.send(block("nobody began a run"))
    hub.close()
    assert Record(tmp_path / "monitoring.db").rows("workflow") == []
    assert "1 messages are not recorded" in caplog.text


def test_a_function_is_given_back_unwrapped() -> None:
    def double(x: int) -> int:
        return 2 * x

    with pytest.warns(DeprecationWarning, match="wraps nothing"):
        assert MonitoringHub.monitor_wrapper(double, try_id=0, task_id=1) is double
    wrapped, args, kwargs = MonitoringHub.monitor_wrapper(double, (2,), {}, 0, 1, URL, "run", 10, 1.0, "udp", True, ".")
    assert wrapped(*args, **kwargs) == 4
