"""What the scheduler process and the worker processes of a local block do. Runs after the fork."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import random
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from parsl_on_dask.clusters.intervals import shorten_in_this_process
from parsl_on_dask.clusters.node import worker_name
from parsl_on_dask.remote.journal import Journal
from parsl_on_dask.remote.runner import keep_journal


def scheduler_main(spec: dict[str, Any], tell: Callable[[str], None]) -> None:
    """Run a Dask scheduler; its address goes to ``tell`` once it listens."""
    from distributed import Scheduler

    shorten_in_this_process()
    settings = spec["scheduler"]

    async def serve() -> None:
        scheduler = await Scheduler(
            host=settings["host"],
            port=0,
            protocol="tls" if spec["security"] else "tcp",
            security=security_of(spec["security"]),
            dashboard=settings["dashboard"],
            dashboard_address=f"{settings['host']}:0",
        )
        tell(scheduler.address)
        await scheduler.finished()

    asyncio.run(serve())


def worker_main(
    spec: dict[str, Any], number: int, life: int, address: str, tell: Callable[[], None] = lambda: None
) -> None:
    """Run one Dask worker, and ``tell`` when it is registered.

    Its event loop runs in a thread, the calls in the main thread.

    Calls run in the main thread because Parsl's do: a call may set signal handlers there.
    """
    settings = spec["workers"][number]
    name = worker_name(settings["name"], life)
    os.environ.update(settings["env"])
    for variable in settings.get("unset", ()):
        os.environ.pop(variable, None)
    if settings["affinity"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, settings["affinity"])
    # a terminal's Ctrl-C is the script's business; the end of the script ends the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    keep_journal(Journal(os.path.join(spec["scratch"], name + ".journal")))
    log_to(settings["log"], settings["debug"])
    main_thread = MainThreadPoolExecutor()
    threading.Thread(
        target=_serve_worker, args=(spec, settings, name, address, main_thread, tell), name="dask-worker", daemon=True
    ).start()
    main_thread.run()


def _serve_worker(
    spec: dict[str, Any],
    settings: dict[str, Any],
    name: str,
    address: str,
    pool: MainThreadPoolExecutor,
    tell: Callable[[], None],
) -> None:
    from distributed import Worker

    shorten_in_this_process()

    async def serve() -> None:
        worker = await Worker(
            address,
            name=name,
            host=settings["host"],
            nthreads=1,
            executor=pool,
            memory_limit=0,
            dashboard=False,
            dashboard_address=f"{settings['host']}:0",
            local_directory=spec["scratch"],
            security=security_of(spec["security"]),
            resources=settings["resources"],
        )
        tell()
        await worker.finished()

    code = 77
    try:
        asyncio.run(serve())
        code = 0
    except BaseException:
        logging.getLogger("distributed").exception("worker %s failed", name)
    finally:
        os._exit(code)


class MainThreadPoolExecutor(Executor):
    """A pool of one thread: the thread that calls :meth:`run`.

    distributed gives a task its context (``get_worker`` and the rest) only in pools whose class has
    "ThreadPoolExecutor" in its name.
    """

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs.put((future, fn, args, kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.jobs.put(None)

    def run(self) -> None:
        """Run jobs until shutdown."""
        while (job := self.jobs.get()) is not None:
            future, function, args, kwargs = job
            del job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*args, **kwargs))
                except BaseException as e:
                    future.set_exception(e)
            del future, function, args, kwargs


def security_of(pems: dict[str, str] | None) -> Any:
    """The Security object for certificates that came as text."""
    from distributed.security import Security

    return Security(require_encryption=True, **pems) if pems else None


def log_to(path: str | None, debug: bool) -> None:
    """Send what Dask logs in this process to a file."""
    root = logging.getLogger()
    for logger in (root, logging.getLogger("distributed")):
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
    handler2: logging.Handler = logging.FileHandler(path) if path else logging.NullHandler()
    handler2.setFormatter(logging.Formatter("%(created)f %(asctime)s %(name)s [%(levelname)s]  %(message)s"))
    root.addHandler(handler2)
    logging.getLogger("distributed").setLevel(logging.DEBUG if debug else logging.INFO)
