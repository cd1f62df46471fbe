"""One call of a batch misbehaves: the others run elsewhere, none is lost, none runs twice, and it alone pays."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import python_app
from parsl_on_dask.app.errors import AppTimeout
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from tests.helpers import WAIT, eventually, text_of
from tests.lanes.traffic import Traffic, at_rest, occupied, short_calls

CONFIG = {"initialize_logging": False, "retries": 0}
#: How many calls there are, and which of them misbehaves.
MANY, ODD = 100, 50
DEADLY = ("exits", "is killed")


def act(folder: str, i: int, odd: int, deed: str) -> int:
    """Note the beginning; one of many does something else then."""
    import os
    import signal
    import time

    began = time.time()
    with open(f"{folder}/began", "a") as file:
        file.write(f"{i} {os.getpid()} {began}\n")
    if i == odd:
        if deed == "blocks":  # until all others are done
            open(f"{folder}/gate").close()
        elif deed == "waits":  # among others for calls of its own batch
            while len(open(f"{folder}/ended").read().split()) < MANY - 1:
                if time.time() > began + 60:
                    raise TimeoutError("the others wait for this one")
                time.sleep(0.01)
        elif deed == "raises":
            raise ValueError(f"call {i}")
        elif deed == "prints":
            print(f"printed in {folder}", flush=True)
        elif deed == "exits":
            os._exit(3)
        elif deed == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif deed == "exceeds its walltime":
            while True:
                time.sleep(0.005)
    with open(f"{folder}/ended", "a") as file:
        file.write(f"{i}\n")
    return i


plain_app = python_app(act)


@python_app
def limited_app(folder: str, i: int, odd: int, deed: str, walltime: float = 5) -> int:
    # the walltime is part of what travels as the function: all that are to share a shift have the same one
    return act(folder, i, odd, deed)


@dataclass
class Run:
    """What was noted of one run of a call."""

    call: int
    pid: int
    began: float


def runs(folder: Path) -> list[Run]:
    lines = [line.split() for line in text_of(folder / "began").splitlines()]
    return [Run(int(call), int(pid), float(began)) for call, pid, began in lines]


def travel(kernel: Any, tmp_path: Path, deed: str) -> list[Any]:
    """Have many calls sent together, one of which does the deed, to workers that had no time for them before."""
    app = limited_app if deed == "exceeds its walltime" else plain_app
    lane = next(iter(kernel.executors.values())).lane
    batched = hasattr(lane, "links")
    warm = tmp_path / "warm"
    warm.mkdir()
    assert [f.result(WAIT) for f in [app(str(warm), i, -1, "") for i in range(MANY)]] == list(range(MANY))
    if batched:
        short_calls(lane)
    (tmp_path / "ended").touch()
    os.mkfifo(tmp_path / "gate")
    with occupied(lane, tmp_path, 2) as release, Traffic(lane) if batched else nullcontext() as traffic:
        with at_rest(lane) if batched else nullcontext():
            futures = [app(str(tmp_path), i, ODD, deed) for i in range(MANY)]
        if traffic is not None:
            eventually(lambda: lane.queues.size + traffic.calls >= MANY, "all are ready")
        release()
        for i, future in enumerate(futures):
            if i != ODD:
                assert future.result(WAIT) == i
        if deed == "blocks":
            assert not futures[ODD].done()
            open(tmp_path / "gate", "w").close()
        futures[ODD].exception(WAIT)
    if traffic is not None:
        assert len(traffic.with_argument(1, ODD)) > 1, "it was to travel with others"
    return futures


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("deed", ["blocks", "waits", "raises", "prints", "exits", "is killed", "exceeds its walltime"])
def test_only_the_odd_one_is_different(
    kernel: Any, config_name: str, deed: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if config_name == "threads" and deed in DEADLY:
        pytest.skip("it would end this process")
    odd = travel(kernel, tmp_path, deed)[ODD]
    expected = {
        "raises": ValueError,
        "exits": WorkerLost,
        "is killed": WorkerLost,
        "exceeds its walltime": AppTimeout,
    }.get(deed)
    if expected is None:
        assert odd.result(0) == ODD
    else:
        assert isinstance(odd.exception(0), expected), "and all others gave their values"
    noted = runs(tmp_path)
    count = Counter(run.call for run in noted)
    assert sorted(count) == list(range(MANY))
    if config_name == "existing" and deed in DEADLY:
        # without a journal, calls that had not reported run again, one by one, to find the guilty one; it may be tried
        # more than once, and each time ends a worker whose last reports may be on their way
        killed = {run.pid for run in noted if run.call == ODD}
        begun = [next(run for run in noted if run.call == call) for call, number in count.items() if number > 1]
        assert {run.pid for run in begun} <= killed
    else:
        assert {call: number for call, number in count.items() if number != 1} == {}
    if deed == "prints" and config_name != "threads":
        # where the output of these workers goes
        base = tmp_path_factory.getbasetemp()
        folder, pattern = (base, "existing*/*worker.log") if config_name == "existing" else (kernel.run_dir, "*/*.out")
        line = f"printed in {tmp_path}\n"
        eventually(lambda: any(line in text_of(p) for p in Path(folder).glob(pattern)), "the output appears")


@pytest.mark.usefixtures("kernel")
def test_threads_print_to_this_process(
    kernel: Any, config_name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if config_name != "threads":
        pytest.skip("workers have an output of their own")
    travel(kernel, tmp_path, "prints")
    assert f"printed in {tmp_path}" in capfd.readouterr().out
    assert {run.pid for run in runs(tmp_path)} == {os.getpid()}
