"""Plugins that a client registers on a cluster, and takes away when it leaves; a client that dies loses them, too.

A plugin on the scheduler belongs to one client. When that leaves, or the scheduler notices that it has gone, the plugin
removes the client's other traces: itself, the topics of its lanes, and the plugin on the workers, which lets go of what
these hold.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters import worker_ends
from parsl_on_dask.clusters.bootstrap import FOR_NANNIES, KEY_MARK, Parcel, parcel
from parsl_on_dask.common.by_value import by_value
from parsl_on_dask.dask_internals.clients import run_on_scheduler
from parsl_on_dask.dask_internals.schedulers import forget_events, forget_topics, forget_wishes
from parsl_on_dask.remote.guard import topic_for

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("parsl.clusters.client_plugins")

#: Seconds for which a client's connection may be lost before it counts as gone.
ABSENCE = 5.0
#: Seconds that leaving may take.
GOODBYE = 10.0

#: The topic on which a client is told that workers have come or gone, see :func:`topic_of`.
ROSTER = "workers"

#: Modules that stay on the workers. Users' classes derive from theirs. A class that travelled by value serves later
#: clients too, as long as something in the worker holds it, and its base has to be the one that they know.
STAY = ("parsl_on_dask.data_provider.files", "parsl_on_dask.serialize.base")

#: Whom to tell that workers have come or gone: who uses a cluster that is not ours, by client.
_users: dict[str, list[Callable[[], None]]] = {}
_lock = threading.Lock()


def name_of(client: Client) -> str:
    """What the plugins of a client are called."""
    return f"parsl-on-dask-{client.id}"


def topic_of(client: Client, what: str) -> str:
    """Name of a topic for events that goes with the client."""
    return f"parsl-{client.id}-{what}"


def enter(client: Client, foreign: bool, news: Callable[[], None] | None = None) -> None:
    """Prepare a cluster for a client's calls. Several executors of a client share that.

    - `foreign`: whether the cluster is not ours. Then its workers may have nothing of this package, and its
      ``allowed-failures`` is not ours to set. Call :func:`leave` when an executor needs the cluster no more.
    - `news`: called in the client's event loop when workers of such a cluster have come or gone, and at the beginning.
    """
    with _lock:
        users = list(_users.get(client.id, ()))
        if news is not None:
            _users[client.id] = [*users, news]
    if users:
        if news is not None:
            news()
        return
    if foreign:
        try:
            for plugin in _plugins(name_of(client), client.id, parcel(), parcel(FOR_NANNIES)):
                client.register_plugin(plugin, name=name_of(client))
        except BaseException:
            with _lock:
                _users.pop(client.id, None)
            raise
        client.subscribe_topic(topic_of(client, ROSTER), lambda _: _tell(client.id))
        client.subscribe_topic(topic_for(client.id), lambda event: worker_ends.heard(client.id, event[1]))
    try:
        client.register_plugin(_scheduler_plugin(name_of(client), client.id, foreign), name=name_of(client))
    except Exception as e:
        if not foreign:
            logger.debug("The scheduler takes no plugins: %r", e)
            return
        logger.warning(
            "The scheduler takes no plugins, so Dask itself runs calls again whose worker died; set "
            "distributed.scheduler.allowed-failures to 0 there if that is not wanted",
            exc_info=True,
        )


def _tell(client: str) -> None:
    for news in list(_users.get(client, ())):
        news()


def leave(client: Client, news: Callable[[], None]) -> None:
    """An executor needs the cluster no more; with the last one of a client, all goes that the client had there."""
    with _lock:
        users = [user for user in _users.pop(client.id, ()) if user != news]
        if users:
            _users[client.id] = users
    if users or client.status != "running":
        return
    worker_ends.forget(client.id)
    for topic in (topic_of(client, ROSTER), topic_for(client.id)):
        with suppress(ValueError):  # it was never subscribed to
            client.unsubscribe_topic(topic)
    try:
        run_on_scheduler(client, _goodbye(), name_of(client), timeout=GOODBYE)
    except Exception as e:  # the scheduler is gone or takes no functions; what is left goes with the client
        logger.debug("Cannot clean up on the cluster: %r", e)


def tell_nannies(client: Client, addresses: Sequence[str], number: int) -> bool:
    """Have the nannies of some workers end a call, if it runs there, without waiting for that."""

    async def tell() -> None:
        try:
            await client.run(_end_call(), number, workers=list(addresses), nanny=True)
        except Exception:  # they have gone
            logger.debug("call %s cannot be ended", number, exc_info=True)

    loop: Any = client.loop
    loop.add_callback(tell)
    return True


@cache
def _end_call() -> Any:
    def parsl_end_call(number: int, dask_worker: Any) -> None:
        from parsl_on_dask.remote import guard

        guard.end(dask_worker, number)

    return by_value(parsl_end_call)


def _goodbye() -> Any:
    async def parsl_goodbye(name: str, dask_scheduler: Any = None) -> None:
        plugin = dask_scheduler.plugins.get(name)
        if plugin is not None:
            await plugin.leave(dask_scheduler)

    return by_value(parsl_goodbye)


def _scheduler_plugin(name: str, client: str, once: bool) -> Any:
    from distributed import SchedulerPlugin

    mark, absence, roster = KEY_MARK, ABSENCE, f"parsl-{client}-{ROSTER}"
    release, drop, empty = forget_wishes(), forget_topics(), forget_events()
    told = topic_for(client)

    class ParslOnDask(SchedulerPlugin):
        """Looks after a client's tasks, and removes its traces when it has gone.

        Dask looks at whether a worker with tasks waiting in front of it is idle when something happens to that worker.
        A task can be given to a busy worker while the others have more to do; when these are done all workers count as
        idle, and then none takes tasks from another one. And a task that prefers a worker which has gone, at a moment
        without any other, is forgotten when others come. So both are looked at from time to time. The client is told
        when workers have come or gone, of many at once one time, so that it need not ask.
        """

        idempotent = True

        def __init__(self) -> None:
            self.name = name
            self.client = client
            self.changed = True
            self.told = False

        def log_event(self, topic: str, _: Any) -> None:
            self.told = self.told or topic == told

        def add_worker(self, scheduler: Any, worker: str) -> None:
            self.changed = True

        def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
            self.changed = True

        async def start(self, scheduler: Any) -> None:
            import time

            from tornado.ioloop import PeriodicCallback

            def look() -> None:
                if once and self.changed:
                    self.changed = False
                    scheduler.log_event(roster, None)
                if self.told:
                    self.told = False
                    empty(scheduler, told)
                for worker in list(scheduler.workers.values()):
                    if len(worker.processing) > worker.nthreads:
                        scheduler.check_idle_saturated(worker)
                if scheduler.running:
                    tasks = [t for t in scheduler.unrunnable if t.loose_restrictions and mark in str(t.key)]
                    if tasks:
                        found = {task.key: "processing" for task in tasks}
                        scheduler.transitions(found, stimulus_id=f"parsl-come-{time.time()}")

            scheduler.periodic_callbacks[name] = callback = PeriodicCallback(look, 500)
            callback.start()

        def update_graph(self, scheduler: Any, *, tasks: Any, **_: Any) -> None:
            # Dask is not to run our tasks again when their worker dies: that is for Parsl's retries to decide
            for key in tasks if once else ():
                if mark in str(key):
                    # the next death of its worker is one too many
                    scheduler.tasks[key].suspicious = scheduler.allowed_failures

        def remove_client(self, scheduler: Any, client: str) -> None:
            import asyncio

            async def look_again() -> None:
                await asyncio.sleep(absence)
                if self.client not in scheduler.clients:
                    await self.leave(scheduler)

            if client == self.client:
                self.leaving = asyncio.ensure_future(look_again())

        async def leave(self, scheduler: Any) -> None:
            if scheduler.plugins.get(name) is not self:
                return
            del scheduler.plugins[name]
            callback = scheduler.periodic_callbacks.pop(name, None)
            if callback is not None:
                callback.stop()
            release(scheduler, client)
            if name in scheduler.worker_plugins:
                await scheduler.unregister_worker_plugin(None, name)
            if name in scheduler.nanny_plugins:
                await scheduler.unregister_nanny_plugin(None, name)
            # last: workers may have told something until now
            self.sweep(scheduler)
            # and what was on its way makes a topic anew
            scheduler.loop.call_later(absence, self.sweep, scheduler)

        def sweep(self, scheduler: Any) -> None:
            if name in scheduler.plugins:  # the client has come back, with topics that it needs
                return
            drop(scheduler, f"parsl-{client}-")

    ParslOnDask.__module__ = "__main__"
    ParslOnDask.__qualname__ = "ParslOnDask"
    return ParslOnDask()


def _plugins(name: str, client: str, for_workers: Parcel, for_nannies: Parcel) -> tuple[Any, Any]:
    """A plugin for workers, and one for their nannies."""
    from distributed import NannyPlugin, WorkerPlugin

    kept = STAY

    class Sources:
        """Makes parsl_on_dask.remote importable in a process that does not have the package."""

        def __init__(self, mark: str, *packed: bytes) -> None:
            self.name = name
            self.client = client
            self.mark = mark
            self.packed = packed
            self.kept = kept

        def prepare(self) -> None:
            import importlib
            import importlib.util
            import sys

            top = sys.modules.get("parsl_on_dask")
            if top is None and importlib.util.find_spec("parsl_on_dask") is not None:
                top = importlib.import_module("parsl_on_dask")
            # otherwise it is installed here, and the client compares versions
            if top is None or hasattr(top, "__sent_by__"):
                self.make_modules()

        def make_modules(self) -> None:
            import importlib.util
            import json
            import marshal
            import sys
            import types
            import zlib

            magic, codes, texts = self.packed
            if magic == importlib.util.MAGIC_NUMBER:
                modules = marshal.loads(zlib.decompress(codes))
            else:
                modules = json.loads(zlib.decompress(texts))
            for package in (
                "parsl_on_dask",
                *(f"parsl_on_dask.{room}" for room in ("remote", "data_provider", "serialize")),
            ):
                if getattr(sys.modules.get(package), "__sent_by__", None) == self.mark:
                    continue
                module = types.ModuleType(package)
                module.__path__ = []
                module.__package__ = package
                module.__dict__["__sent_by__"] = self.mark
                sys.modules[package] = module
            for name, module_code in modules.items():
                full = "parsl_on_dask." + name
                if getattr(sys.modules.get(full), "__sent_by__", None) == self.mark:
                    continue
                module = types.ModuleType(full)
                module.__dict__["__sent_by__"] = self.mark
                module.__package__ = full.rpartition(".")[0]
                sys.modules[full] = module
                setattr(sys.modules[module.__package__], full.rpartition(".")[2], module)
                if isinstance(module_code, str):
                    module_code = compile(module_code, f"<{full}, sent by the client>", "exec")
                exec(module_code, module.__dict__)

        def forget_modules(self) -> None:
            import sys

            if hasattr(sys.modules["parsl_on_dask"], "__sent_by__"):
                ours = [m for m in sys.modules if m == "parsl_on_dask" or m.startswith("parsl_on_dask.")]
                for module in ours:
                    if not any(kept == module or kept.startswith(f"{module}.") for kept in self.kept):
                        del sys.modules[module]

    class OnWorkers(Sources, WorkerPlugin):
        def setup(self, worker: Any) -> None:
            self.prepare()
            from parsl_on_dask.remote import presence

            presence.enter(worker, self.client)

        def teardown(self, worker: Any) -> None:
            from parsl_on_dask.remote import presence

            if presence.leave(worker, self.client):
                self.forget_modules()

    class OnNannies(Sources, NannyPlugin):
        def setup(self, nanny: Any) -> None:
            self.prepare()
            from parsl_on_dask.remote import guard

            guard.enter(nanny, self.client, self.name)

        def teardown(self, nanny: Any) -> None:
            from parsl_on_dask.remote import guard

            if guard.leave(nanny, self.client):
                self.forget_modules()

    for kind in (Sources, OnWorkers, OnNannies):
        kind.__module__ = "__main__"
        kind.__qualname__ = kind.__name__
    return OnWorkers(*for_workers), OnNannies(*for_nannies)
