"""What is told about a worker that died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.failures import as_exception

if TYPE_CHECKING:
    from parsl_on_dask.clusters.base import Cluster, End

#: Why a call that ran has failed all the same.
RESULT_LOST = "its result was lost with it"
#: The part of the memory from which on it may have run out.
NEAR = 0.7

_MEANS = {
    "signal SIGSEGV": " (compiled code went wrong: a library, or the app's own)",
    "signal SIGABRT": " (compiled code gave up)",
    "signal SIGBUS": " (a file that was mapped into memory has changed, or a disk is full)",
    "signal SIGILL": " (compiled code is for another kind of processor)",
    "signal SIGTERM": " (it was told to end: by the app, by a person, or at the end of a job)",
    "signal SIGXCPU": " (a limit of processor time was over)",
}


def worker_lost(call: Call, cluster: Cluster, worker: str, host: str, why: str = "") -> Outcome:
    """The outcome of a call whose worker died: of one that it was running, or whose result it had."""
    error = as_exception("WorkerLost", (worker, host, story_of(call, cluster, worker, why)))
    return Outcome(error=error, worker=worker, host=host)


def story_of(call: Call, cluster: Cluster, worker: str, why: str = "") -> str:
    """What ran on a dead worker, how it ended, what that may mean, and where there is more.

    Parameters
    ----------
    call : Call
        What it ran.
    cluster : Cluster
    worker : str
        Its name.
    why : str, optional
        Why the call is not run again, if it was the end of a job that ended the worker.
    """
    task = getattr(call.owner, "id", None)
    block = cluster.block_of(worker)
    ran = f"it ran app {call.name!r}" + ("" if task is None else f", task {task}")
    if block is not None:
        ran += f", in block {block}"
    return "; ".join([ran, why or describe_death(cluster.end_of(worker))])


def describe_death(end: End | None) -> str:
    """How a process ended, in words.

    Examples
    --------
    >>> from parsl_on_dask.clusters.base import End
    >>> describe_death(End("exit code 3", log="worker_0.log"))
    'its process ended with exit code 3 (os._exit, or a library that ends the process). Its log: worker_0.log'
    >>> describe_death(End("signal SIGKILL", peak=7 * 2**30, limit=8 * 2**30))
    'signal SIGKILL ended its process. Out of memory? It had used up to 7.0 GiB of 8.0 GiB'
    """
    if end is None:
        return "how its process ended is not known here: the log of that worker, or of its batch job, may tell"
    used = f"it had used up to {_gib(end.peak)} of {_gib(end.limit)}"
    if end.how.startswith("exit code"):
        text = f"its process ended with {end.how} (os._exit, or a library that ends the process)"
    elif end.how != "signal SIGKILL":
        text = f"{end.how} ended its process{_MEANS.get(end.how, '')}"
    elif end.limit and end.peak * end.workers > NEAR * end.limit:
        text = f"{end.how} ended its process. Out of memory? {used[0].upper()}{used[1:]}"
    else:
        text = f"{end.how} ended its process: it was killed by the app, by a person, or by the system"
        text += f" ({used})" if end.limit else ""
    return f"{text}. Its log: {end.log}" if end.log else text


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
