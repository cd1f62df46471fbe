"""Kills a script at random moments and starts it again: ``python -m tests.faults.lives --help``.

Each of its calls appends a line to a file. In the end every line is there once, and every result is right.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

#: Seconds that one life of a script may take.
LIMIT = 240.0

SCRIPT = """
import os
import sys

import parsl_on_dask as parsl
from parsl_on_dask.config import Config
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor
from parsl_on_dask.launchers import SrunLauncher
from parsl_on_dask.providers import SlurmProvider

where, number, seconds, linger = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
lines = os.path.join(os.getcwd(), "lines")


@parsl.python_app(cache=True)
def work(i, seconds, lines):
    import os
    import time

    time.sleep(seconds)
    file = os.open(lines, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(file, b"%d\\n" % i)
    os.close(file)
    return bytes(200_000) + b"%d" % i if i % 5 == 4 else i * i


if where == "processes":
    executor = HighThroughputExecutor(label="kept", max_workers_per_node=2)
elif where == "slurm":
    provider = SlurmProvider(
        "debug", init_blocks=1, max_blocks=1, nodes_per_block=1, walltime="00:10:00", launcher=SrunLauncher()
    )
    executor = HighThroughputExecutor(label="kept", max_workers_per_node=2, provider=provider)
else:
    executor = DaskExecutor(where, label="kept")
parsl.load(Config(executors=[executor], linger=linger or None))
futures = [work(i, seconds, lines) for i in range(number)]
for i, future in enumerate(futures):
    assert future.result() == (bytes(200_000) + b"%d" % i if i % 5 == 4 else i * i), i
parsl.clear()
print("every result is right")
"""


class Lives(NamedTuple):
    """What came of a script with several lives."""

    wrong: list[str]
    kills: int
    took: float
    away: float
    directory: Path


def lives_of(
    where: str,
    seed: int,
    calls: int,
    seconds: float,
    kills: int = 1,
    linger: float = 60.0,
    longest: float | None = None,
) -> Lives:
    """Run a script, kill it as often as ``kills`` says and start it again until it comes to its end.

    Parameters
    ----------
    where : str
        ``"processes"``, ``"slurm"``, or the address of a Dask scheduler.
    longest : float, optional
        Seconds in which it is killed. Default: about as long as it would take.
    """
    chance = random.Random(seed)
    directory = Path(tempfile.mkdtemp(prefix="lives-"))
    (directory / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", where, str(calls), str(seconds), str(linger)]
    longest = longest or 2.0 + calls * seconds / 2
    began, away, killed = time.monotonic(), 0.0, 0
    while True:
        with open(directory / f"out-{killed}", "w") as out:
            script = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, "XDG_STATE_HOME": str(directory / "state")},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            try:
                script.wait(chance.uniform(0.2, longest) if killed < kills else LIMIT)
            except subprocess.TimeoutExpired:
                script.kill()
                script.wait()
                killed += 1
                if killed > kills:
                    break
                pause = chance.choice([0.0, 0.0, 0.5, 1.5])
                time.sleep(pause)
                away += pause
                continue
        break
    took = time.monotonic() - began
    said = (directory / f"out-{killed}").read_text() if killed <= kills else "it hangs"
    wrong = [] if "every result is right" in said and script.returncode == 0 else [f"the last life: {said[-2000:]}"]
    path = directory / "lines"
    lines = sorted(map(int, path.read_text().split())) if path.exists() else []
    if lines != list(range(calls)):
        counts = Counter(lines)
        twice, never = [i for i in counts if counts[i] > 1], sorted(set(range(calls)) - set(counts))
        wrong.append(f"{len(twice)} ran twice: {twice[:9]}; {len(never)} never: {never[:9]}")
    left = [str(p) for p in directory.glob("runinfo/*/resident.json")]
    if left:
        wrong.append(f"left behind: {left}")
    return Lives(wrong, killed, took, away, directory)


def main() -> int:
    """Try many seeds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.lives", description=__doc__)
    parser.add_argument("--where", default="processes", help="processes, slurm, or the address of a Dask scheduler")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=50, help="how many seeds")
    parser.add_argument("--calls", type=int, default=200, help="calls of a script")
    parser.add_argument("--seconds", type=float, default=0.3, help="seconds of a call")
    parser.add_argument("--kills", type=int, default=1, help="how often a script is killed")
    options = parser.parse_args()
    undisturbed = lives_of(options.where, 0, options.calls, options.seconds, kills=0, linger=0.0)
    print(f"undisturbed and without linger: {undisturbed.took:.1f} s", *undisturbed.wrong, flush=True)
    shutil.rmtree(undisturbed.directory)
    bad = 0
    for seed in range(options.first, options.first + options.seeds):
        lives = lives_of(options.where, seed, options.calls, options.seconds, options.kills)
        more = (lives.took - lives.away) / undisturbed.took - 1
        print(
            f"seed {seed}: killed {lives.kills} times, {lives.took:.1f} s, away {lives.away:.1f} s, "
            f"{more:+.0%} of the time without that",
            *lives.wrong,
            flush=True,
        )
        bad += bool(lives.wrong)
        if lives.wrong:
            print(f"  in {lives.directory}", flush=True)
        else:
            shutil.rmtree(lives.directory)
    print(f"{options.seeds} seeds, {bad} with something wrong")
    return bool(bad)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
