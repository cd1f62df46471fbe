"""Dask clusters that are there already, or that a cloud makes: what ``DaskExecutor``, and clouds, become."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from parsl_on_dask.clusters import worker_ends
from parsl_on_dask.clusters.base import Cluster, End, close_client, connected
from parsl_on_dask.clusters.roster import Member, PolledRoster, about, member_of
from parsl_on_dask.errors import ConfigurationError, ExecutorError, ParslError
from parsl_on_dask.remote.guard import can_be_ended

if TYPE_CHECKING:
    from distributed import Client

    from parsl_on_dask.common.overrides import ClusterOverride
    from parsl_on_dask.executors.dask import DaskExecutor
    from parsl_on_dask.executors.high_throughput.executor import HighThroughputExecutor

logger = logging.getLogger("parsl.clusters.existing")

#: Seconds to wait for a scheduler file to appear.
FILE_TIMEOUT = 10.0
#: Seconds to wait for one to be readable.
HALF_WRITTEN = 2.0

#: Clients that labels on one cluster share, with the number of labels: a value on it can then go from label to label.
_shared: dict[tuple[str, int], tuple[Client, int]] = {}


class ExistingCluster(Cluster):
    """A cluster that somebody else started, and that goes on when we leave.

    - `executor`: with one of ``address``, ``client``, ``cluster``, ``scheduler_file``.

    Raises ExecutorError when it cannot be reached. Raises ConfigurationError when its Python does not match this one,
    or the client is an asynchronous one.
    """

    def __init__(self, executor: DaskExecutor) -> None:
        super().__init__(executor)
        self.roster = PolledRoster(self)
        self.key: tuple[str, int] | None = None
        self.owns_client = executor.client is None
        self.entered = False
        self.client = executor.client if executor.client is not None else self._connected()
        if self.client.asynchronous:
            raise ConfigurationError(
                f"executor {executor.label!r}: client= was made with asynchronous=True, and a Parsl script is not "
                "asynchronous. Give DaskExecutor(address=client.scheduler.address) instead"
            )
        if self.client.status in ("closed", "closing"):
            raise ConfigurationError(
                f"executor {executor.label!r}: client= was closed before. Keep it open for as long as the kernel runs, "
                "or give the scheduler's address, DaskExecutor('tcp://...')"
            )
        try:
            check_versions(self.client, executor.label)
            from parsl_on_dask.clusters.client_plugins import enter

            self.roster.take(self.client.scheduler_info(n_workers=-1)["workers"])
            self.told = False
            enter(self.client, foreign=True, news=self._news)
            self.entered = True
        except BaseException:
            self.close()
            raise

    def _connected(self) -> Client:
        executor = self.executor
        target = self._target()
        if isinstance(target, str):
            key = (target, id(executor.security))
            if key in _shared:
                client, users = _shared[key]
                _shared[key] = (client, users + 1)
                self.key = key
                return client
        try:
            client = connected(executor.label, target, executor.security)
        except (OSError, TimeoutError) as e:
            shown = target if isinstance(target, str) else repr(target)
            raise ExecutorError(
                executor,
                f"no Dask scheduler answers at {shown} ({type(e).__name__}: {e}). Start one with 'dask scheduler', "
                "check the address (tcp:// or tls://), and give security= if it wants TLS",
            ) from e
        if isinstance(target, str):
            self.key = key
            _shared[key] = (client, 1)
        return client

    def _target(self) -> Any:
        executor = self.executor
        if executor.cluster is not None:
            return executor.cluster
        if executor.address is not None:
            return executor.address
        assert executor.scheduler_file is not None
        path = os.fspath(executor.scheduler_file)
        try:
            return str(_contents(path)["address"])
        except (OSError, ValueError, KeyError) as e:
            raise ExecutorError(
                executor,
                f"scheduler_file {path!r} cannot be read as one ({type(e).__name__}: {e}). "
                "'dask scheduler --scheduler-file FILE' writes it",
            ) from e

    def _news(self) -> None:
        """Workers have come or gone."""
        self.told = True
        self.roster.ask(self.client)

    def _members(self) -> list[tuple[str, Member]]:
        # the roster hears of changes half a second late
        identities = self.client.scheduler_info(n_workers=-1)["workers"]
        return [(address, member_of(about(known))) for address, known in identities.items()]

    def refresh(self) -> None:
        """Ask the scheduler for its workers, unless it tells when they change."""
        (self.roster.refresh if self.told else self.roster.ask)(self.client)

    def last_of(self, worker: str) -> tuple[int, list[bytes]] | None:
        told = worker_ends.of(self.client.id, worker)
        return None if told is None else told.last

    def end_of(self, worker: str) -> End | None:
        told = worker_ends.of(self.client.id, worker)
        return None if told is None else told.end

    def end_call(self, worker: str, number: int) -> bool:
        addresses = [address for address, known in self.roster.members() if worker in ("", known.name)]
        from parsl_on_dask.clusters.client_plugins import tell_nannies

        return bool(addresses) and tell_nannies(self.client, addresses, number)

    def cannot_end(self) -> str:
        workers = [worker for _, worker in self.roster.members()]
        others = [w.name for w in workers if not can_be_ended(w.nanny, w.nthreads)]
        if not others:
            return ""
        return (
            f"{len(others)} of {len(workers)} workers of its Dask cluster, such as {others[0]!r}, cannot be ended for "
            "one call: that takes a nanny and a single thread. Start workers with 'dask worker --nworkers N --nthreads "
            "1', or LocalCluster(processes=True, threads_per_worker=1)"
        )

    def close(self) -> None:
        if self.entered:
            from parsl_on_dask.clusters.client_plugins import leave

            self.entered = False
            leave(self.client, self._news)
        if not self.owns_client or not hasattr(self, "client"):
            return
        self.owns_client = False
        if self.key is not None:
            client, users = _shared.pop(self.key)
            if users > 1:
                _shared[self.key] = (client, users - 1)
                return
        close_client(self.client)


class CloudCluster(ExistingCluster):
    """A cluster that a provider of a cloud makes, and that ends with the kernel.

    - `executor`: with a :class:`~parsl_on_dask.providers.cloud.CloudProvider`.

    Raises OptionalModuleMissing when what makes the cluster is not installed. Raises ExecutorError when it cannot be
    made.
    """

    def __init__(self, executor: HighThroughputExecutor) -> None:
        from parsl_on_dask.executors.dask import DaskExecutor

        provider: Any = executor.provider
        try:
            self.made: Any = provider.make_cluster()
        except ParslError:
            raise
        except Exception as e:
            kind = type(provider).__name__
            raise ExecutorError(executor, f"{kind} could not make its cluster: {type(e).__name__}: {e}") from e
        try:
            super().__init__(DaskExecutor(cluster=self.made, label=executor.label))
        except BaseException:
            self.made.close()
            raise

    def close(self) -> None:
        super().close()
        made, self.made = self.made, None
        if made is not None:
            made.close()


def _contents(path: str) -> Any:
    """What a scheduler file says. The scheduler may be starting, and the file be missing or half written."""
    began = time.monotonic()
    while True:
        try:
            with open(path) as file:
                return json.load(file)
        except (FileNotFoundError, ValueError) as e:
            patience = FILE_TIMEOUT if isinstance(e, FileNotFoundError) else HALF_WRITTEN
            if time.monotonic() - began > patience:
                raise
        time.sleep(0.05)


def check_versions(client: Client, label: str) -> None:
    """Refuse a cluster whose Python cannot run what this one pickles.

    Functions travel as bytecode, which differs between minor versions of Python.
    """
    versions: Any = client.get_versions()
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    places = {"the scheduler": versions["scheduler"], **{f"worker {a}": v for a, v in versions["workers"].items()}}
    for place, found in places.items():
        python = ".".join(str(found["host"]["python"]).split(".")[:2])
        if python != ours:
            raise ConfigurationError(
                f"executor {label!r}: {place} runs Python {python}, this script Python {ours}. Functions cannot be "
                "sent between them: start the cluster or the script with the other's Python"
            )
        theirs, mine = (v["packages"].get("distributed") for v in (found, versions["client"]))
        if theirs != mine:
            logger.warning(
                "Executor %s: %s has distributed %s, this script %s; install the same version in both",
                label,
                place,
                theirs,
                mine,
            )


def overridden(executor: Any, override: ClusterOverride) -> Any:
    """The executor that takes the place of ``executor`` when all are to run in one given place."""
    from parsl_on_dask.executors.dask import DaskExecutor
    from parsl_on_dask.executors.stand_in import StandIn

    logger.info("Executor %s runs on %s instead of what its arguments say", executor.label, override)
    made: DaskExecutor
    if override.jobqueue is not None:
        made = StandIn(executor, override)
    else:
        made = DaskExecutor(
            override.address,
            scheduler_file=override.scheduler_file,
            label=executor.label,
            inline_limit=executor.inline_limit,
        )
    made.run_dir = executor.run_dir
    return made
