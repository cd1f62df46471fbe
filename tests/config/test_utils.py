"""Helpers that scripts import."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from parsl_on_dask import addresses
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.process_loggers import wrap_with_logs
from parsl_on_dask.utils import (
    AutoCancelTimer,
    RepresentationMixin,
    Timer,
    execute_wait,
    get_all_checkpoints,
    get_last_checkpoint,
    sanitize_dns_label_rfc1123,
    sanitize_dns_subdomain_rfc1123,
    time_limited_open,
    wtime_to_minutes,
)
from tests.helpers import alive, eventually


def test_checkpoints_of_runs(tmp_path):
    for run in ("998", "1000", "999", "notes"):
        (tmp_path / run / "checkpoint").mkdir(parents=True)
    (tmp_path / "1001").mkdir()
    (tmp_path / "monitoring.db").touch()
    assert get_last_checkpoint(str(tmp_path)) == [str(tmp_path / "1000" / "checkpoint")]
    assert get_all_checkpoints(tmp_path) == [
        str(tmp_path / run / "checkpoint") for run in ("998", "999", "1000", "notes")
    ]


class Part(RepresentationMixin):
    def __init__(self, first, second="two", *, third=3):
        self.first, self.third = first, third


class Checked(Part):
    _validate_repr = True


def test_representation():
    assert repr(Part(1)) == "Part(1, second='<unrecorded>', third=3)"
    assert repr(Part("x" * 80)).splitlines()[1] == f"    {'x' * 80!r},"
    with pytest.raises(AttributeError, match="second"):
        repr(Checked(1))


@pytest.mark.parametrize(("text", "minutes"), [("01:30:59", 90), ("00:00:30", 0), ("100:00:00", 6000)])
def test_walltimes(text, minutes):
    assert wtime_to_minutes(text) == minutes


@pytest.mark.parametrize("text", ["1:30", "", "a:b:c"])
def test_bad_walltimes(text):
    with pytest.raises(ValueError, match="HH:MM:SS"):
        wtime_to_minutes(text)


def test_dns_names():
    assert sanitize_dns_label_rfc1123("Under__Score!!" + "a" * 80) == ("under-score-" + "a" * 80)[:63]
    assert len(sanitize_dns_subdomain_rfc1123(".".join(["a" * 63] * 5))) <= 253
    with pytest.raises(ValueError, match="Sanitized DNS label is empty for input '@'"):
        sanitize_dns_label_rfc1123("@")
    with pytest.raises(ValueError, match=r"Sanitized DNS subdomain is empty for input '\.\.'"):
        sanitize_dns_subdomain_rfc1123("..")


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path):
    os.mkfifo(tmp_path / "pids")
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit((tmp_path / "pids").read_text)
        with pytest.raises(subprocess.TimeoutExpired):
            execute_wait(f"exec 3> {tmp_path}/pids; echo $$ >&3; sleep 900 & echo $! >&3; exec 3>&-; wait", walltime=2)
        pids = [int(pid) for pid in told.result().split()]
    eventually(lambda: not any(map(alive, pids)), "both have ended")


def test_timer_goes_on_after_an_exception():
    calls = []
    twice = threading.Event()

    def callback(word):
        calls.append(word)
        if len(calls) == 2:
            twice.set()
        raise RuntimeError

    timer = Timer(callback, "tick", interval=0.01)
    assert twice.wait(5)
    timer.close()
    assert set(calls) == {"tick"}


def test_auto_cancel_timer():
    fired = threading.Event()
    with AutoCancelTimer(0.2, fired.set):
        pass
    assert not fired.wait(0.3)


def test_open_waits_for_the_file(tmp_path):
    path = tmp_path / "late"
    threading.Timer(0.1, path.write_text, ["there"]).start()
    with time_limited_open(path, "r", seconds=5) as file:
        time.sleep(0.05)
        assert file.name == str(path)
    with pytest.raises(FileNotFoundError), time_limited_open(tmp_path / "never", "r", seconds=0.1):
        pass


def test_wrap_with_logs(caplog):
    caplog.set_level("DEBUG")

    @wrap_with_logs
    def good():
        return 5

    @wrap_with_logs(target="parsl.test")
    def bad():
        raise RuntimeError("on purpose")

    assert good() == 5
    assert "Normal ending" in caplog.text
    with pytest.raises(RuntimeError):
        bad()
    assert "Exceptional ending" in caplog.text


def test_an_unknown_interface_lists_those_there_are():
    with pytest.raises(OSError, match=r"address_by_interface\('nonsense0'\): .*Interfaces of this machine: .*lo"):
        addresses.address_by_interface("nonsense0")


def test_address_by_query_asks_nobody_and_says_so(monkeypatch):
    legacy.forget_warnings()
    monkeypatch.setattr(addresses, "address_by_route", lambda: "10.1.2.3")
    with pytest.warns(UserWarning, match="no internet service"):
        assert addresses.address_by_query() == "10.1.2.3"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert addresses.address_by_query(timeout=3) == "10.1.2.3"


@pytest.mark.parametrize(
    ("address", "port", "url"),
    [
        ("127.0.0.1", "55001", "tcp://127.0.0.1:55001"),
        ("::ffff:127.0.0.1", 55001, "tcp://[::ffff:127.0.0.1]:55001"),
        ("::ffff:127.0.0.1", None, "tcp://::ffff:127.0.0.1"),
        ("*", 55001, "tcp://*:55001"),
    ],
)
def test_tcp_url(address, port, url):
    assert addresses.tcp_url(address, port) == url


def test_a_configuration_imports_nothing_heavy():
    code = (
        "import sys, parsl_on_dask.config, parsl_on_dask.providers, parsl_on_dask.launchers, parsl_on_dask.channels;"
        "print([m for m in ('dask', 'distributed', 'numpy', 'psutil', 'requests') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_class_shows_the_parameters_of_its_constructor() -> None:
    """Some versions of Python show those of ``__new__``, where a class has both. An instance has its own."""

    class Site(RepresentationMixin):
        def __init__(self, name: str, nodes: int = 1) -> None:
            self.name, self.nodes = name, nodes

        def __call__(self, command: str) -> str:
            return command

    assert list(inspect.signature(Site).parameters) == ["name", "nodes"]
    assert list(inspect.signature(Site("theta")).parameters) == ["command"]
