"""Getting :mod:`parsl_on_dask.remote` to workers that have nothing of ours installed.

Two things travel by value, so that neither a scheduler nor a worker needs this package to unpickle them: the
function of every batch (:data:`LAUNCH`), and a worker plugin with the text of the ``remote`` modules.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("parsl.lanes.bootstrap")

#: Modules below ``parsl_on_dask`` that workers get, in the order in which they can be executed.
MODULES = (
    "remote.packing",
    "remote.sidefiles",
    "remote.errors",
    "remote.standin",
    "remote.walltime",
    "remote.nodes",
    "remote.placing",
    "remote.staged",
    "remote.attempts",
    "remote.http",
    "remote.ftp",
    "remote.zips",
    "remote.rsync",
    "remote.around",
    "remote.filesystems",
    "remote.chunks",
    "remote.transfer",
    "remote.reaper",
    "remote.usage",
    "remote.monitor",
    "remote.shell",
    "remote.apps",
    "remote.children",
    "remote.agent",
    "remote.environment",
    "remote.journal",
    "remote.jobend",
    "remote.runner",
    "data_provider.files",
)


class Launch:
    """A picklable function that rebuilds from bytes made once."""

    def __init__(self, blob: bytes) -> None:
        self.blob = blob

    def __reduce__(self) -> tuple[Any, ...]:
        return (pickle.loads, (self.blob,))

    def __call__(self, *args: Any) -> Any:
        return pickle.loads(self.blob)(*args)


def by_value(function: Any) -> Launch:
    """A function that is made inside of another one, to be sent to where its module is not installed."""
    # or cloudpickle would refer to the module by name
    function.__module__ = "__main__"
    return Launch(cloudpickle.dumps(function))


@cache
def launch() -> Launch:
    """The function of every Dask task of ours: runs a bundle where it arrives."""

    def parsl_batch(data: bytes, values: Any) -> Any:
        from parsl_on_dask.remote.runner import run

        return run(data, values)

    return by_value(parsl_batch)


@cache
def sources() -> dict[str, str]:
    """Text of each module that a worker needs, by name below ``parsl_on_dask``."""
    here = Path(__file__).resolve().parent.parent
    return {name: (here / (name.replace(".", "/") + ".py")).read_text() for name in MODULES}


@cache
def digest() -> str:
    """Names this version of the worker modules."""
    return hashlib.sha256(repr(sorted(sources().items())).encode()).hexdigest()[:16]


def _plugin(name: str, texts: dict[str, str], mark: str) -> Any:
    from distributed import WorkerPlugin

    class ParslOnDask(WorkerPlugin):
        """Makes parsl_on_dask.remote importable on a worker that does not have the package."""

        def __init__(self) -> None:
            self.name = name
            self.texts = texts
            self.mark = mark

        def setup(self, worker: Any) -> None:
            import importlib
            import importlib.util
            import sys
            import types

            top = sys.modules.get("parsl_on_dask")
            if top is None and importlib.util.find_spec("parsl_on_dask") is not None:
                top = importlib.import_module("parsl_on_dask")
            if top is not None and not hasattr(top, "__sent_by__"):
                return  # installed here; versions are compared by the client
            if getattr(top, "__sent_by__", None) == self.mark:
                return
            for package in ("parsl_on_dask", "parsl_on_dask.remote", "parsl_on_dask.data_provider"):
                module = types.ModuleType(package)
                module.__path__ = []
                module.__package__ = package
                module.__dict__["__sent_by__"] = self.mark
                sys.modules[package] = module
            for name, text in self.texts.items():
                full = "parsl_on_dask." + name
                module = types.ModuleType(full)
                module.__package__ = full.rpartition(".")[0]
                sys.modules[full] = module
                setattr(sys.modules[module.__package__], full.rpartition(".")[2], module)
                exec(compile(text, f"<{full}, sent by the client>", "exec"), module.__dict__)

    ParslOnDask.__module__ = "__main__"
    ParslOnDask.__qualname__ = "ParslOnDask"
    return ParslOnDask()


def send_modules(client: Client) -> None:
    """Make the worker modules importable on every worker of a cluster, present and future."""
    name = f"parsl-on-dask-{digest()}"
    client.register_plugin(_plugin(name, sources(), digest()), name=name)


#: Part of the keys of our Dask tasks, by which they are known on a scheduler.
KEY_MARK = "-parsl_"


def _scheduler_plugin() -> Any:
    from distributed import SchedulerPlugin

    mark = KEY_MARK

    class ParslOnDaskOnce(SchedulerPlugin):
        """Keeps Dask from running our tasks again when their worker dies: that is for Parsl's retries to decide."""

        name = "parsl-on-dask-once"
        idempotent = True

        def update_graph(self, scheduler: Any, *, tasks: Any, **_: Any) -> None:
            for key in tasks:
                if mark in str(key):
                    # the next death of its worker is one too many
                    scheduler.tasks[key].suspicious = scheduler.allowed_failures

    ParslOnDaskOnce.__module__ = "__main__"
    ParslOnDaskOnce.__qualname__ = "ParslOnDaskOnce"
    return ParslOnDaskOnce()


def forbid_reruns(client: Client) -> bool:
    """Have our tasks fail when their worker dies, on a cluster whose ``allowed-failures`` is not ours to set.

    Returns
    -------
    bool
        False on a scheduler that takes no plugins; there, lost calls may run again without being a retry.
    """
    try:
        client.register_plugin(_scheduler_plugin())
    except Exception:
        logger.warning(
            "The scheduler takes no plugins, so Dask itself runs calls again whose worker died; set "
            "distributed.scheduler.allowed-failures to 0 there if that is not wanted",
            exc_info=True,
        )
        return False
    return True


def _idle_plugin() -> Any:
    from distributed import SchedulerPlugin

    mark = KEY_MARK

    class ParslOnDaskIdle(SchedulerPlugin):
        """Has Dask notice that a worker with tasks waiting in front of it is not idle, and which tasks can run.

        Dask looks at the first when something happens to a worker. A task can be given to a busy worker while the
        others have more to do; when these are done all workers count as idle, and then none takes tasks from another
        one. And a task that prefers a worker which has gone, at a moment without any other, is forgotten when others
        come.
        """

        name = "parsl-on-dask-idle"
        idempotent = True

        async def start(self, scheduler: Any) -> None:
            import time

            from tornado.ioloop import PeriodicCallback

            def look() -> None:
                for worker in list(scheduler.workers.values()):
                    if len(worker.processing) > worker.nthreads:
                        scheduler.check_idle_saturated(worker)
                if scheduler.running:
                    tasks = [t for t in scheduler.unrunnable if t.loose_restrictions and mark in str(t.key)]
                    if tasks:
                        found = {task.key: "processing" for task in tasks}
                        scheduler.transitions(found, stimulus_id=f"parsl-come-{time.time()}")

            scheduler.periodic_callbacks[self.name] = callback = PeriodicCallback(look, 500)
            callback.start()

    ParslOnDaskIdle.__module__ = "__main__"
    ParslOnDaskIdle.__qualname__ = "ParslOnDaskIdle"
    return ParslOnDaskIdle()


def see_idle_workers(client: Client) -> None:
    """Keep calls from waiting behind a blocked one while another worker has nothing to do."""
    try:
        client.register_plugin(_idle_plugin())
    except Exception as e:
        logger.debug("The scheduler takes no plugins: %r", e)
