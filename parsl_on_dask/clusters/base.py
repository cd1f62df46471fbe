"""What lanes need of a cluster."""

from __future__ import annotations

import abc
import logging
import os
import time
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from parsl_on_dask.clusters.roster import Member, Roster
from parsl_on_dask.dask_internals.clients import abandon, has_stopped_listening
from parsl_on_dask.dask_internals.intervals import shorten
from parsl_on_dask.errors import ExecutorError

if TYPE_CHECKING:
    from distributed import Client

    from parsl_on_dask.jobs.node_hours import NodeHours

logger = logging.getLogger("parsl.clusters.base")

#: Seconds that closing a client may take.
GOODBYE = 5.0
#: Seconds that workers have for handing values over.
RETIRE = 10.0


class End(NamedTuple):
    """How the process of a worker ended.

    - `how`: ``"signal SIGKILL"``, ``"exit code 3"``.
    - `peak`, `limit`: the most memory that it had used, and what there is for all workers of its node, in bytes; 0 if
      not known.
    - `workers`: how many of them there are.
    - `log`: the file that it wrote its log to.
    - `over`: why its supervisor ended it, where that did: ``"walltime"``, ``"memory"``, ``"kill"``.
    - `allowed`, `used`: the seconds or bytes that its call was allowed, and the bytes that it had.
    - `starved`: whether the machine's kernel ended a process meanwhile because memory had run out.
    """

    how: str
    peak: int = 0
    limit: int = 0
    workers: int = 1
    log: str = ""
    over: str = ""
    allowed: float = 0.0
    used: float = 0.0
    starved: bool = False


def connected(label: str, target: Any, security: Any = None, **options: Any) -> Client:
    """A client of ours for a cluster, which is not taken for the default one."""
    from distributed import Client

    client = Client(target, security=security, set_as_default=False, name=f"parsl-{label}", **options)
    shorten(client)
    return client


def close_client(client: Any) -> None:
    """Close a client of ours, also one whose scheduler has gone."""
    try:
        client.close(timeout=GOODBYE)
    except Exception:  # there is nobody to say goodbye to, or what ended its connection is raised once more
        logger.debug("closing %s", client.id, exc_info=True)
        abandon(client)


class Cluster(abc.ABC):
    """A Dask cluster that was started or joined."""

    client: Client
    #: why it can run no more calls, as far as somebody has said so
    error: str | None = None
    closed = False
    #: whether this process started the cluster, so that its settings are ours
    started_here: bool = False
    #: whether what Slurm says about the end of the workers' job is to be believed, see remote.jobend
    trusts_slurm: bool = True
    #: whether its dashboard has the Parsl page (:mod:`parsl_on_dask.clusters.dask_page`)
    parsl_page: bool = False
    #: directory that workers and this process share, "" when there is none
    scratch: str = ""
    #: whether a block that has ended may be followed by one that lasts as long
    renews: bool = True
    #: names of workers that are about to leave, and should be given nothing more
    leaving: AbstractSet[str] = frozenset()
    _idle_since: Mapping[str, float] = MappingProxyType({})

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self.label = executor.label
        self.roster = Roster(self)

    def on_change(self) -> None:  # noqa: B027 (whom it concerns puts a function of its own here)
        """Called when workers have come or gone."""

    def on_notice(self, workers: Collection[tuple[str, str]], seconds: float) -> None:  # noqa: B027 (as above)
        """Called when the jobs of workers (addresses, names) are about to be ended, in so many seconds."""

    def greet(self, worker: Member) -> None:  # noqa: B027 (most clusters do nothing about it)
        """Called when a worker has come."""

    def miss(self) -> None:  # noqa: B027 (as above)
        """Called when the last worker of a block has gone."""

    def idle(self) -> Collection[str]:
        """Ids of the blocks that run nothing, as far as is known; who knows more puts a function of its own here."""
        return ()

    def busy(self) -> Mapping[str | None, float]:
        """How many slots of each block run calls; who knows puts a function of its own here."""
        return {}

    def node_hours(self) -> NodeHours | None:
        """What the blocks asked for and used; None where that is not kept."""
        return None

    @abc.abstractmethod
    def close(self) -> None:
        """Leave the cluster, and end it if it is ours. Quiet when called again."""

    def slots(self) -> int:
        """Number of calls that can run at a time, at least 1."""
        return max(1, self.roster.slots)

    def workers(self) -> list[dict[str, Any]]:
        """The workers that the scheduler knows."""
        return [
            {
                "address": address,
                "name": worker.name,
                "host": worker.host,
                "pid": worker.pid,
                "block": (block := self.block_of(worker.name)),
                "node": worker.node,
                "nthreads": worker.nthreads,
                "idle": self.idle_seconds(block),
                "draining": worker.name in self.leaving,
            }
            for address, worker in self._members()
        ]

    def _members(self) -> list[tuple[str, Member]]:
        """The same, by address."""
        return self.roster.members()

    def block_of(self, worker: str) -> str | None:
        """Id of the block that a worker belongs to."""
        return None

    def machine_of(self, worker: str) -> str | None:
        """The machine that a worker is, or was, on; None where machines cannot be left out."""
        return None

    def leave_out(self, machine: str, why: str) -> bool:
        """Keep further blocks away from a machine; False when it was so already."""
        return False

    def last_of(self, worker: str) -> tuple[int, list[bytes]] | None:
        """Number of the call that a dead worker was running (0: none) and its last reports; None if not known."""
        return None

    def end_call(self, worker: str, number: int) -> bool:
        """Have a call ended, with its worker, if it runs there; False when that cannot be done from here.

        ``worker`` is "" for any of them: one whose first call keeps the interpreter cannot say that it runs it.
        """
        return False

    def cannot_end(self) -> str:
        """Why calls that run cannot be ended with their workers, and what to do; "" where they can."""
        return ""

    def end_of(self, worker: str) -> End | None:
        """How the process of a dead worker ended, if that is known; may take a moment to hear of it."""
        return None

    def refresh(self) -> None:
        """Bring what is known about workers and blocks up to date; called every second."""
        self.roster.refresh(self.client)
        now = time.monotonic()
        self._idle_since = {block: self._idle_since.get(block, now) for block in self.idle()}

    def idle_seconds(self, block: str | None) -> float:
        """For how long a block has run nothing; 0 while it does."""
        since = None if block is None else self._idle_since.get(block)
        return 0.0 if since is None else time.monotonic() - since

    def done_with(self, shift: str) -> None:
        """Remove what a shift left in :attr:`scratch`, when Dask has no reason to run it again."""
        if self.scratch:
            with suppress(OSError):
                os.unlink(os.path.join(self.scratch, shift + ".ran"))

    def retire(self, addresses: Collection[str], seconds: float = RETIRE, remove: bool = False) -> bool:
        """Have workers hand their values over and take no new tasks, within some seconds; False if that failed.

        - `remove`: whether the scheduler forgets them then.
        """
        client: Any = self.client
        if not addresses or client.status != "running":
            return True
        try:
            client.sync(
                client.scheduler.retire_workers,
                workers=list(addresses),
                close_workers=False,
                remove=remove,
                callback_timeout=seconds,
            )
        except Exception as e:  # no time, nobody to hand over to, or the workers have just gone
            logger.info("Executor %s: workers could not hand over all they have: %r", self.label, e)
            return False
        return True

    def trouble(self) -> BaseException | None:
        """Why the cluster can no longer run calls, or None when it can."""
        error = self.error or self.cut_off()
        return ExecutorError(self.executor, error) if error else None

    def cut_off(self) -> str:
        """What is wrong with the connection to the scheduler, "" while it stands or is being made again."""
        client: Any = self.client
        if client.status not in ("running", "connecting"):
            return f"the connection to its Dask scheduler is {client.status}"
        if has_stopped_listening(client):
            return "the connection to its Dask scheduler was lost, and Dask's client has given up making it again"
        return ""

    def status(self) -> dict[str, Any]:
        """State of each block, by block id."""
        return {}

    def slots_per_block(self) -> int:
        """Number of calls that one block can run at a time."""
        return 1

    def scale_out(self, blocks: int) -> list[str]:
        """Ask for more blocks."""
        return []

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        """Give blocks back, of ``among`` if that is given."""
        return []
