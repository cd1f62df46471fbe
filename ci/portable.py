"""What has to work on Windows, too: python ci/portable.py [local | ADDRESS].

Without a word on threads, with an address on that Dask cluster, with ``local`` on one that is started for it. The test
``tests/importing/test_without_fork.py`` runs this on Linux without what only POSIX has.
"""

import os
import sys
import tempfile

import parsl_on_dask as parsl
from parsl_on_dask import Config, DaskExecutor, File, bash_app, join_app, python_app
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.utils import get_all_checkpoints


@python_app(cache=True)
def double(x, walltime=60):
    return 2 * x


@join_app
def joined(x):
    return double(x)


@python_app
def write(outputs=()):
    with open(outputs[0], "w") as file:
        file.write("written")


@python_app
def fail():
    raise LookupError("on purpose")


@bash_app
def say(stdout=None):
    return "echo said"


def run(address, folder):
    executors = [DaskExecutor(address)] if address else None
    first = Config(executors=executors, run_dir=folder, memoizer=BasicMemoizer(checkpoint_mode="task_exit"))
    with parsl.load(first):
        assert [double(i).result() for i in (1, 2, 1)] == [2, 4, 2]
        assert joined(4).result() == 8
        with open(write(outputs=[File(os.path.join(folder, "o"))]).outputs[0].result()) as file:
            assert file.read() == "written"
        assert isinstance(fail().exception(), LookupError)
        if os.path.exists("/bin/bash"):
            said = os.path.join(folder, "said")
            assert say(stdout=said).result() == 0
            with open(said) as file:
                assert file.read() == "said\n"
    # a second run finds the results of the first
    executors = [DaskExecutor(address)] if address else None
    recorded = BasicMemoizer(checkpoint_files=get_all_checkpoints(folder))
    with parsl.load(Config(executors=executors, run_dir=folder, memoizer=recorded)):
        future = double(2)
        assert future.result() == 4 and future.task_record["from_memo"]


def main(word):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if word == "local":
            from distributed import LocalCluster

            with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
                run(cluster.scheduler_address, folder)
        else:
            run(word, folder)
    print("passed on", word or "threads")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
