"""What every lane offers to the kernel and to the executors."""

from __future__ import annotations

import abc
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common import interrupts
from parsl_on_dask.common.raising import PlainFuture
from parsl_on_dask.errors import ExecutorError
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.lanes.call import Call, Outcome
from parsl_on_dask.lanes.callbacks import PoliteFuture

if TYPE_CHECKING:
    from parsl_on_dask.jobs.node_hours import NodeHours
    from parsl_on_dask.lanes.packing import Packer


class CallFuture(PoliteFuture[Any], PlainFuture[Any]):
    """Of a call that was submitted without a kernel."""


class Lane(abc.ABC):
    """The road to one cluster.

    Calls are given with :meth:`submit` from any thread. Each call's ``done`` is called exactly once, also
    when the lane is closed or its cluster is lost.
    """

    label: str
    executor: ParslExecutor
    #: Whether calls may be sent before what they wait for is done.
    goes_ahead = False
    #: Whether somebody sees to it that there are more blocks when calls wait.
    scaled = False
    #: Whether its executor belongs to a kernel, and is not driven by a program itself.
    in_kernel = False
    #: Whether its workers are other processes.
    remote = False
    #: Whether another process keeps its cluster, and sees to it that there are blocks.
    kept = False
    #: Whether the dashboard of its cluster has the Parsl page, and the scheduler takes reports for it.
    parsl_page = False
    #: Told how calls go that are not done yet, a :class:`~parsl_on_dask.monitoring.observer.Observer`; or None.
    watch: Any = None

    @abc.abstractmethod
    def submit(self, call: Call) -> None:
        """Take a ready call. Does not block, and raises nothing: what is wrong with a call is its outcome."""

    @abc.abstractmethod
    def withdraw(self, call: Call) -> None:
        """Forget a call that was cancelled."""

    def cannot_end(self) -> str:
        """Why calls that run cannot be ended with their workers, and what to do; "" where they can."""
        return ""

    def kill(self, call: Call) -> bool:
        """Have a call ended that somebody runs; False where that cannot be done."""
        return False

    @abc.abstractmethod
    def outstanding(self) -> int:
        """Number of calls taken and not yet done."""

    def running(self) -> dict[str, int] | None:
        """How many calls of each app are being run now, as far as is known here; None when nothing is."""
        return None

    @abc.abstractmethod
    def workers(self) -> list[dict[str, Any]]:
        """The workers there are: address, name, host, pid, block, nthreads of each."""

    @abc.abstractmethod
    def close(self, wait: bool = False) -> None:
        """End what this lane started. Calls that are not done fail, unless ``wait``: then they are finished first."""

    def closed_error(self) -> BaseException:
        """The error of calls that the executor was shut down under, or that come after that."""
        return ExecutorError(
            self.executor,
            "it was shut down before this task was done. Call parsl.wait_for_current_tasks() or the futures' result() "
            "before cleanup(), or load with exit_mode='wait'",
        )

    def when_connected(self, function: Callable[[], None]) -> None:
        """Call a function when there is a client of Dask's: now, or when somebody has asked for one."""
        function()

    def knows(self, function: Callable[..., Any]) -> bool:
        """Whether a call of this function can be submitted on any thread without waiting for anything."""
        return True

    def later(self, name: str, step: Callable[[Any], None], item: Any) -> None:
        """Have ``step(item)`` done, which mostly submits a call of app ``name``: by a thread of the lane's, if any."""
        step(item)

    def ahead_size(self) -> int:
        """Number of calls that were prepared ahead and not submitted yet."""
        return 0

    def prepare(self, call: Call) -> None:
        """Pack a call that is to go ahead, with promises among its arguments; for lanes with :attr:`goes_ahead`."""
        raise NotImplementedError

    def follow(self, call: Call, leaders: Sequence[Call]) -> bool:
        """Send a prepared call after its leaders. False when one of these has a follower already."""
        return False

    def drop(self, call: Call) -> None:  # noqa: B027
        """Forget a call that went ahead and will not be submitted."""

    def accepts(self, value: Any) -> bool:
        """Whether a value that stays on a cluster can be passed to a call on this lane as it is."""
        return False

    def status(self) -> dict[str, Any]:
        """State of each block, by block id."""
        return {}

    def node_hours(self) -> NodeHours | None:
        """What the blocks asked for and used; None where that is not kept."""
        return None

    def slots_per_block(self) -> int:
        """Number of calls that one block can run at a time."""
        return 1

    def scale_out(self, blocks: int = 1) -> list[str]:
        """Ask for more blocks; returns the ids of those that were asked for."""
        return []

    def idle_blocks(self) -> set[str]:
        """The blocks whose workers run no calls."""
        return set()

    def scale_in(self, blocks: int, among: Collection[str] | None = None) -> list[str]:
        """Give blocks back, of ``among`` if that is given; returns the ids of those."""
        return []

    def submit_call(
        self, function: Callable[..., Any], spec: Mapping[str, Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Future[Any]:
        """Submit without a kernel, as executors used on their own do."""
        future: Future[Any] = CallFuture()

        def done(call: Call, outcome: Outcome) -> None:
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(plain(outcome.value))

        self.submit(Call(getattr(function, "__name__", "call"), function, args, kwargs, spec, done))
        return future


class ClientLane(Lane):
    """A lane whose workers are other processes, to which a client of Dask's leads.

    - `live`: the calls that were submitted and are not done.
    - `lost`: why the cluster, or this lane, can run no more calls.
    """

    remote = True
    client: Any
    packer: Packer

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self.label = executor.label
        self.live: dict[int, Call] = {}
        self.closing = False
        self.left = False
        self.lost: BaseException | None = None

    def withdraw(self, call: Call) -> None:
        self.live.pop(call.number, None)

    def outstanding(self) -> int:
        return len(self.live)

    def knows(self, function: Callable[..., Any]) -> bool:
        return self.packer.knows(function)

    def accepts(self, value: Any) -> bool:
        from parsl_on_dask.lanes.values import RemoteValue

        return isinstance(value, RemoteValue) and value.client is self.client

    def end_error(self) -> BaseException:
        """The error of calls that come when it is over."""
        from parsl_on_dask.lanes.failures import each_its_own

        return self.closed_error() if self.lost is None else each_its_own(self.lost)

    def finish_all(self) -> None:
        """Wait until all calls are done, or will not be."""
        idle = threading.Event()
        while self.outstanding() and self.lost is None and not interrupts.came():
            idle.wait(0.005)


def plain(value: Any) -> Any:
    """The value itself, fetched if it stayed on a cluster."""
    from parsl_on_dask.lanes.values import RemoteValue

    return value.fetch() if type(value) is RemoteValue else value
