"""Delivers messages from wherever they are sent: one rule for all radios that name no receiver of their own."""

from __future__ import annotations

from typing import Any, Protocol

from parsl_on_dask.remote import monitor


class Inbox(Protocol):
    """Where messages of a run are put."""

    def put(self, message: Any) -> None: ...


#: Those of the hubs of this process that take messages, the last one opened at the end.
OPEN: list[Inbox] = []


def deliver(message: Any) -> None:
    """Have a message recorded.

    From a call that runs on a worker it goes with that call's reports; in the script's own process, where threads
    are workers, too, straight to the hub that was opened last.

    Parameters
    ----------
    message : tuple
        ``(MessageType, dict)``.

    Raises
    ------
    RuntimeError
        When this is neither a call of a worker that is monitored nor a process with a MonitoringHub.
    """
    if monitor.is_here():
        monitor.send_message(message)
    elif OPEN:
        OPEN[-1].put(message)
    else:
        raise RuntimeError(
            "nobody records this message: send from inside of an app, or in the script after a Config(monitoring="
            "MonitoringHub()) was loaded"
        )
