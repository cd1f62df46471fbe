"""How users see what a resident does: by the record in the run's directory, ``ps`` and ``stop``, and its progress."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from parsl_on_dask.common import run_records
from parsl_on_dask.common.processes_here import boot, this_process
from parsl_on_dask.linger import records
from parsl_on_dask.linger.calls import Calls
from parsl_on_dask.monitoring.counts import AppCounts
from parsl_on_dask.monitoring.published import blocks_of, publish

logger = logging.getLogger("parsl.linger.shown")


class Shown:
    """What others see of a resident.

    - `script`: its name and arguments.
    - `linger`: seconds.
    """

    def __init__(self, run_dir: str, script: list[str], socket: str, linger: float) -> None:
        self.run_dir = run_dir
        self.began = time.monotonic()
        self._lock = threading.Lock()
        self._closed = False
        self.record: dict[str, Any] = {
            "script": script,
            "socket": socket,
            "token": secrets.token_hex(16),
            "host": run_records.host(),
            "boot": boot(),
            "process": this_process(),
            "name": "",
            "linger": linger,
            "versions": records.versions(),
        }
        records.write(run_dir, self.record)

    def show(self, away: bool) -> None:
        """Have users see that a run stays without its script, or does not any more."""
        with self._lock:
            if not self._closed:  # a script that leaves while all ends leaves nothing
                self._show(away)

    def _show(self, away: bool) -> None:
        name = self.record["name"]
        try:
            if away and not name:
                script = self.record["script"][0]
                stem = os.path.splitext(os.path.basename(script))[0]
                made = run_records.create(
                    stem=stem,
                    kind="stays",
                    script=script,
                    cwd=os.getcwd(),
                    log=os.path.join(self.run_dir, "resident.log"),
                    process=self.record["process"],
                    run_dirs=[self.run_dir],
                    linger=self.record["linger"],
                )
                self.record["name"] = made.name
            elif name and not away:
                self.record["name"] = ""
                run_records.remove(name)
            records.write(self.run_dir, self.record)
        except (OSError, ValueError) as e:
            logger.warning("`ps` will not show this run: %s", e)

    def beat(self, calls: Calls, executors: Mapping[str, Any]) -> None:
        """Give a sign of life; while no script is here also how far the calls are.

        Raises FileNotFoundError when the run's directory, or the record in it, was removed.
        """
        try:
            os.utime(os.path.join(self.run_dir, records.FILE))
        except FileNotFoundError:
            raise
        except OSError:
            logger.debug("no sign of life can be given", exc_info=True)
        if self.record["name"]:
            run_records.beat(self.record["name"])
            self._publish(calls, executors)

    def _publish(self, calls: Calls, executors: Mapping[str, Any]) -> None:
        running: Counter[str] = Counter()
        for executor in list(executors.values()):
            running.update((executor.lane.running() or {}) if executor.lane is not None else {})
        present = Counter(work.call.name for work in calls.table.works() if work.call is not None)
        apps = [
            AppCounts(
                app, calls.succeeded[app], 0, running[app], max(0, present[app] - running[app]), calls.failed[app]
            )
            for app in sorted({*calls.succeeded, *calls.failed, *present})
        ]
        try:
            publish(self.run_dir, apps, blocks_of(list(executors.values())), time.monotonic() - self.began)
        except OSError as e:
            logger.debug("nobody can be told how far the calls are: %s", e)

    def close(self) -> None:
        """Take all of it away."""
        with self._lock:
            self._closed = True
            self._show(away=False)
            records.remove(self.run_dir)
