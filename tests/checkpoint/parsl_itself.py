"""The same calls for Parsl and for this package, each in a Python of its own; a script, since names in keys count.

``parsl_itself.py parsl RUN_DIR [CHECKPOINT_DIR]`` runs them with Parsl, with that checkpoint if there is one.
``parsl_itself.py ours read|write CHECKPOINT_DIR`` looks them up, or records their results, in a ``tasks.pkl``.
Both print, as JSON, what each call gives and what had to be run.
"""

import json
import os
import sys

ran = []


class Point:
    def __init__(self, x):
        self.x = x


def double(x, scale=2):
    ran.append("double")
    return x * scale


def point(x):
    ran.append("point")
    return Point(x)


def large(n):
    ran.append("large")
    return "x" * n


def place(path):
    ran.append("place")
    from parsl.data_provider.files import File

    return File(path)


def touch(name, times=3):
    return f"echo {name} >> touched"


CALLS = [
    (double, (4,), {}),
    (double, ([1, "a"],), {"scale": 3}),
    (double, ("ab",), {}),
    (point, (5,), {}),
    (large, (200_000,), {}),
    (place, ("/data/in.txt",), {}),
]


def shown(value):
    if isinstance(value, Point):
        return ["Point", value.x]
    return [type(value).__name__, value.filepath] if hasattr(value, "filepath") else value


def with_parsl(run_dir, *checkpoints):
    import parsl
    from parsl.config import Config
    from parsl.dataflow.memoization import BasicMemoizer
    from parsl.executors import ThreadPoolExecutor

    memoizer = BasicMemoizer(checkpoint_mode="task_exit", checkpoint_files=list(checkpoints))
    config = Config(executors=[ThreadPoolExecutor()], run_dir=run_dir, memoizer=memoizer)
    with parsl.load(config):
        futures = [parsl.python_app(function, cache=True)(*args, **keywords) for function, args, keywords in CALLS]
        futures.append(parsl.bash_app(touch, cache=True)("here"))
        results = [shown(future.result()) for future in futures]
    return results


def with_ours(what, directory):
    from functools import partial

    from parsl_on_dask.importing.alias import install

    install()
    from parsl_on_dask.checkpoint.keys import make_hash
    from parsl_on_dask.checkpoint.parsl_files import ParslFile
    from parsl_on_dask.checkpoint.parsl_writer import ParslWriter
    from parsl_on_dask.remote.shell import run_bash

    bash = partial(run_bash, touch)
    bash.__name__ = "touch"
    calls = [*CALLS, (bash, ("here",), {"times": 3})]
    keys = [
        make_hash({"func": function, "args": args, "kwargs": keywords, "ignore_for_cache": []})
        for function, args, keywords in calls
    ]
    path = os.path.join(directory, "tasks.pkl")
    if what == "write":
        values = [function(*args, **keywords) for function, args, keywords in CALLS] + [0]
        with ParslWriter(path) as writer:
            for key, value in zip(keys, values, strict=True):
                writer.append(key, value)
        ran.clear()
        return [shown(value) for value in values]
    file = ParslFile(path)
    return [shown(file.load(file.find(key))) for key in keys]


if __name__ == "__main__":
    run = with_parsl if sys.argv[1] == "parsl" else with_ours
    results = run(*sys.argv[2:])
    print(json.dumps({"results": results, "ran": sorted(ran), "touched": os.path.exists("touched")}))
