"""Private parts of ``distributed.Client`` and of its futures."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client


def start_callback_thread() -> None:
    """Start the thread in which Dask calls done-callbacks of its futures.

    ``Future._cb_executor`` is a pool of one thread, which Dask makes when the first callback is added. Python 3.12.0 to
    3.12.2 start no threads any more by the time when kernels are cleaned up.
    """
    from concurrent.futures import ThreadPoolExecutor

    from distributed import Future

    if Future._cb_executor is None or Future._cb_executor_pid != os.getpid():
        Future._cb_executor = ThreadPoolExecutor(1, thread_name_prefix="Dask-Callback-Thread")
        Future._cb_executor_pid = os.getpid()
    Future._cb_executor.submit(int).result()


def abandon(client: Any) -> None:
    """Let go of a client that could not be closed.

    Dask closes it again when it is collected, on whichever thread that happens, and waits a minute for that; unless it
    counts as closed. Its event loop is stopped by ``Client._loop_runner``.
    """
    client.status = "closed"
    client._loop_runner.stop()


def has_stopped_listening(client: Any) -> bool:
    """Whether a client has given up its scheduler, although its status does not say so.

    What reads from the scheduler also makes the connection again. An error in that ends the task
    ``Client._handle_report_task``: the scheduler's first message is refused when there is an event behind the greeting.
    """
    listening = getattr(client, "_handle_report_task", None)
    return listening is not None and bool(listening.done())


def scheduler_id(client: Any) -> str:
    """The id of a client's scheduler: ``Client._scheduler_identity``, which is kept, as the scheduler was asked for it.

    ``Client.scheduler_info`` asks again, and waits.
    """
    return str(client._scheduler_identity["id"])


def run_on_scheduler(client: Any, function: Any, *args: Any, timeout: float) -> Any:
    """Run a function on the scheduler, within a time: ``Client.run_on_scheduler`` itself takes no timeout.

    - `timeout`: seconds.

    Raises asyncio.TimeoutError when there is no answer by then.
    """
    return client.sync(client._run_on_scheduler, function, *args, callback_timeout=timeout)


def run_on_worker(client: Any, address: str, function: Any, *args: Any) -> Any:
    """A coroutine that runs a function on one worker and returns a dict of its answer, by address.

    ``Client.run`` waits without a limit when it is called in a thread; the coroutine can be given up.
    """
    return client._run(function, *args, workers=[address])


def clients() -> list[Client]:
    """The clients of this process. There is no public list of them."""
    module = sys.modules.get("distributed.client")
    return [] if module is None else list(module.Client._instances)


def calling_client(method: str = "") -> Client | None:
    """The client whose method, or whose method of that name, is calling us; None when there is none.

    Dask asks objects without saying who wants to know, so the frames of ``distributed.client`` are looked at.
    """
    module = sys.modules.get("distributed.client")
    frame: Any = sys._getframe(1)
    while module is not None and frame is not None:
        if frame.f_globals is vars(module) and method in ("", frame.f_code.co_name):
            owner = frame.f_locals.get("self")
            if isinstance(owner, module.Client):
                return owner  # type: ignore[no-any-return]
        frame = frame.f_back
    return None


def was_restarted(future: Any) -> bool:
    """Whether a Dask future was cancelled because its cluster was restarted.

    Its state has an exception that says so. ``Future.exception()`` would wait.
    """
    return getattr(future._state.exception, "reason", None) == "scheduler-restart"


def fail(future: Any, error: BaseException) -> None:
    """End a pending Dask future with an error, without its scheduler, which cannot be told."""
    future._state.set_error(error, None)


def future_of(client: Any, key: Any) -> Any:
    """A Dask future of a task that another client of the same scheduler has made, and still wants.

    ``Future(key, client)`` does not tell the scheduler that somebody else wants the task now; Dask itself says so with
    ``Client._send_to_scheduler`` when it puts a future together again.
    """
    from distributed import Future

    future: Any = Future(key, client)
    client._send_to_scheduler({"op": "client-desires-keys", "keys": [key]})
    return future
