"""Private parts of ``distributed.Scheduler``.

The functions run on the scheduler, which may have nothing of this package: each is made inside of another one and
travels by value.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from parsl_on_dask.common.by_value import by_value


@cache
def forget_topics() -> Any:
    """``forget_topics(scheduler, prefix)``: drop the topics whose names begin so.

    Dask keeps every topic that something was logged to, for ever, in ``Scheduler._broker._topics``.
    """

    def parsl_forget_topics(scheduler: Any, prefix: str) -> None:
        topics = scheduler._broker._topics
        for topic in [topic for topic in topics if topic.startswith(prefix)]:
            del topics[topic]

    return by_value(parsl_forget_topics)


@cache
def forget_events() -> Any:
    """``forget_events(scheduler, topic)``: drop what was logged to a topic, and keep those who listen to it.

    Dask keeps the last thousands of events, of whatever size; ``Scheduler._broker`` has them.
    """

    def parsl_forget_events(scheduler: Any, topic: str) -> None:
        scheduler._broker.truncate(topic)

    return by_value(parsl_forget_events)


@cache
def forget_wishes() -> Any:
    """``forget_wishes(scheduler, client)``: release what a client wanted before it connected again.

    When the end of the old connection is noticed after the new one has come, Dask forgets the client and not what it
    wanted. ``Scheduler._client_releases_keys`` takes the state of a client, and so also one that is forgotten.
    """

    def parsl_forget_wishes(scheduler: Any, client: str) -> None:
        import time

        wanting = {
            id(c): c for task in scheduler.tasks.values() for c in task.who_wants or () if c.client_key == client
        }
        for state in wanting.values():
            if scheduler.clients.get(client) is not state:
                found: dict[Any, str] = {}
                keys = [task.key for task in state.wants_what]
                scheduler._client_releases_keys(keys=keys, cs=state, recommendations=found)
                scheduler.transitions(found, stimulus_id=f"parsl-forget-{time.time()}")

    return by_value(parsl_forget_wishes)


@cache
def settle() -> Any:
    """``settle(key, address, failure)``: end a task that was never to run. For ``Client.run_on_scheduler``.

    There is no public way to give a task its value, or its error. With neither an address nor a failure, it only tells
    whether the task is known.
    """

    def parsl_settle(key: str, address: str, failure: Any, dask_scheduler: Any = None) -> bool:
        stimulus = f"parsl-settle-{key}"
        task = dask_scheduler.tasks.get(key)
        if task is None:
            if address in dask_scheduler.workers:  # it was released in the meantime
                dask_scheduler.worker_send(address, {"op": "free-keys", "keys": [key], "stimulus_id": stimulus})
            return False
        if task.state != "no-worker" or (not address and failure is None):
            return True
        # Dask may run it from now on, which happens when the value is lost, and fails with a text that says so
        task.resource_restrictions = None
        if failure is None:
            task.worker_restrictions = {address}
            task.loose_restrictions = True
            dask_scheduler.transitions({key: "processing"}, stimulus_id=stimulus)
            return True
        from distributed.protocol.serialize import Serialized

        header, frames, text = failure
        following = dask_scheduler.transition(
            key,
            "erred",
            stimulus_id=stimulus,
            cause=key,
            exception=Serialized(header, frames),
            traceback=None,
            exception_text=text,
            traceback_text="",
        )
        dask_scheduler.transitions(following, stimulus_id=stimulus)
        return True

    return by_value(parsl_settle)
