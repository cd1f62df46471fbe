"""What a process uses: the fast reading and psutil say the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from parsl_on_dask.remote import usage
from parsl_on_dask.remote.usage import PACKED, Meter, descendants
from tests.helpers import eventually

NAMES = ["time", "pid", "percent", "children", "user", "system", "virtual", "resident", "read", "written", "state"]
NAMES += ["cpu", "voluntary", "involuntary"]

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="there is no /proc on this system")


def psutil_alone() -> Meter:
    """A meter as on a system without ``/proc``."""
    meter = Meter()
    meter.statm = meter.io = None
    return meter


def test_both_ways_agree() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import time; x = b'x' * 30_000_000; print('up', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    ) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            one, two = (dict(zip(NAMES, meter.full(), strict=True)) for meter in (Meter(), psutil_alone()))
        finally:
            child.kill()
    for name in ("pid", "children"):
        assert one[name] == two[name]
    assert one["children"] >= 1
    for name in ("percent", "virtual", "resident", "read", "user"):
        assert one[name] == pytest.approx(two[name], rel=0.2), name
    assert one["resident"] > psutil.Process().memory_info().rss + 25e6


def test_work_shows() -> None:
    meter = Meter()
    before = dict(zip(NAMES, meter.quick(), strict=True))
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    hog = b"x" * 50_000_000
    after = dict(zip(NAMES, meter.quick(), strict=True))
    assert after["user"] + after["system"] - before["user"] - before["system"] == pytest.approx(0.2, abs=0.15)
    assert after["resident"] - before["resident"] > 30e6
    assert after["time"] > before["time"]
    del hog


def test_children_that_have_ended_count() -> None:
    meter = Meter()
    before = dict(zip(NAMES, meter.full(), strict=True))
    code = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    after = dict(zip(NAMES, meter.full(), strict=True))
    assert after["user"] + after["system"] - before["user"] - before["system"] > 0.25
    assert after["children"] == before["children"]


def test_children_of_children(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/bash", "-c", "sleep 61 & sleep 62 & wait"]) as shell:
        try:
            eventually(lambda: len(list(descendants(shell.pid))) == 2, "both sleeps run", 20)
            found = set(descendants(shell.pid))
            assert found == {p.pid for p in psutil.Process(shell.pid).children(recursive=True)}
        finally:
            for process in psutil.Process(shell.pid).children(recursive=True):
                process.kill()


def test_a_kernel_that_lists_no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> list[int]:
        raise FileNotFoundError(f"/proc/{pid}/task/{pid}/children")

    with subprocess.Popen(["sleep", "61"]) as child:
        try:
            before = Meter().full()[3]
            monkeypatch.setattr(usage, "descendants", refuse)
            assert Meter().full()[3] == before >= 1
        finally:
            child.kill()


def test_a_sample_travels() -> None:
    sample = Meter().full()
    assert PACKED.unpack(PACKED.pack(*sample)) == tuple(map(float, sample))
    assert usage.STATES[chr(int(sample[10]))] in ("running", "sleeping", "disk-sleep")


def test_a_sample_is_cheap() -> None:
    """A sampler that takes one a second has to take less than 2 % of a core: 20 ms of CPU time each."""
    meter = Meter()
    meter.full()
    began = time.thread_time()
    for _ in range(20):
        meter.full()
    assert (time.thread_time() - began) / 20 < 0.02
