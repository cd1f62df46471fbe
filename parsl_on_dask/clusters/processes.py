"""What the scheduler process and the worker processes of a local block do. Runs after the fork."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from parsl_on_dask.clusters import dashboard
from parsl_on_dask.clusters.orphans import CUT_OFF, FAILED, LEFT, NOTICES, OWNER, worker_name
from parsl_on_dask.clusters.roster import TOPIC, announcer
from parsl_on_dask.dask_internals.intervals import shorten_in_this_process, space_heartbeats
from parsl_on_dask.dask_internals.unpickling import survive_exits
from parsl_on_dask.remote import journal

#: What Dask's workers give as the reason for their end when they have lost their scheduler.
LOST_SCHEDULER = {
    "worker-handle-scheduler-connection-broken",
    "worker-heartbeat-missing",
    "worker-heartbeat-error",
}
#: Seconds for which a scheduler may refuse connections before it counts as gone.
REFUSED = 5.0


def scheduler_main(spec: dict[str, Any], tell: Callable[[str], None]) -> None:
    """Run a Dask scheduler; its address goes to ``tell`` once it listens."""
    shorten_in_this_process()
    space_heartbeats()
    settings = spec["scheduler"]

    async def serve() -> None:
        scheduler = await _listening(settings, spec["security"])
        dashboard.attach(scheduler)
        tell(scheduler.address)
        if settings.get("lonely"):
            asyncio.get_running_loop().create_task(_end_when_lonely(scheduler, settings["lonely"]))
        await scheduler.finished()

    asyncio.run(serve())


async def _listening(settings: dict[str, Any], pems: dict[str, str] | None) -> Any:
    from distributed import Scheduler

    *others, last = settings["ports"]
    for port in (*others, last):
        try:
            return await Scheduler(
                host=settings["host"],
                port=port,
                protocol="tls" if pems else "tcp",
                security=security_of(pems),
                dashboard=False,
                dashboard_address="127.0.0.1:0",
                plugins=[announcer()],
            )
        except (OSError, RuntimeError):  # it is taken
            if port == last:
                raise


async def _end_when_lonely(scheduler: Any, seconds: float) -> None:
    """Close a scheduler that has had no client for some seconds."""
    alone_since = time.monotonic()
    while True:
        await asyncio.sleep(min(1.0, seconds / 4))
        if set(scheduler.clients) - {"fire-and-forget"}:
            alone_since = time.monotonic()
        elif time.monotonic() - alone_since > seconds:
            await scheduler.close(reason="no client")
            return


def sentinel_main(spec: dict[str, Any], addresses: list[str], tell: Callable[[str], None]) -> None:
    """Find the address at which the scheduler answers, ``tell`` it, and return when the scheduler is gone.

    On SIGUSR1 the scheduler is told that the workers of this node have to leave. It has nothing else to do, so that no
    call can keep it from noticing.

    Raises OSError when no address answers within ``spec["death_timeout"]`` seconds, or all say at once that nobody is
    there.
    """
    from distributed.comm.core import connect

    _outlive_notices()
    security = security_of(spec["security"])
    arguments = security.get_connection_args("worker") if security else {}

    async def watch() -> None:
        notice = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, notice.set)
        comm = await _first_answer(connect, arguments, addresses, float(spec["death_timeout"]))
        tell(comm.peer_address)
        telling = asyncio.create_task(_tell_of_notice(comm, notice, spec))
        try:
            while True:
                await comm.read()
        except OSError:
            telling.cancel()

    asyncio.run(watch())


async def _tell_of_notice(comm: Any, notice: asyncio.Event, spec: dict[str, Any]) -> None:
    await notice.wait()
    message = {"leaves": [worker["name"] for worker in spec["workers"]], "seconds": spec["notice"]}
    await comm.write({"op": "log_event", "topic": TOPIC, "msg": message, "reply": False})


async def _first_answer(connect: Any, arguments: dict[str, Any], addresses: list[str], seconds: float) -> Any:
    began = time.monotonic()
    while True:
        refused = 0
        for address in addresses:
            try:
                return await connect(address, timeout=min(3.0, seconds), **arguments)
            except OSError as e:
                error = e
                refused += _was_refused(e)
        waited = time.monotonic() - began
        if waited > seconds or (refused == len(addresses) and waited > REFUSED):
            raise error
        await asyncio.sleep(0.5)


def _was_refused(error: BaseException | None) -> bool:
    """Whether a machine answered that nobody listens there; Dask hides that below errors of its own."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False


def worker_main(
    spec: dict[str, Any], number: int, life: int, address: str, tell: Callable[[str], None] = lambda _: None
) -> None:
    """Run one Dask worker, and ``tell`` its address when it is registered.

    Its event loop runs in a thread, the calls in the main thread.

    Calls run in the main thread because Parsl's do: a call may set signal handlers there.
    """
    settings = spec["workers"][number]
    name = worker_name(settings["name"], life)
    os.environ.update(settings["env"])
    os.environ[OWNER] = name
    for variable in settings.get("unset", ()):
        os.environ.pop(variable, None)
    if settings["affinity"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, settings["affinity"])
    # a terminal's Ctrl-C is the script's business; the end of the script ends the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "shared" in spec:
        _outlive_notices()
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    journal.keep(journal.Journal(journal.path_of(spec["scratch"], name)))
    log_to(settings["log"], settings["debug"])
    main_thread = MainThreadPoolExecutor()
    threading.Thread(
        target=_serve_worker, args=(spec, settings, name, address, main_thread, tell), name="dask-worker", daemon=True
    ).start()
    main_thread.run()


def _outlive_notices() -> None:
    """Go on when a batch system tells all processes of a job that it is about to end; the supervisor sees to the rest.

    The signals are not ignored, as what calls start would ignore them, too.
    """
    for number in NOTICES:
        signal.signal(number, _go_on)
    os.register_at_fork(before=_hold_notices, after_in_parent=_release_notices, after_in_child=_end_by_them)


def _go_on(*_: Any) -> None:
    pass


_held = threading.local()


def _hold_notices() -> None:
    # one that comes to a child before it can end by it would be lost
    _held.before = signal.pthread_sigmask(signal.SIG_BLOCK, NOTICES)


def _release_notices() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _held.before)


def _end_by_them() -> None:
    for number in NOTICES:
        if signal.getsignal(number) is _go_on:
            signal.signal(number, signal.SIG_DFL)
    _release_notices()


def _serve_worker(
    spec: dict[str, Any],
    settings: dict[str, Any],
    name: str,
    address: str,
    pool: MainThreadPoolExecutor,
    tell: Callable[[str], None],
) -> None:
    from distributed import Worker

    shorten_in_this_process()
    survive_exits()
    cut_off = False

    class NodeWorker(Worker):
        async def close(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal cut_off
            cut_off = cut_off or kwargs.get("reason") in LOST_SCHEDULER
            return await super().close(*args, **kwargs)

    facts = {
        "hostname": socket.gethostname(),
        # as the batch system calls it, where that has a name of its own for it
        "machine": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        "pid": os.getpid(),
        "python": "{}.{}".format(*sys.version_info[:2]),
    }

    preload, arguments = spec.get("preload", ([], []))
    preload = [os.path.expanduser(os.path.expandvars(text)) for text in preload]

    async def serve() -> None:
        worker = await NodeWorker(
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
            preload=preload,
            preload_argv=arguments,
            startup_information={key: partial(_fact, value) for key, value in facts.items()},
        )
        tell(worker.address)
        await worker.finished()

    code = FAILED
    try:
        asyncio.run(serve())
        code = CUT_OFF if cut_off else LEFT
    except BaseException:
        logging.getLogger("distributed").exception("worker %s failed", name)
    finally:
        os._exit(code)


def _fact(value: Any, worker: Any) -> Any:
    return value


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
