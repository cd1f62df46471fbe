"""Says what another process has to do if this one is killed: which jobs to cancel, and which files to remove.

The process that keeps the scheduler is told of each block as it comes and goes, so that many blocks cost no more each
than a few.
"""

from __future__ import annotations

import base64
import copy
import logging
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parsl_on_dask.clusters.block import Block

logger = logging.getLogger("parsl.clusters.last_will")

#: Seconds that the cancelling of jobs may take whose script was killed.
PATIENCE = 120
#: Seconds after which a provider of the user's own, which may know more by then, is told of again.
FRESH = 5.0


class LastWill:
    """The side of the script.

    - `folder`: directory with files that hold keys.
    - `tell`: takes a message for the other process.
    """

    def __init__(self, provider: Any, folder: str, tell: Callable[[dict[str, Any]], None]) -> None:
        self.provider = provider
        self.tell = tell
        self._told: float | None = None
        self._folder = folder
        from parsl_on_dask.providers.batch import BatchProvider

        #: of ours any will do; one of the user's own may look up what it knows about a job
        self._any = isinstance(provider, BatchProvider)
        self._lock = threading.Lock()

    def add(self, block: Block) -> None:
        """A block has been submitted."""
        with self._lock:
            self._tell_provider()
            record = None if self._any else getattr(self.provider, "resources", {}).get(block.job_id)
            job = _text((block.job_id, record)) or _text((block.job_id, None))
        self.tell({"leave": block.name, "job": job})

    def keys_are_written(self) -> None:
        """The first file with keys is about to be written."""
        self.tell({"keys": self._folder})

    def _tell_provider(self) -> None:
        now = time.monotonic()
        if self._told is not None and (self._any or now - self._told < FRESH):
            return
        self._told = now
        try:
            bare = copy.copy(self.provider)
            bare.resources = {}
        except Exception:
            bare = self.provider
        self.tell({"heir": _text(bare)})

    def remove(self, blocks: Iterable[Block]) -> None:
        """Blocks have ended."""
        names = [block.name for block in blocks]
        if names:
            self.tell({"settled": names})

    def revoke(self) -> None:
        """Nothing is left to do."""
        self.tell({"settled": None})


def _text(value: Any) -> str:
    """A value as text; ``""`` when it is one that cannot travel."""
    import cloudpickle

    try:
        return base64.b64encode(cloudpickle.dumps(value)).decode()
    except Exception as e:
        logger.debug("%r cannot be pickled, so its jobs end by themselves if this process is killed: %r", value, e)
        return ""


class Orders:
    """The side of the process that is left."""

    def __init__(self) -> None:
        self.heir = ""
        self.folder = ""
        self.left: dict[str, str] = {}

    def received(self, message: dict[str, Any]) -> None:
        """Take note of what :class:`LastWill` tells."""
        if "heir" in message:
            self.heir = message["heir"]
        elif "keys" in message:
            self.folder = message["keys"]
        elif "leave" in message:
            self.left[message["leave"]] = message["job"]
        elif message["settled"] is None:
            self.left.clear()
            self.folder = ""
        else:
            for name in message["settled"]:
                self.left.pop(name, None)

    def execute(self) -> None:
        """Remove the files, and cancel the jobs."""
        import pickle

        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        texts = [job for job in self.left.values() if job]
        if not texts or not self.heir:
            return
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)  # the end of a process whose provider does not answer
        provider = pickle.loads(base64.b64decode(self.heir))
        jobs = [pickle.loads(base64.b64decode(text)) for text in texts]
        known = {job_id: record for job_id, record in jobs if record is not None}
        if known:
            provider.resources.update(known)
        provider.cancel([job_id for job_id, _ in jobs])
