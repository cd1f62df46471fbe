"""Batch systems that take a job away and say so by a signal: workers leave, what waits goes elsewhere."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.clusters import blockspec
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.launchers import WrappedLauncher
from parsl_on_dask.providers import LocalProvider
from tests.helpers import WAIT, alive, append, eventually, text_of
from tests.kernels import unload

#: Seconds between a signal and the end of the job.
NOTICE = 6.0


def until(gate: str, path: str, i: int) -> tuple[int, str]:
    """Note the beginning; then wait until `gate` is there."""
    append(path, f"{i}\n")
    while not os.path.exists(gate):
        time.sleep(0.02)
    return i, os.environ["PARSL_WORKER_BLOCK_ID"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A function that loads an executor of one worker in each block."""
    monkeypatch.setattr(blockspec, "NOTICE", NOTICE)

    def load(strategy: str = "simple", **options: Any) -> Any:
        provider = LocalProvider(launcher=WrappedLauncher("env"), **options)
        executor = HighThroughputExecutor("noticed", provider, max_workers_per_node=1)
        run_dir = str(tmp_path / "runs")
        parsl.load(parsl.Config([executor], strategy=strategy, strategy_period=0.2, run_dir=run_dir, retries=0))
        return executor

    yield load
    unload()


def supervisors(executor: Any, block: str = "0") -> list[psutil.Process]:
    """The process that keeps a block's workers, and its children."""
    # the script hears of a worker a moment after the worker has begun a call
    eventually(lambda: any(w["block"] == block for w in executor.lane.workers()), "its worker is known", WAIT)
    worker = next(w for w in executor.lane.workers() if w["block"] == block)
    parent = psutil.Process(worker["pid"]).parent()
    assert parent is not None
    return [parent, *parent.children()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_what_runs_gets_to_its_end_and_the_rest_goes_elsewhere(
    run: Callable[..., Any], tmp_path: Path, number: signal.Signals
) -> None:
    """All processes of the job get the signal, as with most batch systems. No call begins twice, no retry is spent."""
    executor = run(max_blocks=2)
    gate, begun = str(tmp_path / "gate"), str(tmp_path / "begun")
    running = parsl.python_app(until)(gate, begun, 0)
    eventually(lambda: text_of(begun), "it runs", WAIT)
    told = supervisors(executor)
    for process in told:
        process.send_signal(number)
    waiting = [parsl.python_app(until)(gate, begun, i) for i in range(1, 4)]
    eventually(lambda: any(m["draining"] for m in executor.connected_managers()), "the worker is leaving", WAIT)
    assert alive(told[0].pid) and not running.done()
    Path(gate).touch()
    assert running.result(WAIT) == (0, "0")
    assert {future.result(WAIT) for future in waiting} == {(i, "1") for i in (1, 2, 3)}
    assert sorted(text_of(begun).split()) == ["0", "1", "2", "3"]
    eventually(lambda: executor.status()["0"].state is JobState.COMPLETED, "the block has ended well", WAIT)


def test_a_call_that_is_cut_off_costs_no_retry(run: Callable[..., Any], tmp_path: Path) -> None:
    executor = run(max_blocks=1)
    gate, begun = str(tmp_path / "gate"), str(tmp_path / "begun")
    long = parsl.python_app(until)(gate, begun, 0)
    eventually(lambda: text_of(begun), "it runs", WAIT)
    told = supervisors(executor)
    told[0].send_signal(signal.SIGTERM)
    eventually(lambda: any(m["draining"] for m in executor.connected_managers()), "the worker is leaving", WAIT)
    os.killpg(os.getpgid(told[0].pid), signal.SIGKILL)
    eventually(lambda: text_of(begun).count("0") == 2, "it begins again", WAIT)
    Path(gate).touch()
    assert long.result(WAIT) == (0, "1")
    assert long.task_record["fail_count"] == 0


def test_nothing_is_begun_that_cannot_end(run: Callable[..., Any], tmp_path: Path) -> None:
    """With no other block the calls wait; a job that goes on after all is used again."""
    executor = run("none")
    gate, begun = str(tmp_path / "gate"), str(tmp_path / "begun")
    first = parsl.python_app(until)(gate, begun, 0)
    eventually(lambda: text_of(begun), "it runs", WAIT)
    [supervisor, *_] = supervisors(executor)
    supervisor.send_signal(signal.SIGTERM)
    eventually(lambda: any(m["draining"] for m in executor.connected_managers()), "the worker is leaving", WAIT)
    second = parsl.python_app(until)(gate, begun, 1)
    Path(gate).touch()
    assert first.result(WAIT) == (0, "0")
    eventually(lambda: executor.status()["0"].terminal, "the block has ended", WAIT)
    assert not second.done()
    executor.scale_out_facade(1)
    assert second.result(WAIT) == (1, "1")


def test_a_block_that_is_given_back_does_not_linger(run: Callable[..., Any], tmp_path: Path) -> None:
    """The script's own SIGTERM is no notice."""
    executor = run("none")
    begun = str(tmp_path / "begun")
    forever = parsl.python_app(until)(str(tmp_path / "no gate"), begun, 0)
    eventually(lambda: text_of(begun), "it runs", WAIT)
    told = supervisors(executor)
    parsl.dfk().cleanup()
    assert not any(alive(process.pid) for process in told)
    assert forever.exception() is not None


def test_what_a_call_starts_can_be_ended(run: Callable[..., Any]) -> None:
    """Workers outlive SIGTERM; their children do not inherit that."""
    run()

    @parsl.python_app
    def ended() -> list[int | None]:
        import multiprocessing
        import subprocess
        import time

        codes = set()
        for _ in range(20):  # also those that have only just begun
            forked = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
            forked.start()
            forked.terminate()
            forked.join(10)
            codes.add(forked.exitcode)
        started = subprocess.Popen(["sleep", "60"])
        started.terminate()
        return [*codes, started.wait(30)]

    assert ended().result(WAIT) == [-signal.SIGTERM, -signal.SIGTERM]
