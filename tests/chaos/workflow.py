"""The workflow that is run, and the same workflow in plain Python.

As a script, ``python -m parsl_on_dask workflow.py PLAN``, it runs the workflow that a plan (a JSON file) describes.
What happens is written to side logs, line by line, each of which is on disk before anything goes on: which calls ran
(by the calls themselves, in ``runs.log``), and what the script saw of their futures (in ``seen-RUN.log``).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SIZES = {0: 3, 10: 6, 1000: 4, 50_000: 2, 200_000: 3, 1_000_000: 3, 10_000_000: 2, 20_000_000: 1}
"""How many bytes a value may have, and how often; 0 stands for a digest, which is a text."""
LARGE = 60_000
"""Values of more bytes than this are large ones, which stay on workers."""
RUN = "CHAOS_RUN"
"""The variable with the number of a run."""
MOST = 60_000_000
"""Bytes that the values of a workflow have together, at the most."""


@dataclass
class Step:
    """One call.

    Attributes
    ----------
    kind : str
        ``"python"``, ``"list"`` (futures in a list), ``"join"``, ``"bash"``, ``"fails"``, or ``"flaky"``, which fails
        when it has not run before.
    after : list of str
        Names of the calls whose values it gets.
    """

    name: str
    kind: str
    size: int
    pause: float
    cached: bool
    after: list[str]


def steps_of(seed: int, count: int) -> list[Step]:
    """The workflow of a seed, in an order in which it can be run serially."""
    rng = random.Random(f"workflow {seed}")
    steps: list[Step] = []
    total = 0
    for number in range(count):
        kind = rng.choices(["python", "list", "join", "bash", "flaky", "fails"], [10, 3, 2, 4, 1, 0.5])[0]
        size = rng.choices([*SIZES], [*SIZES.values()])[0]
        if kind == "bash":
            size = 0
        elif total + 2 * size > MOST:
            size = 10
        total += 2 * size
        sound = [step.name for step in steps if kind != "bash" or step.size == 0]
        after = rng.sample(sound, min(len(sound), rng.choice([0, 0, 1, 1, 2, 3])))
        pause = rng.choice([0, 0, 0.05, 0.2, 0.4, 0.7])
        steps.append(Step(f"s{number}", kind, size, pause, rng.random() < 0.75, after))
    return steps


# ---------------------------------------------------------------- the calls; `log` is (path, run)


def write_line(path: str, line: str) -> None:
    """Append a line; it is on disk when this returns."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, line.encode() + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def digest(value: Any) -> str:
    """The same text for the same value, a different one for any other."""
    if hasattr(value, "result"):  # a future in a list
        value = value.result()
    if isinstance(value, (list, tuple)):
        value = " ".join(map(digest, value))
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def made(name: str, size: int, values: Any) -> Any:
    """A value that depends on all that it is made of."""
    text = hashlib.sha256(f"{name} {[digest(value) for value in values]}".encode()).hexdigest()
    return (text.encode() * (size // len(text) + 1))[:size] if size else text


def begun(log: Any, name: str) -> bool:
    """Note that a call begins to run; whether it is the first time."""
    path, run = log
    lines = Path(path).read_text().splitlines() if os.path.exists(path) else []
    write_line(path, f"{run} {name} {os.getpid()}")
    return all(line.split()[1] != name for line in lines)


def python(name: str, size: int, pause: float, *values: Any, log: Any) -> Any:
    begun(log, name)
    time.sleep(pause)
    return made(name, size, values)


def listed(name: str, size: int, pause: float, values: Any, log: Any) -> Any:
    begun(log, name)
    time.sleep(pause)
    return made(name, size, list(values))


def flaky(name: str, size: int, pause: float, *values: Any, log: Any) -> Any:
    if begun(log, name):
        raise ValueError(f"{name} has not run before")
    time.sleep(pause)
    return made(name, size, values)


def fails(name: str, size: int, pause: float, *values: Any, log: Any) -> Any:
    begun(log, name)
    time.sleep(pause)
    raise LookupError(f"{name} always fails")


def bash(name: str, pause: float, *texts: str, outputs: Any = (), log: Any) -> str:
    begun(log, name)
    path = str(outputs[0])
    text = made(name, 0, texts)
    return f"sleep {pause}; printf %s {text} > {path}.$$ && mv {path}.$$ {path}"


def contents(file: Any) -> str:
    return Path(str(file)).read_text()


# ---------------------------------------------------------------- in plain Python


def serially(steps: list[Step]) -> dict[str, str]:
    """The digest of each call's value, "" where there can be none."""
    values: dict[str, Any] = {}
    for step in steps:
        parents = [values[name] for name in step.after]
        if step.kind == "fails" or None in parents:
            values[step.name] = None
        elif step.kind == "join":
            values[step.name] = [made(f"{step.name}.{part}", step.size, parents) for part in range(2)]
        else:
            values[step.name] = made(step.name, step.size, parents)
    return {name: "" if value is None else digest(value) for name, value in values.items()}


def may_fail(steps: list[Step], retries: int) -> set[str]:
    """Names of the calls that may fail by themselves, or because of those that do."""
    found: set[str] = set()
    for step in steps:
        if step.kind == "fails" or (step.kind == "flaky" and not retries) or found.intersection(step.after):
            found.add(step.name)
    return found


# ---------------------------------------------------------------- with Parsl


class Workflow:
    """The apps, and what is seen of their futures.

    Parameters
    ----------
    plan : dict
        What the driver has written.
    run : int
        0 for the run that something happens to.
    """

    def __init__(self, plan: dict[str, Any], run: int) -> None:
        from parsl import bash_app, join_app, python_app

        self.plan = plan
        self.log = plan["runs"], run
        self.seen = plan["seen"].format(run)
        self.apps: dict[tuple[str, bool], Any] = {}
        for cached in (False, True):
            options = {"cache": cached, "ignore_for_cache": ["log"]}
            for function in (python, flaky, fails, listed):
                self.apps[function.__name__, cached] = python_app(function, **options)
            self.apps["list", cached] = self.apps["listed", cached]
            self.apps["bash", cached] = bash_app(bash, **options)
            part = self.apps["python", cached]

            def join(name: str, size: int, pause: float, *values: Any, log: Any, part: Any = part) -> Any:
                begun(log, name)
                return [part(f"{name}.{number}", size, pause, *values, log=log) for number in range(2)]

            self.apps["join", cached] = join_app(join, cache=cached, ignore_for_cache=["log"])
        self.contents = python_app(contents)

    def note(self, **what: Any) -> None:
        write_line(self.seen, json.dumps(what))

    def call(self, step: Step, futures: dict[str, Any]) -> Any:
        from parsl.data_provider.files import File

        parents = [futures[name] for name in step.after]
        app = self.apps[step.kind, step.cached]
        if step.kind == "bash":
            path = File(f"{self.plan['files']}/{step.name}")
            done = app(step.name, step.pause, *parents, outputs=[path], log=self.log)
            self.watch(step.name, done)
            return self.contents(done.outputs[0])
        if step.kind == "list":
            done = app(step.name, step.size, step.pause, parents, log=self.log)
        else:
            done = app(step.name, step.size, step.pause, *parents, log=self.log)
        self.watch(step.name, done)
        return done

    def watch(self, name: str, future: Any) -> None:
        def ended(future: Any) -> None:
            error = future.exception()
            record = future.task_record
            self.note(
                ended=name, error="" if error is None else type(error).__name__, memo=bool(record.get("from_memo"))
            )

        future.add_done_callback(ended)

    def run(self) -> None:
        steps = [Step(**step) for step in self.plan["steps"]]
        futures: dict[str, Any] = {}
        try:
            with load(self.plan):
                self.note(loaded=True)
                for step in steps:
                    futures[step.name] = self.call(step, futures)
                for name, future in futures.items():
                    try:
                        value = future.result()
                    except Exception as e:
                        record = future.task_record
                        self.note(
                            result=name,
                            error=type(e).__name__,
                            text=str(e)[-600:],
                            tries=record["try_id"] + 1,
                        )
                    else:
                        self.note(result=name, digest=digest(value), tries=future.task_record["try_id"] + 1)
                        del value
        finally:
            self.note(pending=[name for name, future in futures.items() if not future.done()])


def load(plan: dict[str, Any]) -> Any:
    import parsl
    from parsl.config import Config
    from parsl.dataflow.memoization import BasicMemoizer

    return parsl.load(
        Config(
            executors=[executor_of(plan)],
            retries=plan["retries"],
            run_dir=plan["runinfo"],
            strategy="none",
            linger=plan["linger"] or None,
            memoizer=BasicMemoizer(checkpoint_mode="task_exit", durability=plan["durability"]),
        )
    )


def executor_of(plan: dict[str, Any]) -> Any:
    from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
    from parsl.providers import LocalProvider, SlurmProvider

    kind = plan["executor"]
    if kind == "threads":
        return ThreadPoolExecutor(max_threads=3)
    if kind == "existing":
        from parsl_on_dask.executors import DaskExecutor

        return DaskExecutor(plan["address"])
    provider: Any = LocalProvider(init_blocks=1, max_blocks=1)
    if kind == "slurm":
        provider = SlurmProvider(init_blocks=1, max_blocks=1, cores_per_node=3, walltime="00:05:00")
    return HighThroughputExecutor(max_workers_per_node=3, address="127.0.0.1", provider=provider)


def plan_of(seed: int, directory: Path, executor: str, steps: int, linger: float = 0.0) -> dict[str, Any]:
    """What a run of a seed is to be."""
    rng = random.Random(f"plan {seed}")
    return {
        "seed": seed,
        "executor": executor,
        "address": "",
        "linger": linger,
        "retries": rng.choice([0, 3]),
        "durability": rng.choice(["process", "sync"]),
        "runs": str(directory / "runs.log"),
        "seen": str(directory / "seen-{}.log"),
        "files": str(directory / "files"),
        "runinfo": str(directory / "runinfo"),
        "steps": [asdict(step) for step in steps_of(seed, steps)],
    }


if __name__ == "__main__":
    # in the environment, since a script with other arguments would be another script
    Workflow(json.loads(Path(sys.argv[1]).read_text()), int(os.environ[RUN])).run()
