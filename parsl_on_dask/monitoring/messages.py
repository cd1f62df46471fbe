"""Messages in Parsl's form, from executors, radios and plug-ins of somebody else's making."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.states import States
from parsl_on_dask.monitoring.message_type import MessageType

if TYPE_CHECKING:
    from parsl_on_dask.monitoring.tables import Clock

logger = logging.getLogger("parsl.monitoring.messages")

_TABLES = {
    MessageType.TASK_INFO: ("status",),
    MessageType.RESOURCE_INFO: ("resource",),
    MessageType.NODE_INFO: ("node",),
    MessageType.BLOCK_INFO: ("block",),
    MessageType.WORKFLOW_INFO: (),
}


def add(found: dict[str, list[Any]], run_id: str, clock: Clock, message: Any) -> None:
    """Add the rows that a message stands for to those found so far.

    - `found`: rows by table, one value after the other.
    - `run_id`: the run of messages that name none.
    - `message`: ``(MessageType, dict)``; for blocks a list of dicts. What is no such message is logged and left out.
    """
    from parsl_on_dask.monitoring.tables import COLUMNS

    try:
        tag, content = message
        parts = content if isinstance(content, (list, tuple)) else [content]
        for part in parts:
            fields = {"run_id": run_id, **part}
            tables = _TABLES.get(tag, ())
            if tag is MessageType.WORKER_TASK_INFO:
                tables = ("status",)
                ended = fields.get("last_msg")
                fields["task_status_name"] = (States.running_ended if ended else States.running).name
            for name in tables:
                row = [_value(fields.get(column), clock) for column in COLUMNS[name]]
                found.setdefault(name, []).extend(row)
    except Exception as e:
        logger.error("this is no monitoring message, and is left out: %.200r (%s: %s)", message, type(e).__name__, e)


def _value(value: Any, clock: Clock) -> Any:
    if isinstance(value, datetime):
        return clock.moment(value)
    if isinstance(value, bool) or value is None or isinstance(value, (int, float, str)):
        return value
    return str(value)
