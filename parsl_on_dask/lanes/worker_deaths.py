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
    "signal SIGSEGV": " (a fault in compiled code: a library, or the app's own)",
    "signal SIGABRT": " (compiled code gave up)",
    "signal SIGBUS": " (a file mapped into memory has changed, or a disk is full)",
    "signal SIGILL": " (compiled code is for another kind of processor)",
    "signal SIGTERM": " (it was told to end: by the app, by a person, or at the end of a job)",
    "signal SIGXCPU": " (a limit of processor time was exceeded)",
}


def worker_lost(call: Call, cluster: Cluster, worker: str, host: str, why: str = "") -> Outcome:
    """The outcome of a call whose worker died: of one that it was running, or whose result it had."""
    end = None if why else cluster.end_of(worker)
    if end is not None and end.over:
        error = over_limit(call, worker, host, end)
    else:
        error = as_exception("WorkerLost", (worker, host, story_of(call, cluster, worker, why or describe_death(end))))
    return Outcome(error=error, worker=worker, host=host)


def over_limit(call: Call, worker: str, host: str, end: End) -> BaseException:
    """The error of a call for which its worker was ended."""
    if end.over == "walltime":
        seconds = int(end.allowed) if end.allowed == int(end.allowed) else end.allowed
        return as_exception("AppTimeout", (call.name, seconds))
    if end.over == "kill":
        return as_exception("AppKilled", (call.name,))
    what = _task_of(call)
    note = f"{what} had {_gib(end.used)} of memory, and was allowed {_gib(end.allowed)}"
    return as_exception("MemoryLimitExceeded", (worker, host, note))


def story_of(call: Call, cluster: Cluster, worker: str, why: str) -> str:
    """What ran on a dead worker, and what became of it.

    - `call`: what it ran.
    - `worker`: its name.
    - `why`: how its process ended, or why the call is not run again, if it was the end of a job that ended the worker.
    """
    block = cluster.block_of(worker)
    ran = f"it ran {_task_of(call)}"
    if block is not None:
        ran += f", in block {block}"
    return f"{ran}; {why}"


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
        return "how its process ended is not known here: the log of that worker, or of its batch job, may say"
    used = f"it had used up to {_gib(end.peak)} of {_gib(end.limit)}"
    if end.how.startswith("exit code"):
        text = f"its process ended with {end.how} (os._exit, or a library that ends the process)"
    elif end.how != "signal SIGKILL":
        text = f"{end.how} ended its process{_MEANS.get(end.how, '')}"
    elif end.starved:
        text = f"the system's OOM killer ended its process, since memory had run out; {used}"
    elif end.limit and end.peak * end.workers > NEAR * end.limit:
        text = f"{end.how} ended its process. Out of memory? {used[0].upper()}{used[1:]}"
    else:
        text = f"{end.how} ended its process: it was killed by the app, by a person, or by the system"
        text += f" ({used})" if end.limit else ""
    return f"{text}. Its log: {end.log}" if end.log else text


def _task_of(call: Call) -> str:
    task = getattr(call.owner, "id", None)
    return f"app {call.name!r}" + ("" if task is None else f", task {task}")


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
