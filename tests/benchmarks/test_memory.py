"""The workloads that look at memory, and what they look with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.runner import following
from benchmarks.script import PROGRESS
from benchmarks.sizes import listener, peak, resident
from benchmarks.workloads import many

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("behind", ["future", "workers"])
def test_waiting_calls_are_measured_and_then_run(behind: str) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.workloads.waiting", "ours", "threads"),
            json.dumps({"n": 100, "behind": behind}),
        ],
        **{"cwd": ROOT, "capture_output": True, "text": True, "timeout": 100},
    )
    assert ended.returncode == 0, ended.stderr
    values = json.loads(ended.stdout.splitlines()[-1])["values"]
    assert "kb_per_call" in values and values["submit_us"] > 0


def test_the_scheduler_is_told_from_the_workers(tmp_path: Path) -> None:
    found = tmp_path / "run.json"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--only", "many", "--set", "many.n=1000", "--systems", "ours"),
            *("--repeat", "1", "--json", str(found)),
        ],
        **{"cwd": ROOT, "capture_output": True, "text": True, "timeout": 100},
    )
    assert ended.returncode == 0, ended.stderr
    medians = {line["name"]: line["medians"]["ours"] for line in json.loads(found.read_text())["lines"]}
    assert set(medians) == {"many", "many-client", "many-scheduler", "many-worker"}
    assert all(value is not None and value > 0 for value in medians.values()), medians


def test_a_process_is_found_by_the_port_it_listens_on() -> None:
    program = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert listener(port) == process.pid
        process.communicate(b"\n", timeout=10)
    assert listener(port) is None


def test_a_peak_outlasts_what_made_it() -> None:
    block = bytearray(os.urandom(1) * 60_000_000)
    high = resident()
    del block
    assert peak(os.getpid()) >= high > 60_000_000


def test_progress_counts_the_finished_and_names_the_processes() -> None:
    class Call:
        def __init__(self, done: bool) -> None:
            self.done = lambda: done

    watch = many.Watch(8000, [Call(i < 2000) for i in range(4000)], scheduler=7)
    watch.peaks = {os.getpid(): 3_000_000, 7: 2_000_000, 8: 1_000_000, 9: 500_000}
    assert watch.figures() == {"client_mb": 3.0, "scheduler_mb": 2.0, "largest_worker_mb": 1.0}
    told = watch.progress()
    assert "4,000 of 8,000 calls submitted, about 2,000 finished" in told
    assert "client 3 MB, scheduler 2 MB, largest worker 1 MB" in told
    watch.scheduler = None
    assert watch.figures() == {"client_mb": 3.0, "largest_other_mb": 2.0}


def test_lines_of_progress_are_passed_on_whole_and_once(tmp_path: Path) -> None:
    errors, said = tmp_path / "stderr", []
    with following(errors, said.append), errors.open("w") as file:
        file.write(f"a warning\n{PROGRESS}one\n{PROGRESS}tw")
        file.flush()
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.05)
        assert said == ["  one"]
        file.write(f"o\n{PROGRESS}three")
        file.flush()
    assert said == ["  one", "  two", "  three"]
